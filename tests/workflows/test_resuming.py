"""Productions that break off at any moment go on, and end with the same file."""

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
from phys_gan.errors import ConfigError, DataError, OutputError
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
