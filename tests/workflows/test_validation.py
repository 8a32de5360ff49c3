from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import phys_gan as pg
from phys_gan.errors import ConfigError, MissingError
from phys_gan.events import Events
from phys_gan.validation import Options
from phys_gan.workflows import demo_sample, validate
from phys_gan.workflows.validation import _named

QUICK = Options(observables=["E_tot/E_inc", "depth"], multivariate=False)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("files")
    events = pg.read(demo_sample())[:1200]
    same, scaled = events[400:800], events[800:]
    scaled = Events(scaled.cells * 1.02, dict(scaled.conditions), scaled.detector)
    paths = {}
    for name, part in (("geant4", events[:400]), ("same", same), ("scaled", scaled)):
        paths[name] = folder / f"{name}.h5"
        pg.write(paths[name], part)
    return paths


def test_several_candidates_are_judged_against_one_reference(
    files: dict[str, Path], tmp_path: Path
) -> None:
    verdict = validate(
        files["geant4"],
        [files["same"], files["scaled"]],
        tmp_path / "report",
        require=["outside_floor<=0"],
        options=QUICK,
        figures=False,
    )
    assert list(verdict.comparisons) == ["same", "scaled"]
    assert not verdict.met
    assert [check.met for check in verdict.checks["same"]] == [True]
    assert [check.met for check in verdict.checks["scaled"]] == [False]
    assert verdict.page == tmp_path / "report" / "index.html"
    metrics = verdict.comparisons.metrics
    assert set(metrics) == {"reference", "candidates"}
    scaled = metrics["candidates"]["scaled"]
    assert scaled["observables"]["E_tot/E_inc"]["ks"]["n_candidate"] == 400
    # Cells that hold the 511 keV of one photon hold 521 keV now.
    names = [finding["name"] for finding in scaled["findings"]]
    assert names == ["mean response", "point masses", "spectral lines"]
    # All candidates share their bins, so that they fit into one figure.
    edges = [c["histograms"]["E_tot/E_inc"]["edges"] for c in metrics["candidates"].values()]
    assert edges[0] == edges[1]
    text = verdict.comparisons.summary()
    assert "same: The samples agree: " in text
    assert "beyond chance are 1 of 2 observables" in text[text.index("scaled: ") :]


def test_a_stream_of_files_gives_what_memory_gives(files: dict[str, Path], tmp_path: Path) -> None:
    verdict = validate(files["geant4"], {"x": files["same"]}, tmp_path, options=QUICK)
    events = [pg.read(files[name]) for name in ("geant4", "same")]
    memory = pg.compare(events[0], events[1], options=QUICK)
    assert verdict.comparisons["x"].metrics["observables"] == memory.metrics["observables"]
    assert verdict.comparisons.metrics["candidate"]["name"] == "x"


def test_wrong_requirements_are_said_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read the requirement"):
        validate("nowhere.h5", ["nothing.h5"], tmp_path, require=["ks"])
    with pytest.raises(ConfigError, match="no candidate"):
        validate("nowhere.h5", [], tmp_path)
    with pytest.raises(MissingError, match="nowhere"):
        validate("nowhere.h5", ["nothing.h5"], tmp_path)


def test_candidates_are_called_after_what_tells_them_apart() -> None:
    assert list(_named(["a/x.h5", "b/y.h5"])) == ["x", "y"]
    assert list(_named(["runs/a/fast.h5", "runs/b/fast.h5"])) == ["a/fast", "b/fast"]
    assert list(_named(["fast.h5", "fast.h5"])) == ["fast (1)", "fast (2)"]
    assert list(_named([["a/1.h5", "a/2.h5"]])) == ["1"]


def test_slices_are_compared_again(files: dict[str, Path]) -> None:
    events = [pg.read(files[name]) for name in ("geant4", "scaled")]
    options = Options(
        observables=["E_tot/E_inc"], slices={"energy": [1e3, 5e4, 1e5]}, multivariate=False
    )
    result = pg.compare(events[0], events[1], options=options)
    assert [part.cut.label for part in result.slices if part.cut] == [
        "1 to 50 GeV",
        "50 to 100 GeV",
    ]
    sizes = np.sum([part.n_events for part in result.slices], axis=0)
    np.testing.assert_array_equal(sizes, [400, 400])
    assert all(part.outside == ["E_tot/E_inc"] for part in result.slices)
    assert len(result.metrics["slices"]) == 2
