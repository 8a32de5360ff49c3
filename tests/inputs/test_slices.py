"""Candidates that leave slices empty: other spectra, single energies, collapse, edges beside all.

Each is compared from files, as people do, with its page and figures, and any warning is an error.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import phys_gan as pg
from helpers import wrong
from phys_gan.events import Events
from phys_gan.report import page
from phys_gan.report.sections import Section
from phys_gan.validation import Comparison, Options
from phys_gan.workflows import demo_sample, validate

OBSERVABLES = ("depth",)
ENERGIES = np.array([5e3, 2e4, 5e4, 1e5])


@cache
def geant4() -> Events:
    return pg.read(demo_sample())


@pytest.fixture(autouse=True)
def no_average_showers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the figures that take longest and know nothing of slices."""
    monkeypatch.setattr(page, "averages_section", lambda shown: Section("", "", "", []))


def reference() -> Events:
    return geant4()[:450]


def others(low: float = 0.0, high: float = np.inf, n: int = 150) -> Events:
    """Return events that the reference does not hold, of some energies [MeV]."""
    rest = geant4()[450:]
    return rest[np.flatnonzero((rest.energy > low) & (rest.energy < high))[:n]]


def at(events: Events, energies: Any) -> Events:
    """Return events as a simulation at fixed energies [MeV] would give them."""
    energies = np.broadcast_to(np.asarray(energies, float), len(events)).copy()
    cells = events.cells * (energies / events.energy)[:, None]
    return Events(cells.astype(np.float32), {"energy": energies}, events.detector)


def discrete(events: Events, energies: np.ndarray) -> Events:
    nearest = np.abs(np.log(events.energy[:, None] / energies)).argmin(axis=1)
    return at(events, energies[nearest])


def with_conditions(events: Events, **conditions: np.ndarray) -> Events:
    return Events(events.cells, {**dict(events.conditions), **conditions}, events.detector)


def joined(*parts: Events) -> Events:
    return Events.concatenate(parts)


@dataclass(frozen=True)
class Report:
    """What a validation wrote.

    Attributes:
        comparisons: The comparisons, by candidate.
        metrics: metrics.json.
        text: The page without its markup.
        figures: Names of its figures.
        summary: What the command line prints.
    """

    comparisons: Mapping[str, Comparison]
    metrics: dict[str, Any]
    text: str
    figures: list[str]
    summary: str

    def sizes(self, name: str) -> list[tuple[int, int]]:
        return [part.n_events for part in self.comparisons[name].slices]

    def compared(self, name: str) -> list[bool]:
        return [bool(part.results) for part in self.comparisons[name].slices]


def report(
    tmp_path: Path,
    truth: Events,
    candidates: Events | Mapping[str, Events],
    slices: Mapping[str, Sequence[float] | None] | None = None,
    observables: Sequence[str] = OBSERVABLES,
) -> Report:
    named = {"fast": candidates} if isinstance(candidates, Events) else candidates
    files = {}
    for name, events in {"truth": truth, **named}.items():
        files[name] = tmp_path / f"{name}.h5"
        pg.write(files[name], events)
    chosen = Options(
        observables=observables,
        multivariate=False,
        slices=("energy", "flux") if slices is None else slices,
    )
    out = tmp_path / "report"
    verdict = validate(files.pop("truth"), files, out, options=chosen, figures=False)
    page = (out / "index.html").read_text("utf-8")
    figures = re.findall(r"<figcaption><b>(.*?)</b>", page)
    page = re.sub(r'src="data:[^"]*"|<style>.*?</style>|<script>.*?</script>', "", page, flags=re.S)
    text = " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())
    metrics = json.loads((out / "metrics.json").read_text())
    return Report(verdict.comparisons, metrics, text, figures, verdict.comparisons.summary())


def test_a_candidate_above_4_GeV(tmp_path: Path) -> None:
    found = report(tmp_path, reference(), others(4e3))
    assert found.sizes("fast")[0] == (113, 0)
    assert found.compared("fast") == [False, True, True, True]
    low, *rest = found.metrics["slices"]
    assert (low["n_reference"], low["n_candidate"]) == (113, 0)
    assert low["observables"] == {}
    assert low["not_compared"] == dict.fromkeys(OBSERVABLES, "no candidate events")
    assert [part["not_compared"] for part in rest] == [{}, {}, {}]
    sentence = (
        "Nothing is compared in 1 of 4 slices, because that needs 20 events of both samples: "
        "1.01 to 3 GeV (no candidate events)."
    )
    for said in (found.text, found.summary, found.metrics["provenance"]["warnings"]):
        assert sentence in said
    assert "1.01 to 3 GeV 113 not compared no candidate events" in found.text
    # All rows that any slice has, not those of the first alone.
    assert found.figures.count("all observables") == 1


