"""Cycle translation in the loop: exact resuming, what is kept, what is refused."""

import math

import numpy as np
import pytest

import phys_gan as pg
from helpers import lines
from phys_gan.errors import ConfigError, MissingError
from phys_gan.networks import CompactConfig
from phys_gan.training.loop import train
from phys_gan.validation import physics_score
from phys_gan.workflows import demo_sample

GEANT4 = pg.read(demo_sample())
PARAMETRIC = pg.simulate(GEANT4.detector, 400, seed=3)
SOURCE = (PARAMETRIC[:300], PARAMETRIC[300:])
SMALL = [
    "network.width=16",
    "network.depth=1",
    "network.d_width=16",
    "network.d_depth=1",
    "training.batch_size=32",
    "training.events=512",
    "training.report_every=128",
    "training.decay=none",
    "training.max_minutes=0",
]


def run(out, *overrides, source=SOURCE, **options):
    recipe = pg.load_recipe("cycle", [*SMALL, *overrides])
    held_out = GEANT4[300:400]
    return train(recipe, GEANT4[:300], held_out, out, physics_score, source=source, **options)


@pytest.mark.parametrize(
    "overrides",
    [
        [],
        ["method.identity_weight=1", "network.noise=false"],
        ["method.techniques.packing.m=2", "method.generator_steps=2", "method.conditioning=[]"],
    ],
    ids=["default", "identity, no noise", "packed, two turns"],
)
def test_resuming_gives_the_uninterrupted_run(resumes_exactly, overrides):
    places = resumes_exactly(lambda out, **options: run(out, *overrides, **options), at=352)
    for mine, theirs in zip(*map(lines, places), strict=True):
        assert {**mine, "seconds": 0} == {**theirs, "seconds": 0}
        assert math.isfinite(mine["loss_d_source"] + mine["cycle"])


def test_what_is_kept_translates(tmp_path):
    fast = pg.FastSim.load(run(tmp_path))
    assert fast.translates
    source = SOURCE[1]
    there = fast.translate(source, seed=1)
    np.testing.assert_array_equal(there.energy, source.energy)
    # Training has hardly begun: layers still have about their energies, event by event.
    first, second = (events.layer_energies()[:, 1] for events in (source, there))
    assert np.corrcoef(first, second)[0, 1] > 0.98
    # The seed of the judge is that of the run.
    score = physics_score(GEANT4[300:400], fast.translate(source, seed=0))
    assert score == pytest.approx(min(line["score"] for line in lines(tmp_path)), abs=1e-4)


def test_a_model_there_and_back_and_in_any_batches(tmp_path):
    fast = pg.FastSim.load(run(tmp_path))
    fast.model.save(tmp_path / "copy.safetensors")
    copy = pg.FastSim.load(tmp_path / "copy.safetensors")
    whole = fast.translate(SOURCE[0], seed=4)
    np.testing.assert_array_equal(copy.translate(SOURCE[0], seed=4).cells, whole.cells)
    small = fast.translate(SOURCE[0], seed=4, batch_size=7)
    np.testing.assert_allclose(small.total_energy(), whole.total_energy(), rtol=1e-6)
    # Matrix products of other shapes round differently; a cell at the cut may appear or vanish.
    assert np.mean(np.isclose(small.cells, whole.cells, rtol=1e-3, atol=1e-2)) > 0.9999
    assert not np.array_equal(fast.translate(SOURCE[0], seed=5).cells, whole.cells)


def test_wrong_use(tmp_path):
    with pytest.raises(ConfigError, match="none to translate; add --source FILE"):
        run(tmp_path / "a", source=())
    fast = pg.FastSim.load(run(tmp_path / "b", "training.events=64"))
    with pytest.raises(ConfigError, match="translates events and does not generate them"):
        fast.generate({"energy": [5e4]})
    other = pg.simulate(pg.load_detector("calochallenge-2"), 5)
    with pytest.raises(pg.errors.DetectorError, match="calochallenge-2"):
        fast.translate(other)
    # Copies are not checked as a whole, unlike recipes: each part must refuse by itself.
    recipe = pg.load_recipe("cycle", SMALL).model_copy(update={"network": CompactConfig()})
    with pytest.raises(ConfigError, match=r"'compact' does not translate.*'translator'"):
        train(
            recipe, GEANT4[:300], GEANT4[300:400], tmp_path / "c", physics_score, source=SOURCE
        )  # fmt: skip


def test_conditions_must_be_known_of_both(tmp_path):
    nameless = [pg.Events(part.cells, {}, part.detector) for part in SOURCE]
    with pytest.raises(MissingError, match="energy"):
        run(tmp_path, source=nameless)


@pytest.mark.slow
def test_it_halves_the_distance_from_parametric_to_geant4(tmp_path):
    parametric = pg.simulate(GEANT4.detector, 5000, seed=5)
    recipe = pg.load_recipe("cycle", ["training.events=200_000", "training.max_minutes=0"])
    source, held_out = (parametric[:4000], parametric[4000:]), GEANT4[4000:]
    # One half of what is held out chooses the checkpoint, the other one is for the test.
    chooses = (source[0], source[1][:500])
    train(recipe, GEANT4[:4000], held_out[:500], tmp_path, physics_score, source=chooses)
    untranslated = source[1][500:]
    translated = pg.FastSim.load(tmp_path).translate(untranslated, seed=1)
    before = physics_score(held_out[500:], untranslated)
    assert before > 0.2
    assert physics_score(held_out[500:], translated) < 0.5 * before
    # What comes out still belongs to what went in.
    shares = [e.layer_energies()[:, 0] / e.total_energy() for e in (untranslated, translated)]
    assert np.corrcoef(*shares)[0, 1] > 0.95
