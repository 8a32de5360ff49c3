"""The examples for authors of pipelines run as they stand."""

import re
from pathlib import Path

import numpy as np
import pytest

import phys_gan as pg

PAGE = Path(pg.__file__).parents[1] / "docs" / "pipelines.md"


def test_the_examples_run(tmp_path, monkeypatch):
    if not PAGE.exists():
        pytest.skip("the page is not beside the package")
    monkeypatch.chdir(tmp_path)
    known = {}
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    for block in blocks:
        if "import dask" in block:
            pytest.importorskip("dask")
        if '"geant4.h5"' in block:
            showers = pg.simulate(known["detector"].detector, len(known["left"]), seed=1)
            pg.write(tmp_path / "geant4.h5", showers)
            before = known["simulated"].cells.copy()
        exec(block, known)
    assert known["simulated"].covered.to_list() == [[True, True, False], [], [False]]
    assert known["left"].event.tolist() == [0, 2]
    gained = known["simulated"].cells - before
    np.testing.assert_array_equal(gained.any(axis=1), [True, False, True])
    assert (tmp_path / "left.mac").read_text().count("/run/beamOn 1") == 2
    assert set(known["hits"].particle[0].to_list()) == {0, 1}
    np.testing.assert_allclose(known["late"], known["whole"][2:], rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(known["chosen"], known["whole"][[2, 0]], rtol=1e-4, atol=1e-3)
    assert known["sums"]["covered"] == 2
