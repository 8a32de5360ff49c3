"""Productions: whole files or none, and the same file after any interruption."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import phys_gan as pg
from helpers import full_disk
from phys_gan.errors import ConfigError, DataError, MissingError, OutputError, RangeError
from phys_gan.workflows.manifest import exclusive
from phys_gan.workflows.production import Production, produce

FAST = pg.FastSim.load("calogan-eplus", "cpu")
ENERGY = np.linspace(2e3, 9e4, 500)
SIZES = {"block": 100, "part": 200}

CHILD = """
import os, signal, sys
import numpy as np
from phys_gan.workflows import production
from phys_gan.workflows.manifest import events_written

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

def run(out, moment):
    joining = production.join
    if moment == "joined":
        production.join = lambda *given: (joining(*given), die())
    if moment == "renamed":
        production.remove_parts = die
    energy = np.linspace(2e3, 9e4, 500)
    production.produce(
        "calogan-eplus", out, {"energy": energy}, seed=5, block=100, part=200, resume=True,
        report=lambda done: die() if str(done) == moment else None,
    )

# Before torch has any threads, a copy of this process spares the imports.
whole, out = sys.argv[1:]
for path, moment in [(whole, ""), *((out, m) for m in ("100", "300", "joined", "renamed", ""))]:
    child = os.fork()
    if not child:
        run(path, moment)
        os._exit(0)
    killed = os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    there = events_written(path)
    print(moment or "-", killed, there[0] if there else "-", os.path.exists(path))