def few_low(n: int) -> Events:
    return joined(others(4e3), others(0, 2.9e3, n))


@pytest.mark.parametrize(
    ("candidate", "compared", "said"),
    [
        (lambda: at(others(18e3, 22e3), 2e4), [0, 0, 1, 0], "1.01 to 3 GeV (no candidate"),
        (lambda: others(6e3, 16e3), [0, 1, 1, 0], "36 to 99.8 GeV (no candidate events)"),
        (lambda: others()[np.zeros(150, int)], None, "in 3 of 4 slices"),
        (lambda: others()[np.arange(150) % 3], None, "Nothing is compared in "),
        (lambda: few_low(19), [0, 1, 1, 1], "1.01 to 3 GeV (19 candidate events)"),
        (lambda: few_low(20), [1, 1, 1, 1], None),
    ],
    ids=["one energy", "a narrow range", "one event", "three events", "19", "20"],
)
def test_candidates_that_leave_slices_empty(
    tmp_path: Path,
    candidate: Callable[[], Events],
    compared: list[int] | None,
    said: str | None,
) -> None:
    found = report(tmp_path, reference(), candidate())
    if compared is not None:
        assert found.compared("fast") == [bool(one) for one in compared]
    if said is None:
        assert "Nothing is compared in" not in found.text
    else:
        assert said in found.text
        assert said in found.summary
    assert "all observables" in found.figures


def test_discrete_energies_of_which_the_candidate_lacks_one(tmp_path: Path) -> None:
    truth = discrete(geant4()[:600], ENERGIES)
    found = report(tmp_path, truth, discrete(others(0, np.inf, 600), ENERGIES[1:]))
    labels = [part.cut.label for part in found.comparisons["fast"].slices if part.cut]
    assert labels == ["5 GeV", "20 GeV", "50 GeV", "100 GeV"]
    assert found.compared("fast") == [False, True, True, True]
    assert "5 GeV (no candidate events)" in found.text


@pytest.mark.parametrize(
    ("edges", "compared", "said"),
    [
        ([100.0, 500.0, 1e5], [False, True], "0.1 to 0.5 GeV (no events)"),
        ([2e5, 3e5, 4e5], [False, False], "in 2 of 2 slices"),
        ([1e3, 1.1e3, 1e5], [False, True], "1 to 1.1 GeV (9 reference events and no candidate "),
    ],
)
def test_edges_beside_all_events(
    tmp_path: Path, edges: list[float], compared: list[bool], said: str
) -> None:
    found = report(tmp_path, reference(), others(4e3), {"energy": edges})
    assert found.compared("fast") == compared
    assert said in found.text
    # Where nothing is compared there is nothing to colour; the table says why.
    assert ("all observables" in found.figures) is any(compared)
    assert "In slices of incident energy" in found.text


def in_order(named: Mapping[str, Events], first: str) -> dict[str, Events]:
    return {name: named[name] for name in sorted(named, key=first.__ne__)}


@pytest.mark.parametrize("first", ["emptier", "fuller"])
def test_the_emptier_candidate_may_be_first_or_last(tmp_path: Path, first: str) -> None:
    named = {"emptier": others(4e3), "fuller": others()}
    found = report(
        tmp_path, reference(), {name: named[name] for name in sorted(named, key=first.__ne__)}
    )
    assert found.compared("emptier") == [False, True, True, True]
    assert found.compared("fuller") == [True] * 4
    assert re.search(
        r"1\.01 to 3 GeV 113 (not compared no candidate events|● within floor)", found.text
    )


@pytest.mark.parametrize("first", ["unknown", "known"])
def test_a_candidate_without_energies_beside_one_with_them(tmp_path: Path, first: str) -> None:
    named = {"unknown": Events(others().cells, {}, others().detector), "known": others()}
    found = report(
        tmp_path,
        reference(),
        in_order(named, first),
        observables=["depth"],
    )
    # What only one of them has is shown of that one.
    assert "Energy response" in found.text
    assert "reference 0." in found.text[found.text.index("stochastic term") :]
    assert not found.comparisons["known"].slices


def test_a_reference_that_leaves_slices_empty(tmp_path: Path) -> None:
    found = report(tmp_path, others(4e3), reference(), {"energy": [1e3, 3e3, 1e5]})
    assert found.compared("fast") == [False, True]
    assert "1 to 3 GeV (no reference events)" in found.text


def test_no_slices_at_all(tmp_path: Path) -> None:
    one = at(others(45e3, 55e3, 300), 5e4)
    found = report(tmp_path, one[:150], one[150:])
    assert found.metrics["slices"] == []
    assert "In slices" not in found.text


