"""What the physics discriminator sees of showers whose shapes are known."""

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


def view(cells=False):
    seen = ShowerFeatures(GEANT4.detector, cells)
    seen.adapt(CELLS)
    return seen


def test_it_sees_what_validation_measures():
    seen = view()(CELLS).numpy()
    names = ["E_0/E_tot", "EC_x_0", "EC_y_0"]
    found = measure(GEANT4, select(GEANT4.detector, names))
    np.testing.assert_allclose(seen[:, 0], np.log(found["E_0/E_tot"]), atol=1e-4)
    reach = np.abs(GEANT4.detector.positions).max(axis=0)
    np.testing.assert_allclose(seen[:, 11], found["EC_x_0"] / reach[0], atol=1e-4)
    np.testing.assert_allclose(seen[:, 12], found["EC_y_0"] / reach[1], atol=1e-4)


def test_counts_are_about_shares_of_hits():
    seen = view()(CELLS).numpy()
    hits = (GEANT4.layer(0) > 0).mean(axis=(1, 2))
    assert np.corrcoef(seen[:, 1], hits)[0, 1] > 0.99
    # Fewer and fewer lie above rising energies.
    assert (np.diff(seen[:, 2:11], axis=1) <= 1e-6).all()


@pytest.mark.parametrize("cells", [False, True])
def test_gradients_are_finite_for_empty_layers(cells):
    energies = torch.zeros(3, 504)
    energies[1, 0] = 5.0
    energies[2, 288:432] = torch.rand(144)
    energies.requires_grad_()
    seen = view(cells)(energies)
    seen.sum().backward()
    assert torch.isfinite(seen).all()
    assert torch.isfinite(energies.grad).all()


def test_single_cells_are_seen_where_wanted():
    assert view(cells=True)(CELLS).shape[1] == view()(CELLS).shape[1] + 3 * 504


@pytest.mark.parametrize("name", ["calogan", "calochallenge-1-photons", "calochallenge-2"])
def test_it_judges_showers_of_any_detector(name):
    detector = load_detector(name)
    config = AutoencoderConfig(d_width=16, d_depth=1)
    judge = build_discriminator(config, detector, Sizes(detector.n_layers, detector.n_cells, 2))
    x = 100 * torch.rand(8, detector.n_layers + detector.n_cells)
    judge.adapt(x, torch.rand(8, 2))
    assert judge.logits(x, torch.rand(8, 2)).shape == (8,)
    assert judge.preprocess(x).abs().max() <= 12
