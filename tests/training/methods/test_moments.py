"""Moment matching: what is matched, that it resumes exactly, that it learns."""

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric

import phys_gan as pg
from phys_gan.encodings import build_encoding
from phys_gan.errors import ConfigError
from phys_gan.losses import median_distance, mmd2
from phys_gan.toys import TOYS, count_modes, simulate_toy
from phys_gan.training.loop import train
from phys_gan.training.methods import MomentMatchingConfig, Setup, build_method
from phys_gan.training.methods.moments import FeatureMap
from phys_gan.workflows import demo_sample

GEANT4 = pg.read(demo_sample())[:300]
SMALL = [
    "network.latent=4",
    "network.width=16",
    "network.depth=1",
    "network.d_width=16",
    "network.d_depth=1",
    "training.batch_size=32",
    "training.events=320",
    "training.report_every=160",
    "training.decay=none",
]
RING = """
name = "ring"
[encoding]
kind = "standard"
[network]
kind = "mlp"
latent = 2
width = 64
[method]
kind = "moment-matching"
[training]
events = 40_000
batch_size = 128
lr_g = 5e-3
beta1 = 0.5
beta2 = 0.999
ema_half_life = 5_000
report_every = 40_000
"""


def setup_of(events, recipe):
    fabric = Fabric(accelerator="cpu")
    encoding = build_encoding(recipe.encoding, events.detector).fit(events)
    x, c = encoding.encode(events)
    noise = torch.Generator().manual_seed(1)
    return Setup(recipe.network, recipe.training, encoding, fabric, noise, x, c)


@pytest.fixture(scope="module")
def setup():
    return setup_of(GEANT4, pg.load_recipe("mmd-showers", SMALL))


def run(out, *overrides, **options):
    recipe = pg.load_recipe("mmd-showers", [*SMALL, *overrides])
    return train(recipe, GEANT4[:200], GEANT4[200:], out, lambda a, b: 0.5, **options)


def test_the_unit_of_bandwidths_is_the_median_distance_of_what_is_seen(setup):
    features = FeatureMap(setup, 1.0)
    assert features.median == median_distance(features(setup.x, setup.c))


def test_conditions_count_as_much_as_events_when_their_weight_is_one(setup):
    for weight in (1.0, 0.5):
        rows = FeatureMap(setup, weight)(setup.x, setup.c)
        variances = rows.var(0, correction=0)
        n_seen = rows.shape[1] - 2
        assert variances[:n_seen].mean() == pytest.approx(1, rel=0.2)
        assert variances[n_seen:].sum() / n_seen == pytest.approx(weight**2, rel=1e-4)


def test_events_under_wrong_conditions_are_seen(setup):
    features = FeatureMap(setup, 1.0)
    x, c = setup.x[:150], setup.c[:150]
    others, theirs = setup.x[150:], setup.c[150:]
    wrong = theirs[torch.randperm(150, generator=torch.Generator().manual_seed(0))]
    bandwidths = [features.median]
    right = mmd2(features(x, c), features(others, theirs), bandwidths)
    assert mmd2(features(x, c), features(others, wrong), bandwidths) > 2 * right


def test_gradients_reach_every_parameter(setup):
    method = build_method(MomentMatchingConfig(), setup)
    with torch.no_grad():
        for parameter in method.generator.plain.parameters():
            parameter.add_(0.01 * torch.randn_like(parameter))
    method.step(setup.x[:64], setup.c[:64], 1.0, 0)
    for name, parameter in method.generator.plain.named_parameters():
        assert parameter.grad.abs().sum() > 0, name


def test_the_state_returns_scales_and_median(setup):
    first = build_method(MomentMatchingConfig(), setup)
    less = Setup(**{**vars(setup), "x": setup.x[:50], "c": setup.c[:50]})
    second = build_method(MomentMatchingConfig(), less)
    assert second.features.median != first.features.median
    second.load_state_dict(first.state_dict())
    assert second.features.median == first.features.median
    rows = [method.features(setup.x, setup.c) for method in (first, second)]
    assert torch.equal(*rows)


def test_what_is_reported(tmp_path):
    lines = []
    run(
        tmp_path,
        "training.events=1920",
        "training.report_every=960",
        "training.lr_g=5e-3",
        report=lambda shown, line: lines.append(dict(line)) if line else None,
    )
    assert len(lines) == 2
    for line in lines:
        assert line["mmd"] >= 0
        assert line["gradient_norm_g"] > 0
        assert 0 < line["diversity"] < 3
    assert lines[1]["loss"] < lines[0]["loss"]


def test_resuming_gives_the_uninterrupted_run(resumes_exactly):
    resumes_exactly(run, at=224)


def test_the_model_generates_as_it_was_saved(generates_as_saved):
    generates_as_saved(run)


def test_networks_without_a_single_discriminator_are_refused(setup):
    recipe = pg.load_recipe("stacked-showers")
    without = Setup(**{**vars(setup), "network": recipe.network})
    with pytest.raises(ConfigError, match="no single discriminator"):
        build_method(MomentMatchingConfig(), without)


def test_it_learns_the_ring_without_conditions(tmp_path):
    (tmp_path / "ring.toml").write_text(RING)
    events = simulate_toy("toy-ring", 5000)
    recipe = pg.load_recipe(tmp_path / "ring.toml")
    model = train(recipe, events[:4500], events[4500:], tmp_path / "run", lambda a, b: 0.5)
    points = pg.FastSim.load(model).generate(2500, 1).cells
    assert count_modes(points, TOYS["toy-ring"]).modes_hit == 8
    assert np.abs(np.hypot(*points.T) - 2).mean() < 0.3