def test_an_observable_that_no_event_of_a_slice_defines(tmp_path: Path) -> None:
    dark = others(0, np.inf, 450)
    cells = dark.cells.copy()
    cells[np.ix_(dark.energy < 5e4, np.arange(dark.detector.n_cells)[dark.detector.slice(2)])] = 0
    candidate = Events(cells, dict(dark.conditions), dark.detector)
    edges = {"energy": [1e3, 5e4, 1e5]}
    found = report(tmp_path, reference(), candidate, edges, ["depth", "EC_x_2", "cell_energy"])
    low, high = found.comparisons["fast"].slices
    assert set(low.results["EC_x_2"]) == {"undefined"}
    assert low.not_compared == {"EC_x_2": "no candidate events"}
    assert "ks" in high.results["EC_x_2"]
    assert re.search(
        r"▲ outside floor \d+ events, \d of 3 observables outside, 1 not compared", found.text
    )


def digital(n: int, seed: int) -> Events:
    """Return showers of 10 GeV in 20 equal hits per layer: energies and depths are constant."""
    random, detector = np.random.default_rng(seed), geant4().detector
    cells = np.zeros((n, detector.n_cells), np.float32)
    for row in cells:
        for k in range(detector.n_layers):
            layer = np.arange(detector.n_cells)[detector.slice(k)]
            row[random.choice(layer, 20, replace=False)] = 1e4 / 60
    return Events(cells, {"energy": random.uniform(9.9e3, 10.1e3, n)}, detector)


@pytest.mark.parametrize("kind", ["constant reference", "constant candidate", "both", "dark"])
def test_constant_observables_and_dark_events(tmp_path: Path, kind: str) -> None:
    full, flat = joined(others(0, 1e4, 60), others(1e4, 2e4, 60)), digital(200, 1)
    dark = Events(np.zeros_like(full.cells), dict(full.conditions), full.detector)
    first, second = {
        "constant reference": (flat, full),
        "constant candidate": (full, flat),
        "both": (flat, digital(200, 2)),
        "dark": (full, dark),
    }[kind]
    observables = ["E_1", "depth", "cell_energy"]
    found = report(tmp_path, first, second, {"energy": [1e3, 1e4, 1e5]}, observables)
    assert len(found.metrics["slices"]) == 2
    assert set(observables) <= set(found.figures)
    assert found.comparisons["fast"].within_floor is (kind == "both")
    assert ("not compared no candidate events" in found.text) is (kind == "dark")


def galaxies(n: int, low: float, high: float, seed: int) -> Events:
    return pg.simulate("galaxies-32", n, seed=seed, conditions={"flux": (low, high)})


def test_brighter_galaxies(tmp_path: Path) -> None:
    observables = ["flux_{k}", "pixels"]
    found = report(
        tmp_path, galaxies(400, 20, 200, 1), galaxies(60, 120, 200, 2), observables=observables
    )
    assert found.compared("fast") == [False, False, False, True]
    assert "In slices of flux" in found.text
    assert "(no candidate events)" in found.text


def test_slices_of_particles_that_a_candidate_lacks(tmp_path: Path) -> None:
    names = np.array([11.0, 22.0, 211.0])
    detector = geant4().detector.model_copy(update={"name": "mine"})

    def mixed(events: Events, particles: np.ndarray) -> Events:
        own = Events(events.cells, dict(events.conditions), detector)
        return with_conditions(own, pdg=particles[np.arange(len(own)) % len(particles)])

    found = report(tmp_path, mixed(reference(), names), mixed(others(), names[:2]), {"pdg": None})
    assert found.compared("fast") == [True, True, False]
    assert "pdg = 211 (no candidate events)" in found.text


def test_collapsed_points_of_a_toy(tmp_path: Path) -> None:
    points = pg.simulate("toy-ring", 300, seed=1)
    found = report(tmp_path, points, points[np.zeros(100, int)], observables=["x", "y"])
    assert found.metrics["slices"] == []
    assert found.metrics["observables"]["x"]["ks"]["value"] > 0.3


def test_what_is_asked_of_all_slices_does_not_hold_where_one_is_empty(
    run: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    for name, events in (("truth", reference()), ("fast", others(4e3))):
        pg.write(tmp_path / f"{name}.h5", events)
    command = ("validate", tmp_path / "truth.h5", tmp_path / "fast.h5", "--no-figures",
               "--no-trees", "--observable", "depth", "--out", tmp_path / "report")  # fmt: skip
    code, said, complained = run(
        *command, "--require", "slices.ks.max<=1", "--require", "slices.outside_floor<=99",
        "--slice", "energy=1GeV,3GeV,100GeV",
    )  # fmt: skip
    assert (code, complained) == (1, "")
    assert re.search(r"slices\.ks\.max<=1 +not defined +NOT met", said)
    assert re.search(r"slices\.outside_floor<=99 +not defined +NOT met", said)
    wrong(run(*command, "--slice", "theta=0,1"), "no condition 'theta'")
