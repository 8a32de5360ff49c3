"""Productions: block by block what would come at once, whole files or none."""

import numpy as np
import pytest

import phys_gan as pg
from phys_gan.errors import ConfigError, DataError, MissingError, RangeError
from phys_gan.workflows.production import Production, produce

FAST = pg.FastSim.load("calogan-eplus")
ENERGY = np.linspace(2e3, 9e4, 50)


def test_blocks_are_what_comes_at_once():
    whole = FAST.generate({"energy": ENERGY}, seed=3)
    blocks = list(FAST.stream({"energy": ENERGY}, seed=3, block=16))
    assert [len(events) for events in blocks] == [16, 16, 16, 2]
    joined = pg.Events.concatenate(blocks)
    np.testing.assert_array_equal(joined.energy, ENERGY)
    np.testing.assert_allclose(joined.cells, whole.cells, rtol=1e-3, atol=1e-3)


def test_beginning_in_the_middle():
    (later,) = FAST.stream({"energy": ENERGY}, seed=3, first=40)
    whole = FAST.generate({"energy": ENERGY}, seed=3)
    np.testing.assert_allclose(later.cells, whole.cells[40:], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", ["out.h5", "out.root"])
def test_a_file_holds_the_production(tmp_path, name):
    done = []
    count = produce(FAST, tmp_path / name, {"energy": ENERGY}, seed=5, block=20, report=done.append)
    assert count == 50
    assert done == [20, 40, 50]
    written = pg.read(tmp_path / name)
    np.testing.assert_allclose(written.energy, ENERGY, rtol=1e-7)
    expected = FAST.generate({"energy": ENERGY}, seed=5)
    np.testing.assert_allclose(written.cells, expected.cells, rtol=1e-3, atol=1e-3)


def test_what_is_wrong_is_said_before_anything_is_written(tmp_path):
    out = tmp_path / "out.h5"
    wrong = np.append(ENERGY, 2e5)
    with pytest.raises(RangeError, match="the model was trained from"):
        produce(FAST, out, {"energy": wrong}, block=10)
    with pytest.raises(MissingError, match="'energy' is missing"):
        produce(FAST, out, {"flux": ENERGY})
    with pytest.raises(ConfigError, match="how many"):
        produce(FAST, out, {"energy": []})
    assert not list(tmp_path.iterdir())


def test_a_failure_on_the_way_leaves_what_was_there(tmp_path):
    out = tmp_path / "out.h5"
    produce(FAST, out, {"energy": ENERGY[:5]})
    before = out.read_bytes()

    def fail(done):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        produce(FAST, out, {"energy": ENERGY}, block=10, report=fail)
    assert out.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["out.h5"]


def test_a_number_of_events_may_be_one_of_numpy(tmp_path):
    for generate in (FAST.generate, lambda n: list(FAST.stream(n))):
        with pytest.raises(MissingError, match="'energy' is missing"):
            generate(np.int64(3))
    with pytest.raises(MissingError, match="'energy' is missing"):
        produce(FAST, tmp_path / "a.h5", np.int64(3))


def test_generated_events_get_the_weights_that_are_given(tmp_path):
    weights = np.linspace(-1, 3, 50)
    whole = FAST.generate({"energy": ENERGY}, seed=3, weights=weights)
    np.testing.assert_array_equal(whole.weights, weights)
    assert FAST.generate({"energy": ENERGY}, seed=3).weights is None
    blocks = list(FAST.stream({"energy": ENERGY}, seed=3, first=10, block=16, weights=weights))
    joined = pg.Events.concatenate(blocks)
    np.testing.assert_array_equal(joined.weights, weights[10:])
    np.testing.assert_allclose(joined.cells, whole.cells[10:], rtol=1e-3, atol=1e-3)
    for wrong, message in (
        (weights[:49], r"weights have shape \(49,\), but there are 50 events"),
        (np.append(weights, 1), "there are 50 events"),
        (np.where(weights > 2.9, np.nan, weights), "NaN or infinite in 2 of 50 events"),
    ):
        for use in (
            lambda w: FAST.generate({"energy": ENERGY}, weights=w),
            lambda w: next(FAST.stream({"energy": ENERGY}, block=10, weights=w)),
            lambda w: produce(FAST, tmp_path / "out.h5", {"energy": ENERGY}, block=10, weights=w),
        ):
            with pytest.raises(DataError, match=message):
                use(wrong)
    assert not list(tmp_path.iterdir())


def test_parts_have_the_weights_of_their_events():
    weights = np.linspace(-1, 3, 50)
    sizes = {"seed": 3, "block": 5, "part": 20}
    plan = Production.plan(FAST, "out.h5", {"energy": ENERGY}, weights=weights, **sizes)
    assert plan.n_parts == 3
    parts = [pg.Events.concatenate(list(plan.events(k, k))) for k in range(3)]
    np.testing.assert_array_equal(np.concatenate([part.weights for part in parts]), weights)
    once = pg.Events.concatenate(list(plan.events(0, 2)))
    np.testing.assert_array_equal(once.weights, weights)
    np.testing.assert_array_equal(once.cells, np.concatenate([part.cells for part in parts]))


def test_productions_with_other_weights_are_told_apart():
    def plan(weights):
        return Production.plan(FAST, "out.h5", {"energy": ENERGY}, weights=weights).manifest

    none, ones, twos = plan(None), plan(np.ones(50)), plan(np.full(50, 2.0))
    assert len({manifest.digest for manifest in (none, ones, twos)}) == 3
    assert ones.difference(plan(np.ones(50))) is None
    assert ones.difference(none) == "without weights, not with weights"
    assert none.difference(ones) == "with weights, not without weights"
    assert ones.difference(twos) == "with other weights"
