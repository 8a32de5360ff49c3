"""Features of showers against what validation measures."""

import numpy as np
import pytest
import torch

import phys_gan as pg
from phys_gan.detectors import load_detector
from phys_gan.networks import AutoencoderConfig, Sizes, build_discriminator
from phys_gan.networks.physics import ShowerFeatures
from phys_gan.observables import measure, select
from phys_gan.workflows import demo_sample

GEANT4 = pg.read(demo_sample())[:200]
CELLS = torch.from_numpy(np.array(GEANT4.cells))


def shower_features(cells=False):
    features = ShowerFeatures(GEANT4.detector, cells)
    features.adapt(CELLS)
    return features


def test_features_are_what_validation_measures():
    features = shower_features()(CELLS).numpy()
    names = ["E_0/E_tot", "EC_x_0", "EC_y_0"]
    found = measure(GEANT4, select(GEANT4.detector, names))
    np.testing.assert_allclose(features[:, 0], np.log(found["E_0/E_tot"]), atol=1e-4)
    reach = np.abs(GEANT4.detector.positions).max(axis=0)
    np.testing.assert_allclose(features[:, 11], found["EC_x_0"] / reach[0], atol=1e-4)
    np.testing.assert_allclose(features[:, 12], found["EC_y_0"] / reach[1], atol=1e-4)


def test_soft_counts_follow_the_occupancy():
    features = shower_features()(CELLS).numpy()
    hits = (GEANT4.layer(0) > 0).mean(axis=(1, 2))
    assert np.corrcoef(features[:, 1], hits)[0, 1] > 0.99
    # Fewer and fewer lie above rising energies.
    assert (np.diff(features[:, 2:11], axis=1) <= 1e-6).all()


@pytest.mark.parametrize("cells", [False, True])
def test_gradients_are_finite_for_empty_layers(cells):
    energies = torch.zeros(3, 504)
    energies[1, 0] = 5.0
    energies[2, 288:432] = torch.rand(144)
    energies.requires_grad_()
    features = shower_features(cells)(energies)
    features.sum().backward()
    assert torch.isfinite(features).all()
    assert torch.isfinite(energies.grad).all()


def test_single_cells_are_features_on_request():
    assert (
        shower_features(cells=True)(CELLS).shape[1] == shower_features()(CELLS).shape[1] + 3 * 504
    )


@pytest.mark.parametrize("name", ["calogan", "calochallenge-1-photons", "calochallenge-2"])
def test_it_takes_showers_of_any_detector(name):
    detector = load_detector(name)
    config = AutoencoderConfig(d_width=16, d_depth=1)
    discriminator = build_discriminator(
        config, detector, Sizes(detector.n_layers, detector.n_cells, 2)
    )
    x = 100 * torch.rand(8, detector.n_layers + detector.n_cells)
    discriminator.adapt(x, torch.rand(8, 2))
    assert discriminator.logits(x, torch.rand(8, 2)).shape == (8,)
    assert discriminator.preprocess(x).abs().max() <= 12
