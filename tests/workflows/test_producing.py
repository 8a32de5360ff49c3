"""Productions: block by block what would come at once, whole files or none."""

import numpy as np
import pytest

import phys_gan as pg
from phys_gan.errors import ConfigError, MissingError, RangeError
from phys_gan.workflows.producing import produce

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
