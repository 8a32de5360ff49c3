from __future__ import annotations

import re
from functools import cache
from html.parser import HTMLParser

import matplotlib as mpl
import numpy as np
import pytest

from phys_gan.detectors import Detector, load_detector
from phys_gan.events import Events
from phys_gan.validation import Comparison, compare
from phys_gan.validation.report import images, plots, render
from phys_gan.validation.report.style import as_png, as_svg, figure_style

DETECTORS = ["calogan", "calochallenge-1-photons", "calochallenge-2"]
# Drawing takes nearly all of the time.
FEW = ["E_tot/E_inc", "E_{k}/E_tot", "cell_energy"]


@cache
def detector_of(name: str) -> Detector:
    return load_detector(name)


def toy(name: str, seed: int, source: str = "a toy") -> Events:
    """Draw showers with an exponential radius and a hump in depth."""
    detector = detector_of(name)
    generator = np.random.default_rng(seed)
    n = 60
    energy = np.exp(generator.uniform(np.log(1e3), np.log(1e5), n))
    radius = np.hypot(*detector.positions.T)
    depth = detector.depths[detector.layer_of_cell] / detector.depths.max()
    mean = np.exp(-radius / 20) * depth * np.exp(-3 * depth)
    cells = mean * generator.exponential(size=(n, detector.n_cells))
    cells *= generator.random(cells.shape) < 0.3
    cells *= (energy * generator.normal(1, 0.03, n) / cells.sum(axis=1))[:, None]
    return Events(cells, {"energy": energy}, detector, None, {"source": source})


@cache
def comparison(name: str) -> Comparison:
    candidate = toy(name, 2, "<script>alert('x')</script> & \"quotes\"")
    return compare(toy(name, 1), candidate, observables=FEW)


@cache
def page(name: str) -> str:
    return render(comparison(name))


class Reader(HTMLParser):
    """Collect the sources of images, and check that elements are closed in order."""

    VOID = frozenset({"meta", "img", "br"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.sources: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag not in self.VOID:
            self.open.append(tag)
        self.sources += [value or "" for key, value in attrs if key in ("src", "href")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("name", DETECTORS)
def test_the_page_is_whole_and_needs_no_network(name: str) -> None:
    reader = Reader()
    reader.feed(page(name))
    assert reader.open == []
    assert all(source.startswith("data:image/") for source in reader.sources)
    assert "script" not in reader.tags
    assert not re.search(r"@import|url\(", page(name))
    assert len(page(name)) < 6e6


@pytest.mark.parametrize("name", DETECTORS)
def test_every_observable_has_a_row(name: str) -> None:
    cells = set(re.findall(r"<tr><td>(.*?)</td>", page(name)))
    assert set(comparison(name).results) <= cells


def test_texts_of_users_are_escaped() -> None:
    assert "<script>" not in page("calogan")
    assert "&lt;script&gt;" in page("calogan")


def test_the_verdict_is_in_words() -> None:
    events = toy("calogan", 1)
    same = compare(events, events[::-1], observables=["depth", "sparsity"])
    assert "All 2 observables are within the floor." in render(same)
    twice = Events(events.cells * 2, dict(events.conditions), events.detector)
    text = render(compare(events, twice, observables=["depth", "E_tot/E_inc"]))
    assert "1 of 2 observables are within the floor." in text
    assert text.count("▲ outside<small>") == 1


def test_equal_input_gives_an_equal_page() -> None:
    assert render(comparison("calogan")) == page("calogan")


def test_many_layers_are_shown_together() -> None:
    text = page("calochallenge-2")
    assert "Observables along the layers" in text
    assert text.count("<figure") < 40
    assert "more observables within the floor" in text
    assert "E_k/E_tot" in text


def test_the_style_of_the_user_is_left_alone() -> None:
    before = dict(mpl.rcParams)
    with figure_style():
        assert mpl.rcParams["xtick.direction"] == "in"
    assert dict(mpl.rcParams) == before


def test_a_histogram_is_drawn_with_its_ratio() -> None:
    result = comparison("calogan")
    with figure_style():
        figure = plots.histogram_figure(result.histograms["E_1/E_tot"], result.results["E_1/E_tot"])
        main, below = figure.axes
        assert main.get_xlim() == below.get_xlim()
        assert below.get_xlabel() == r"$E_{1}/E_\mathrm{tot}$"
        assert main.get_legend().get_title().get_text().startswith("KS 0.")
        assert as_svg(figure).startswith("data:image/svg+xml;base64,")
        assert as_png(figure).startswith("data:image/png;base64,")


def test_the_depth_profile_holds_the_energy() -> None:
    result = comparison("calogan")
    with figure_style():
        figure = plots.longitudinal_figure(
            result.detector, result.reference.profiles, result.candidate.profiles
        )
    steps = next(p for p in figure.axes[0].patches if hasattr(p, "get_data")).get_data()
    energy = float(np.sum(steps.values * np.diff(steps.edges)))
    assert energy == pytest.approx(result.reference.profiles.depth.mean.sum())


def test_six_layers_are_drawn_of_many() -> None:
    result = comparison("calochallenge-2")
    layers = images.chosen_layers(result.detector, result.reference.profiles)
    assert layers == sorted(set(layers))
    assert 4 <= len(layers) <= 6
    with figure_style():
        figure = images.average_figure(
            result.detector, result.reference.profiles, result.candidate.profiles
        )
    assert len(figure.axes) == 5 * len(layers)


def test_an_empty_candidate_can_be_drawn() -> None:
    events = toy("calogan", 1)
    nothing = Events(np.zeros_like(events.cells), dict(events.conditions), events.detector)
    for pair in ((events, nothing), (nothing, events)):
        assert "0 of 2 observables are within" in render(
            compare(*pair, observables=["EC_x_1", "cell_energy"])
        )
