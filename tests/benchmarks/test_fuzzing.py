"""Damaged files: read, or refused in one sentence; a short run of the long one."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.fuzzing.__main__ import main, summary
from benchmarks.fuzzing.cases import Case, Kind, make_case, prepared, run_cases, try_case
from benchmarks.fuzzing.damage import MUTATIONS, damage

pytestmark = [
    pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux"),
    # The process forks itself while libraries may have threads.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

LIBRARY = ("crash", "hang")
"""What the HDF5 library may still do to the process that reads a damaged file."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzzing")


def run(kind: Kind, folder: Path, n: int, seconds: float) -> list[dict[str, Any]]:
    return list(run_cases(kind, prepared(kind, folder), 1, list(range(n)), seconds=seconds))


def require_fine(results: list[dict[str, Any]]) -> None:
    found = [r for r in results if r["outcome"] not in ("read", "refused", "memory", *LIBRARY)]
    assert not found, summary(found)
    died = [r for r in results if r["outcome"] in LIBRARY]
    assert len(died) <= max(1, len(results) // 200), summary(died)
    outcomes = Counter(r["outcome"] for r in results)
    assert min(outcomes["read"], outcomes["refused"]) > 0


def test_damaged_models(folder: Path) -> None:
    results = run("models", folder, 300, 5.0)
    require_fine(results)
    assert not any(r["outcome"] in LIBRARY for r in results), summary(results)


def test_damaged_inputs(folder: Path) -> None:
    require_fine(run("inputs", folder, 200, 2.0))


def test_threads_of_the_process_before_are_not_waited_for(folder: Path) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        torch.ones(600, 600) @ torch.ones(600, 600)
        results = run("models", folder, 20, 5.0)
    finally:
        torch.set_num_threads(before)
    assert {r["outcome"] for r in results} == {"read", "refused"}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["models", "inputs"])
def test_many_damaged_files(folder: Path, kind: Kind) -> None:
    require_fine(run(kind, folder, 10_000, 10.0))


def test_a_case_is_its_number(folder: Path, tmp_path: Path) -> None:
    sound = prepared("models", folder)
    contents = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        case = make_case("models", sound, 1, 5, tmp_path / name)
        contents.append((case.change, case.path.read_bytes()))
    assert contents[0] == contents[1]
    (tmp_path / "c").mkdir()
    other = make_case("models", sound, 2, 5, tmp_path / "c")
    assert contents[0] != (other.change, other.path.read_bytes())


def test_a_run_goes_on(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = folder / "models-3.jsonl"
    for cases in (3, 5):
        main(["models", "--cases", str(cases), "--seed", "3", "--folder", str(folder)])
        assert capsys.readouterr().out.startswith(f"{cases} cases")
    assert len(log.read_text().splitlines()) == 5
    main(["models", "--case", "4", "--seed", "3", "--folder", str(folder)])
    assert "number=4" in capsys.readouterr().out


@pytest.mark.parametrize("name", MUTATIONS)
def test_every_way_changes_something(name: str) -> None:
    content = b"some text 1234 and more" * 20
    changed = [bytearray(content) for _ in range(20)]
    for seed, data in enumerate(changed):
        MUTATIONS[name](np.random.default_rng(seed), data)
    assert any(bytes(data) != content for data in changed)


def test_damage_ends_where_it_is_told() -> None:
    content = os.urandom(100) + b"what is kept"
    _, changed = damage(np.random.default_rng(0), content, 100)
    assert changed.endswith(b"what is kept")


def test_what_dies_or_hangs_is_told(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(kind: Kind, case: Case) -> tuple[str, str]:
        if case.number == 0:
            os.abort()
        if case.number == 1:
            import time

            time.sleep(60)
        if case.number == 2:
            np.ones(10**12)
        if case.number == 3:
            raise KeyError("a finding")
        return "read", ""

    def judged(kind: Kind, case: Case) -> tuple[Any, str, float]:
        try:
            return *die(kind, case), 0.0
        except (MemoryError, KeyError) as error:
            return "exception", type(error).__name__, 0.0

    monkeypatch.setattr("benchmarks.fuzzing.cases.timed", judged)
    numbers = [0, 1, 2, 3, 4]
    kept = tmp_path / "kept"
    results = list(run_cases("models", prepared("models", folder), 1, numbers, kept, 5.0))
    assert [r["outcome"] for r in results] == ["crash", "hang", "exception", "exception", "read"]
    assert [r["said"] for r in results][2].endswith("MemoryError")
    assert sorted(path.name for path in kept.iterdir()) == [f"models-{n}" for n in range(4)]
    assert "1 x crash" in summary(results)


def test_sound_files_are_read(folder: Path) -> None:
    for kind in ("models", "inputs"):
        for name, path in prepared(kind, folder).items():  # type: ignore[arg-type]
            assert try_case(kind, Case(0, name, "nothing", path)) == ("read", "")  # type: ignore