"""


def broken(out: Path, at: int = 300, format: str | None = None) -> None:
    def fail(done: int) -> None:
        if done == at:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        produce(FAST, out, {"energy": ENERGY}, seed=5, format=format, report=fail, **SIZES)


def again(out: Path, energy: np.ndarray = ENERGY, **given: object) -> list[int]:
    told: list[int] = []
    options = {"seed": 5, "resume": True, **SIZES, **given}
    produce(FAST, out, {"energy": energy}, report=told.append, **options)
    return told


def test_killed_at_any_moment(tmp_path: Path) -> None:
    whole, out = tmp_path / "whole.h5", tmp_path / "out.h5"
    command = [sys.executable, "-c", CHILD, str(whole), str(out)]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert told.splitlines() == [
        "- False - True",
        "100 True 0 False",
        "300 True 200 False",
        "joined True 500 False",
        "renamed True 500 True",
        "- False - True",
    ]
    assert out.read_bytes() == whole.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.h5", "whole.h5"]


@pytest.mark.parametrize(("name", "format"), [("out.h5", None), ("out.root", "hits-root")])
def test_broken_off_and_gone_on_with(tmp_path: Path, name: str, format: str | None) -> None:
    out = tmp_path / name
    broken(out, format=format)
    assert again(out, format=format) == [200, 300, 400, 500]
    events = pg.read(out)
    np.testing.assert_allclose(events.energy, ENERGY, rtol=1e-7)
    expected = FAST.generate({"energy": ENERGY}, seed=5)
    np.testing.assert_allclose(events.cells, expected.cells, rtol=1e-3, atol=1e-3)
    assert again(out, format=format) == []
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_first_start_may_say_resume(tmp_path: Path) -> None:
    out = tmp_path / "out.h5"
    assert again(out, ENERGY[:200]) == [100, 200]
    assert again(out, ENERGY[:200]) == []
    with pytest.raises(ConfigError, match="is not the production that is asked for; leave --resu"):
        again(out, ENERGY[:199])
    again(out, ENERGY[:199], resume=False)
    assert len(pg.read(out)) == 199


@pytest.mark.parametrize(
    ("given", "energy", "words"),
    [
        ({"seed": 6}, ENERGY, "begun with seed 5, not 6"),
        ({}, ENERGY[:450], "begun with 500 events, not 450"),
        ({}, ENERGY[::-1], "begun with other values of 'energy'"),
        ({"block": 50}, ENERGY, "begun in blocks of 100 events, not 50"),
        ({"part": 100}, ENERGY, "begun in parts of 200 events, not 100"),
        (
            {"format": "calochallenge-hdf5"},
            ENERGY,
            "the layout of the file's ending, not calochallenge-hdf5",
        ),
    ],
)
def test_another_production_is_refused(
    tmp_path: Path, given: dict[str, object], energy: np.ndarray, words: str
) -> None:
    out = tmp_path / "out.h5"
    broken(out)
    before = sorted(out.with_name("out.h5.parts").iterdir())
    with pytest.raises(ConfigError, match=f"cannot go on with .*{words}; ask for the same, or del"):
        again(out, energy, **given)
    assert sorted(out.with_name("out.h5.parts").iterdir()) == before


def edited(out: Path, **changes: object) -> None:
    path = out.with_name("out.h5.parts") / "production.json"
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **changes}), "utf-8")


def test_another_model_or_version_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "out.h5"
    broken(out)
    edited(out, phys_gan="0.0.1")
    with pytest.raises(ConfigError, match=r"begun by phys_gan 0\.0\.1, not "):
        again(out)
    edited(out, model="0")
    with pytest.raises(ConfigError, match="begun with another model"):
        again(out)
    edited(out, conditions={"flux": "0"}, model=Production.plan(FAST, out, 1).manifest.model)
    with pytest.raises(ConfigError, match="begun with the conditions flux, not energy"):
        again(out)
    (out.with_name("out.h5.parts") / "production.json").write_text("[]")
    with pytest.raises(DataError, match="is not the description of a production; delete '"):
        again(out)


def test_what_broke_off_is_not_begun_again_in_silence(tmp_path: Path) -> None:
    out = tmp_path / "out.h5"
    broken(out)
    with pytest.raises(
        ConfigError,
        match=r"'.*out.h5.parts' holds 200 of 500 events of a production that broke off; go on "
        "with --resume, or delete the folder",
    ):
        produce(FAST, out, {"energy": ENERGY}, **SIZES)


def test_a_folder_that_no_production_made(tmp_path: Path) -> None:
    folder = tmp_path / "out.h5.parts"
    folder.mkdir()
    (folder / "mine.txt").touch()
    with pytest.raises(DataError, match="is in the way, and does not belong to a production"):
        again(tmp_path / "out.h5")
    (folder / "mine.txt").rename(folder / ".production.1.json")
    again(tmp_path / "out.h5")
    assert [path.name for path in tmp_path.iterdir()] == ["out.h5"]


def damage(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:100])


@pytest.mark.parametrize("spoil", [damage, Path.unlink])
def test_a_part_that_is_not_whole_is_made_again(
    tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    out = tmp_path / "out.h5"
    broken(out, at=500)
    spoil(tmp_path / "out.h5.parts" / "000000.h5")
    assert again(out) == [200, 100, 200, 500]
    assert len(pg.read(out)) == 500


@pytest.mark.parametrize(("size", "left"), [(100_000, 0), (300_000, 500)])
def test_a_full_disk_on_the_way(tmp_path: Path, size: int, left: int) -> None:
    out, whole = tmp_path / "out.h5", tmp_path / "whole.h5"
    with (
        full_disk(size),
        pytest.raises(OutputError, match=f"go on with --resume: {left} of 500 events are in '"),
    ):
        again(out)
    assert not out.exists()
    again(out)
    again(whole)
    assert out.read_bytes() == whole.read_bytes()


def test_two_at_once(tmp_path: Path) -> None:
    out = tmp_path / "out.h5"
    broken(out)
    with (
        exclusive(tmp_path / "out.h5.parts"),
        pytest.raises(ConfigError, match="another process is writing the parts in"),
    ):
        again(out)


def test_any_process_may_write_a_part(tmp_path: Path) -> None:
    production = Production.plan(FAST, tmp_path / "out.h5", {"energy": ENERGY}, seed=5, **SIZES)
    assert production.n_parts == 3
    production.begin()
    for number in (2, 0, 1):
        production.write_part(number)
    assert production.missing() == []
    production.finish()
    again(tmp_path / "whole.h5")
    assert (tmp_path / "out.h5").read_bytes() == (tmp_path / "whole.h5").read_bytes()


def test_sizes_of_parts(tmp_path: Path) -> None:
    manifest = Production.plan(FAST, tmp_path / "out.h5", {"energy": ENERGY}).manifest
    assert (manifest.block, manifest.part) == (16_384, 131_072)
    with pytest.raises(
        ConfigError, match="a part of 150 events is not a whole number of blocks of"
    ):
        Production.plan(FAST, tmp_path / "out.h5", {"energy": ENERGY}, block=100, part=150)


FIFTY = np.linspace(2e3, 9e4, 50)


def test_blocks_are_what_comes_at_once():
    whole = FAST.generate({"energy": FIFTY}, seed=3)
    blocks = list(FAST.stream({"energy": FIFTY}, seed=3, block=16))
    assert [len(events) for events in blocks] == [16, 16, 16, 2]
    joined = pg.Events.concatenate(blocks)
    np.testing.assert_array_equal(joined.energy, FIFTY)
    np.testing.assert_allclose(joined.cells, whole.cells, rtol=1e-3, atol=1e-3)


def test_beginning_in_the_middle():
    (later,) = FAST.stream({"energy": FIFTY}, seed=3, first=40)
    whole = FAST.generate({"energy": FIFTY}, seed=3)
    np.testing.assert_allclose(later.cells, whole.cells[40:], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", ["out.h5", "out.root"])
def test_a_file_holds_the_production(tmp_path, name):
    done = []
    count = produce(FAST, tmp_path / name, {"energy": FIFTY}, seed=5, block=20, report=done.append)
    assert count == 50
    assert done == [20, 40, 50]
    written = pg.read(tmp_path / name)
    np.testing.assert_allclose(written.energy, FIFTY, rtol=1e-7)
    expected = FAST.generate({"energy": FIFTY}, seed=5)
    np.testing.assert_allclose(written.cells, expected.cells, rtol=1e-3, atol=1e-3)


def test_what_is_wrong_is_said_before_anything_is_written(tmp_path):
    out = tmp_path / "out.h5"
    wrong = np.append(FIFTY, 2e5)
    with pytest.raises(RangeError, match="the model was trained from"):
        produce(FAST, out, {"energy": wrong}, block=10)
    with pytest.raises(MissingError, match="'energy' is missing"):
        produce(FAST, out, {"flux": FIFTY})
    with pytest.raises(ConfigError, match="how many"):
        produce(FAST, out, {"energy": []})
    assert not list(tmp_path.iterdir())


def test_a_failure_on_the_way_leaves_what_was_there(tmp_path):
    out = tmp_path / "out.h5"
    produce(FAST, out, {"energy": FIFTY[:5]})
    before = out.read_bytes()

    def fail(done):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        produce(FAST, out, {"energy": FIFTY}, block=10, report=fail)
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
    whole = FAST.generate({"energy": FIFTY}, seed=3, weights=weights)
    np.testing.assert_array_equal(whole.weights, weights)
    assert FAST.generate({"energy": FIFTY}, seed=3).weights is None
    blocks = list(FAST.stream({"energy": FIFTY}, seed=3, first=10, block=16, weights=weights))
    joined = pg.Events.concatenate(blocks)
    np.testing.assert_array_equal(joined.weights, weights[10:])
    np.testing.assert_allclose(joined.cells, whole.cells[10:], rtol=1e-3, atol=1e-3)
    for wrong, message in (
        (weights[:49], r"weights have shape \(49,\), but there are 50 events"),
        (np.append(weights, 1), "there are 50 events"),
        (np.where(weights > 2.9, np.nan, weights), "NaN or infinite in 2 of 50 events"),
    ):
        for use in (
            lambda w: FAST.generate({"energy": FIFTY}, weights=w),
            lambda w: next(FAST.stream({"energy": FIFTY}, block=10, weights=w)),
            lambda w: produce(FAST, tmp_path / "out.h5", {"energy": FIFTY}, block=10, weights=w),
        ):
            with pytest.raises(DataError, match=message):
                use(wrong)
    assert not list(tmp_path.iterdir())


def test_parts_have_the_weights_of_their_events():
    weights = np.linspace(-1, 3, 50)
    sizes = {"seed": 3, "block": 5, "part": 20}
    plan = Production.plan(FAST, "out.h5", {"energy": FIFTY}, weights=weights, **sizes)
    assert plan.n_parts == 3
    parts = [pg.Events.concatenate(list(plan.events(k, k))) for k in range(3)]
    np.testing.assert_array_equal(np.concatenate([part.weights for part in parts]), weights)
    once = pg.Events.concatenate(list(plan.events(0, 2)))
    np.testing.assert_array_equal(once.weights, weights)
    np.testing.assert_array_equal(once.cells, np.concatenate([part.cells for part in parts]))


def test_productions_with_other_weights_are_told_apart():
    def plan(weights):
        return Production.plan(FAST, "out.h5", {"energy": FIFTY}, weights=weights).manifest

    none, ones, twos = plan(None), plan(np.ones(50)), plan(np.full(50, 2.0))
    assert len({manifest.digest for manifest in (none, ones, twos)}) == 3
    assert ones.difference(plan(np.ones(50))) is None
    assert ones.difference(none) == "without weights, not with weights"
    assert none.difference(ones) == "with weights, not without weights"
    assert ones.difference(twos) == "with other weights"
