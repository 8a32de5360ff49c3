"""Weights for generated events: a known tilt is undone, on events that were not trained on."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

import phys_gan as pg
from phys_gan.detectors import load_detector
from phys_gan.errors import ConfigError, DataError, MissingError, RangeError
from phys_gan.events import Events
from phys_gan.simulation import simulate
from phys_gan.validation import Options
from phys_gan.workflows import reweight, reweighting


@cache
def pool() -> Events:
    return simulate(load_detector("calogan"), 8000, particle="e+", energy=(1e4, 1e5), seed=11)


def tilted(events: Events, seed: int, slope: float = 0.8) -> tuple[Events, np.ndarray]:
    """Keep events by odds that rise with the share of the first layer; return these odds."""
    share = events.layer_energies()[:, 0] / events.cells.sum(axis=1)
    scaled = (np.log(share) - np.log(share).mean()) / np.log(share).std()
    odds = np.exp(slope * np.clip(scaled, -2, 2))
    kept = np.random.default_rng(seed).random(len(events)) < odds / odds.max()
    return events[kept], odds[kept]


@pytest.fixture(autouse=True)
def few_folds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Average fewer classifiers than five."""
    monkeypatch.setattr(reweighting, "_FOLDS", 3)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("tilt")
    paths = {name: folder / f"{name}.h5" for name in ("reference", "candidate", "some", "few")}
    pg.write(paths["reference"], pool()[:2500])
    pg.write(paths["candidate"], tilted(pool()[2500:], 1)[0])
    pg.write(paths["some"], pool()[:600])
    pg.write(paths["few"], pool()[:300])
    return paths


def test_a_known_tilt_is_undone(files: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "weighted.h5"
    done = reweight(files["reference"], files["candidate"], out, seed=1)
    share = done.closure["E_0/E_tot"]
    assert share.differs
    assert not done.hardly_overlap
    assert share.after < share.before / 2
    off = [closure for closure in done.closure.values() if closure.differs]
    assert len(off) > 3
    assert np.mean([closure.after <= closure.before / 2 for closure in off]) > 0.6
    # What did not differ is not made to.
    assert done.closure["EC_x_1"].after < 2 * done.closure["EC_x_1"].floor

    # The file has all events as they were, and weights that are the inverse odds.
    written, before = pg.read(out), pg.read(files["candidate"])
    assert np.array_equal(written.cells, before.cells)
    assert np.array_equal(written.energy, before.energy)
    weights = written.weights
    assert weights is not None
    _, odds = tilted(pool()[2500:], 1)
    assert np.corrcoef(np.log(weights), -np.log(odds))[0, 1] > 0.85
    assert weights.sum() == pytest.approx(len(weights), rel=1e-5)
    assert done.n == len(weights)
    expected = weights.sum() ** 2 / (weights**2).sum()
    assert done.n_effective == pytest.approx(expected, rel=1e-4)
    assert done.n_effective < done.n_before == done.n
    assert f"worth {done.n_effective:,.0f}" in done.summary()


def test_a_report_and_weights_that_are_there_already(
    files: dict[str, Path], tmp_path: Path
) -> None:
    """Weights are multiplied: a candidate that is unweighted by its own keeps them in the sum."""
    events = pg.read(files["candidate"])
    own = np.random.default_rng(0).uniform(0.5, 1.5, len(events)) * 3
    paths = tmp_path / "own.h5", tmp_path / "out.h5"
    pg.write(paths[0], replace(events, weights=own)[:700])
    done = reweight(
        files["some"],
        paths[0],
        paths[1],
        clip=1.5,
        report=tmp_path / "report",
        options=Options(observables=["depth"], slices=(), multivariate=False),
    )
    weights = pg.read(paths[1]).weights
    assert weights is not None
    assert weights.sum() == pytest.approx(own[:700].sum(), rel=1e-5)
    ratios = weights / own[:700]
    assert ratios.max() / ratios.min() == pytest.approx(1.5**2, rel=1e-4)
    assert done.n_clipped > 50
    assert done.n_before < 700
    # Equal seed, equal weights, on any number of threads.
    again = tmp_path / "again.h5"
    with threadpool_limits(1):
        reweight(files["some"], paths[0], again, clip=1.5)
    assert np.array_equal(pg.read(again).weights, weights)

    assert done.page == tmp_path / "report" / "index.html"
    written = json.loads((tmp_path / "report" / "reweighting.json").read_text("utf-8"))
    assert written["n_clipped"] == done.n_clipped
    assert written["closure"]["E_0/E_tot"]["ks_before"] == done.closure["E_0/E_tot"].before
    metrics = json.loads((tmp_path / "report" / "metrics.json").read_text("utf-8"))
    assert set(metrics["candidates"]) == {"unweighted", "weighted"}
    assert metrics["candidates"]["weighted"]["candidate"]["n_effective"] == pytest.approx(
        done.n_effective, rel=0.02
    )


def test_a_network_gives_weights_too(files: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "out.h5"
    done = reweight(files["reference"], files["candidate"], out, classifier="high")
    share = done.closure["E_0/E_tot"]
    assert share.after < share.before / 2


def test_what_cannot_be_reweighted(files: dict[str, Path], tmp_path: Path) -> None:
    reference, candidate, out = files["reference"], files["candidate"], tmp_path / "out.h5"
    with pytest.raises(MissingError, match="no classifier 'oracle'; available: trees"):
        reweight(reference, candidate, out, classifier="oracle")
    with pytest.raises(ConfigError, match="cannot be clipped at 1"):
        reweight(reference, candidate, out, clip=1)
    with pytest.raises(ConfigError, match="is a file to read"):
        reweight(reference, candidate, candidate)
    with pytest.raises(RangeError, match="has 300 events, but at least 400"):
        reweight(reference, files["few"], out)
    weights = np.ones(500)
    weights[:3] = -1
    signed = tmp_path / "signed.h5"
    pg.write(signed, replace(pool()[:500], weights=weights))
    with pytest.raises(DataError, match="3 weights of the candidate are negative"):
        reweight(reference, signed, out)
    assert not out.exists()


def test_samples_that_hardly_overlap_are_named(files: dict[str, Path], tmp_path: Path) -> None:
    """A response that is off by many of its widths leaves nothing to weight."""
    events = pool()[7000:7500]
    off = Events(events.cells * 1.3, dict(events.conditions), events.detector)
    pg.write(tmp_path / "off.h5", off)
    done = reweight(files["some"], tmp_path / "off.h5", tmp_path / "out.h5")
    assert done.hardly_overlap
    assert "hardly overlap" in done.summary()
    assert done.as_dict()["hardly_overlap"] is True
