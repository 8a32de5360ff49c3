"""The GAN with a likelihood: its two phases, exact resuming, what is refused."""

import numpy as np
import pytest

import phys_gan as pg
from helpers import lines
from phys_gan.errors import ConfigError
from phys_gan.training.loop import train
from phys_gan.training.methods import VaeGanConfig
from phys_gan.validation import physics_score
from phys_gan.workflows import demo_sample

GEANT4 = pg.read(demo_sample())[:300]
SMALL = [
    "network.latent=4",
    "network.width=16",
    "network.depth=1",
    "network.e_width=16",
    "network.e_depth=1",
    "network.neighbours=4",
    "network.d_width=16",
    "network.d_depth=1",
    "method.likelihood_events=128",
    "method.introduction=128",
    "training.batch_size=32",
    "training.events=512",
    "training.report_every=128",
    "training.decay=none",
]


def run(out, *overrides, **options):
    recipe = pg.load_recipe("ecal", [*SMALL, *overrides])
    return train(recipe, GEANT4[:200], GEANT4[200:], out, physics_score, **options)


def test_the_players_join_one_after_the_other(tmp_path):
    run(tmp_path)
    assert [("loss_d" in line, "loss_g" in line) for line in lines(tmp_path)] == [
        (False, False),
        (True, False),
        (True, True),
        (True, True),
    ]
    for line in lines(tmp_path):
        # All that is minimised, per number of an event.
        likelihood = (line["kl"] - line["reconstruction"]) / 507
        assert line["loss"] == pytest.approx(likelihood + line.get("loss_g", 0), rel=1e-4)
        assert 0 < line["diversity"] < 2


@pytest.mark.parametrize("overrides", [[], ["network.d_cells=true"]])
@pytest.mark.parametrize("at", [160, 352])
def test_resuming_gives_the_uninterrupted_run(resumes_exactly, at, overrides):
    resumes_exactly(lambda out, **options: run(out, *overrides, **options), at=at)


def test_the_weight_of_the_judgement(tmp_path):
    run(tmp_path, "method.adversarial_weight=3.0")
    last = lines(tmp_path)[-1]
    likelihood = (last["kl"] - last["reconstruction"]) / 507
    assert last["loss"] == pytest.approx(likelihood + 3 * last["loss_g"], rel=1e-4)


def test_the_players_take_turns(tmp_path):
    every = ["training.events=320", "training.report_every=32"]
    run(tmp_path / "two", *every, "method.discriminator_steps=2")
    names = [("loss_d" in line, "loss" in line) for line in lines(tmp_path / "two")]
    # Four steps of likelihood alone; then the autoencoder has every second one.
    assert names == [(False, True)] * 4 + [(True, True), (True, False)] * 3


def test_historical_averaging_counts_in_both_losses(tmp_path):
    short = ["training.events=256", "method.likelihood_events=256"]
    run(tmp_path / "without", *short)
    run(tmp_path / "with", *short, "method.techniques.historical_averaging.weight=10")
    first, second = (lines(tmp_path / name)[-1] for name in ("without", "with"))
    assert first["reconstruction"] != second["reconstruction"]


def test_it_generates_showers(tmp_path):
    fast = pg.FastSim.load(run(tmp_path))
    events = fast.generate({"energy": GEANT4.energy}, seed=1)
    np.testing.assert_allclose(events.total_energy() / GEANT4.energy, 1, atol=0.02)
    assert events.cells[0].shape == (504,)


def test_other_networks_are_refused(tmp_path):
    recipe = pg.load_recipe("showers", ["training.batch_size=64"])
    recipe = recipe.model_copy(update={"method": VaeGanConfig()})
    with pytest.raises(ConfigError, match=r"'compact' have no likelihood.*'autoencoder'"):
        train(recipe, GEANT4[:200], GEANT4[200:], tmp_path, lambda a, b: 0.5)


def test_references():
    keys = pg.load_recipe("ecal").method.references
    assert keys[0] == "larsen2015vaegan"
    assert "goodfellow2014gan" in keys
