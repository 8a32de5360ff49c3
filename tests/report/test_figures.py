from __future__ import annotations

import dataclasses
from functools import cache
from types import SimpleNamespace
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure

from phys_gan.detectors import load_detector
from phys_gan.errors import MissingError
from phys_gan.events import Events
from phys_gan.metrics.correlations import compare_cell_correlations, compare_correlations
from phys_gan.report import averages, slices
from phys_gan.report.classifiers import calibration_figure, roc_figure
from phys_gan.report.correlations import cell_figure, matrix_figure
from phys_gan.report.events import nearest_figure, random_figure
from phys_gan.report.histograms import histogram_figure
from phys_gan.report.slices import response_figure
from phys_gan.report.style import (
    as_pdf,
    as_png,
    as_svg,
    embedded,
    figure_style,
    make_styles,
    settle,
)
from phys_gan.validation.comparison import Comparisons, Options, compare_all
from phys_gan.validation.distributions import Cut
from phys_gan.validation.gallery import make_gallery
from phys_gan.validation.grid import ConditionMap, Entry, Tile
from phys_gan.validation.sample import measure_sample


def toy(name: str, seed: int, n: int = 400) -> Events:
    detector = load_detector(name)
    generator = np.random.default_rng(seed)
    energy = generator.uniform(1e3, 1e5, n)
    radius = np.hypot(*detector.positions.T)
    cells = np.exp(-radius / 20) * generator.exponential(size=(n, detector.n_cells))
    cells *= (energy / cells.sum(axis=1))[:, None]
    return Events(cells, {"energy": energy}, detector)


@cache
def comparisons() -> Comparisons:
    candidates = {f"candidate {i}": toy("calogan", i) for i in range(2, 5)}
    options = Options(observables=["E_tot/E_inc", "E_{k}/E_tot"], multivariate=False)
    return compare_all(toy("calogan", 1), candidates, options=options)


def drawn(name: str, how_many: int) -> Any:
    chosen = list(comparisons().values())[:how_many]
    styles = make_styles([f"c{i}" for i in range(how_many)])
    return [
        (style, c.histograms[name], c.results[name])
        for style, c in zip(styles, chosen, strict=True)
    ]


def test_the_style_of_the_user_is_left_alone() -> None:
    before = dict(mpl.rcParams)
    with figure_style():
        assert mpl.rcParams["xtick.direction"] == "in"
    assert dict(mpl.rcParams) == before


def test_candidates_look_different() -> None:
    styles = make_styles([str(i) for i in range(18)])
    assert (
        len({style.colour for style in styles[:6]})
        == len({style.marker for style in styles[:6]})
        == 6
    )
    assert len({(style.colour, style.line) for style in styles}) == 18


def test_names_are_no_mathematics_and_stay_short() -> None:
    (style,) = make_styles(["$a_b$ " + "x" * 100])
    assert style.name.startswith(r"\$a_b\$ x")
    assert len(style.name) < 30


@pytest.mark.parametrize("n", [1, 3])
def test_a_histogram_is_drawn_with_its_ratio(n: int) -> None:
    with figure_style():
        figure = histogram_figure(drawn("E_1/E_tot", n), n)
        main, below = figure.axes
        assert main.get_xlim() == below.get_xlim()
        assert below.get_xlabel() == r"$E_{1}/E_\mathrm{tot}$"
        if n == 1:
            legend = main.get_legend()
            assert legend is not None
            assert legend.get_title().get_text().startswith("KS 0.")
        else:
            texts = [t.get_text() for t in figure.legends[0].get_texts()]
            assert texts[0] == "reference"
            assert len(texts) == n + 1
            assert all("KS 0." in text for text in texts[1:])
        for content, start in ((as_pdf(figure), b"%PDF"), (as_png(figure), b"\x89PNG")):
            assert content.startswith(start)
        svg = as_svg(figure)
        assert svg.startswith(b"<svg")
        assert embedded(svg).startswith("data:image/svg+xml,%3Csvg")
        assert '"' not in embedded(svg)


def test_what_lies_outside_the_axis_is_named() -> None:
    (style, histogram, results), *others = drawn("E_1/E_tot", 2)
    moved = histogram.candidate.copy()
    moved[-1], moved[1:-1] = moved.sum(), 0
    shifted = (style, dataclasses.replace(histogram, candidate=moved), results)
    with figure_style():
        texts = [t.get_text() for t in histogram_figure([shifted, *others], 2).axes[0].texts]
    assert texts == ["100 % ▶"]


def test_the_depth_profile_holds_the_energy() -> None:
    first = comparisons()["candidate 2"]
    with figure_style():
        figure = averages.longitudinal_figure(
            first.detector,
            first.reference.profiles,
            [(make_styles(["c"])[0], first.candidate.profiles)],
        )
    steps = next(p for p in figure.axes[0].patches if hasattr(p, "get_data")).get_data()
    energy = float(np.sum(steps.values * np.diff(steps.edges)))
    assert energy == pytest.approx(first.reference.profiles.depth.mean.sum())


@pytest.mark.parametrize("n", [1, 3])
def test_average_showers_have_a_row_per_map(n: int) -> None:
    found = list(comparisons().values())[:n]
    styles = make_styles([c.candidate.name for c in found])
    with figure_style():
        figure = averages.average_figure(
            found[0].detector,
            found[0].reference.profiles,
            [(style, c.candidate.profiles) for style, c in zip(styles, found, strict=True)],
        )
    # Three layers; two bars of colours in each column.
    assert len(figure.axes) == 3 * (2 + (3 if n == 1 else 1 + n))


def test_six_layers_are_drawn_of_many() -> None:
    profiles = measure_sample(toy("calochallenge-2", 1, 20), "x", observables=["depth"]).profiles
    layers = averages.chosen_layers(load_detector("calochallenge-2"), profiles)
    assert layers == sorted(set(layers))
    assert 4 <= len(layers) <= 6


def test_slices_are_mapped_and_drawn() -> None:
    found = comparisons()
    styles = make_styles(list(found))
    sliced = [(style, c.slices) for style, c in zip(styles, found.values(), strict=True)]
    names = slices.worst_in_slices(sliced)
    assert sorted(names) == sorted(found["candidate 2"].results)
    n_slices = len(sliced[0][1])
    assert n_slices > 1
    with figure_style():
        map_ = slices.slice_map(sliced, names)
        small = slices.slice_figure(sliced, "E_tot/E_inc")
    assert len(map_.axes) == 3 + 1
    assert len(map_.axes[0].texts) == n_slices * len(names)
    titles = [a.get_title() for a in small.axes if a.get_title()]
    assert titles == [part.cut.label for part in sliced[0][1] if part.cut]


def test_maps_have_numbers_where_there_is_room_and_grey_cells_where_events_are_few() -> None:
    def tile(low: float, high: float, entries: dict[str, Entry], few: str = "") -> Tile:
        cuts = Cut("energy", low, high), Cut("side", 0.0, 1.0, single=True)
        return Tile(cuts, (100, 0 if few else 90), entries, too_few=few)

    off = Entry(-0.11, 0.02, 0.0, 0.06, 1e-6, True)
    auc = Entry(0.61, 0.04, 0.5, 0.66, 0.01, False)
    tiles = [
        tile(1e3, 1e4, {"response": off, "AUC": auc}),
        tile(1e4, 1e5, {}, "no candidate events"),
    ]
    found = ConditionMap(("energy", "side"), tiles, ["response", "AUC"])
    (style,) = make_styles(["GAN"])
    with figure_style():
        figure = slices.condition_map_figure(found, style, load_detector("calogan"))
        settle(figure)
        response, auc_panel = figure.axes[:2]
        assert [t.get_text() for t in response.texts] == ["▲ −11.0\n±2.0"]
        assert [t.get_text() for t in auc_panel.texts] == [".61"]
        # In GeV, logarithmic, and marked where cells end.
        assert response.get_xscale() == "log"
        assert response.get_xticks().tolist() == pytest.approx([1, 10, 100])
        grey = [
            c for c in response.collections if tuple(c.get_facecolor()[0][:3]) == (13 / 15,) * 3
        ]
        assert len(grey) == 1
        assert as_svg(figure).startswith(b"<svg")
    assert found.outside("response") == 1
    assert found.outside("AUC") == 0


@cache
def thin() -> Comparisons:
    """Compare with candidates that have no event, and three, below 50 GeV."""
    reference = toy("calogan", 1)
    candidates = {}
    for name, seed, n_low in (("none", 2, 0), ("three", 3, 3)):
        events = toy("calogan", seed)
        low = np.flatnonzero(events.energy < 5e4)[:n_low]
        candidates[name] = events[np.concatenate([low, np.flatnonzero(events.energy >= 5e4)])]
    options = Options(
        observables=["E_tot/E_inc", "E_{k}/E_tot", "E_{k}", "width_x_{k}", "EC_x_{k}", "depth"],
        multivariate=False,
        slices={"energy": [1e3, 5e4, 1e5]},
    )
    return compare_all(reference, candidates, options=options)


def sliced(found: Comparisons) -> Any:
    return [(k, c.slices) for k, c in zip(make_styles(list(found)), found.values(), strict=True)]


def test_rows_of_the_map_are_those_of_any_slice() -> None:
    names = slices.worst_in_slices(sliced(thin()))
    assert sorted(names) == sorted(thin()["none"].histograms)
    assert all(slices._compared(sliced(thin()), name) for name in names)
    assert not slices._compared([(k, parts[:1]) for k, parts in sliced(thin())], names[0])


def test_an_empty_slice_is_grey_and_says_how_few_events_it_has() -> None:
    names = slices.worst_in_slices(sliced(thin()))
    assert len(names) == 14
    with figure_style():
        short = slices.slice_map(sliced(thin()), names)
        tall = slices.slice_map(sliced(thin()), [*names, "E_inc"])
    labels = [[tick.get_text() for tick in axes.get_xticklabels()] for axes in short.axes[:2]]
    assert labels == [
        ["1 to 50 GeV\nno candidate events", "50 to 100 GeV"],
        ["1 to 50 GeV\n3 candidate events", "50 to 100 GeV"],
    ]
    for figure in (short, tall):
        values = figure.axes[0].collections[0].get_array().reshape(-1, 2)
        assert (
            np.ma.getmaskarray(np.ma.masked_invalid(values))[:14].tolist() == [[True, False]] * 14
        )
        assert as_png(figure, 20)
    texts = {text.get_text() for axes in tall.axes[:2] for text in axes.texts}
    assert {"not compared: no candidate events", "not compared: 3 candidate events"} <= texts
    assert tall.axes[0].get_xticklabels()[0].get_text() == "1 to 50 GeV"


def test_what_has_no_event_in_a_slice_is_named_and_not_drawn() -> None:
    with figure_style():
        figure = slices.slice_figure(sliced(thin()), "depth")
    low, high = figure.axes
    said = [(text.get_text(), text.get_color()) for text in low.texts if "%" not in text.get_text()]
    styles = make_styles(list(thin()))
    assert said == [
        ("not compared: 0 events", styles[0].colour),
        ("not compared: 3 events", styles[1].colour),
    ]
    # The reference twice, for its area and its outline, and the candidates that have events.
    assert (len(low.patches), len(high.patches)) == (3, 4)


def test_a_slice_without_any_event_is_an_empty_panel() -> None:
    options = Options(observables=["depth"], multivariate=False, slices={"energy": [1.0, 2.0, 1e5]})
    found = compare_all(toy("calogan", 1), {"c": toy("calogan", 2)}, options=options)
    with figure_style():
        empty = slices.slice_figure(sliced(found), "depth").axes[0]
    assert [text.get_text() for text in empty.texts] == ["no entries"]
    assert not empty.patches


def test_a_candidate_without_entries_is_named_and_not_drawn() -> None:
    dark = toy("calogan", 1)
    dark = Events(np.zeros_like(dark.cells), dict(dark.conditions), dark.detector)
    options = Options(observables=["depth", "E_0"], multivariate=False)
    found = compare_all(toy("calogan", 2), {"c": dark}, options=options)["c"]
    (style,) = make_styles(["c"])
    with figure_style():
        figure = histogram_figure([(style, found.histograms["depth"], found.results["depth"])], 1)
        zero = histogram_figure([(style, found.histograms["E_0"], found.results["E_0"])], 1)
    legend = figure.axes[0].get_legend()
    assert legend is not None
    assert legend.get_title().get_text() == "not compared: no candidate events"
    assert [text.get_text() for text in legend.get_texts()][1] == "c (0 events)"
    assert len(figure.axes[0].patches) == 2
    # That its energies are zero is known, and drawn.
    assert len(zero.axes[0].patches) == 3


def test_few_events_do_not_narrow_the_ratios() -> None:
    few = compare_all(
        toy("calogan", 1),
        {"c": toy("calogan", 2, 25)},
        options=Options(observables=["depth"], multivariate=False),
    )["c"]
    with figure_style():
        figure = few.figure("depth")
    assert figure.axes[1].get_ylim() == (0, 2)


def test_a_fit_is_drawn_over_its_points_alone() -> None:
    found = thin()["none"]
    assert found.reference.response is not None
    assert found.candidate.response is not None
    with figure_style():
        figure = response_figure(
            found.reference.response, [(make_styles(["c"])[0], found.candidate.response)]
        )
    known = np.isfinite(found.candidate.response.array("resolution"))
    assert 2 <= known.sum() < len(known)
    energies = found.candidate.response.array("energy") / 1000
    fits = [line.get_xdata() for line in figure.axes[2].lines if len(line.get_xdata()) == 200]
    assert fits[0][0] < fits[1][0] == pytest.approx(energies[known][0])
    assert fits[1][-1] == pytest.approx(energies[known][-1])
    assert figure.axes[2].get_ylim()[0] >= 0


def test_the_response_names_every_sample() -> None:
    found = comparisons()
    styles = make_styles(list(found))
    reference = found["candidate 2"].reference.response
    assert reference is not None
    curves = [
        (style, c.candidate.response) for style, c in zip(styles, found.values(), strict=True)
    ]
    with figure_style():
        figure = response_figure(reference, [(k, c) for k, c in curves if c is not None])
    texts = [t.get_text().split(":")[0] for t in figure.legends[0].get_texts()]
    assert sorted(texts) == ["candidate 2", "candidate 3", "candidate 4", "reference"]


@pytest.mark.parametrize("n", [1, 2])
def test_correlations_are_drawn(n: int) -> None:
    reference, style = toy("calogan", 1), make_styles(["c0", "c1"])
    others = [toy("calogan", 2 + i) for i in range(n)]
    matrices, cells = [], []
    for k, other in zip(style, others, strict=False):
        matrix = compare_correlations(reference.layer_energies(), other.layer_energies())
        pairs = compare_cell_correlations(reference, other)
        assert matrix is not None
        assert pairs is not None
        matrices.append((k, matrix))
        cells.append((k, pairs))
    with figure_style():
        shown = matrix_figure(matrices)
        along = cell_figure(reference.detector, cells)
    n_maps = sum(bool(axes.collections) and bool(axes.get_title()) for axes in shown.axes)
    assert n_maps == (3 if n == 1 else 1 + n)
    assert len(along.axes) == 3


def judged(n: int) -> Any:
    curve = SimpleNamespace(
        predicted=np.array([0.2, 0.8]), observed=np.array([0.3, 0.7]), error=np.array([0.1, 0.1])
    )
    line = np.linspace(0, 1, 5)
    result = SimpleNamespace(
        auc=SimpleNamespace(value=0.6, error=0.01),
        roc=SimpleNamespace(fpr=line, tpr=line**0.5, tpr_error=np.full(5, 0.01)),
        calibration=curve,
        recalibrated=curve,
    )
    return [
        (form, [(style, result) for style in make_styles("ab"[:n])]) for form in ("low", "high")
    ]


@pytest.mark.parametrize("n", [1, 2])
def test_classifiers_are_drawn_by_form(n: int) -> None:
    with figure_style():
        roc, calibration = roc_figure(judged(n)), calibration_figure(judged(n))
        as_png(roc), as_png(calibration)
    for figure in (roc, calibration):
        assert [axes.get_title() for axes in figure.axes] == ["input: low", "input: high"]
        assert [t.get_text() for t in figure.legends[0].get_texts()] == list("ab"[:n])
    assert [t.get_text() for t in roc.axes[0].texts] == ["AUC 0.600 ± 0.010"] * n


@pytest.mark.parametrize(
    ("name", "n_axes"),
    # Cells of four events of two samples and a bar; of many layers one panel per event.
    [("calogan", 4 * 2 * 3 + 1), ("calochallenge-1-photons", 8 * 5 + 1), ("calochallenge-2", 9)],
)
def test_events_are_displayed(name: str, n_axes: int) -> None:
    first, second = (measure_sample(toy(name, s, 30), "x", observables=["depth"]) for s in (1, 2))
    gallery = make_gallery(first, second, seed=0)
    (style,) = make_styles(["candidate"])
    with figure_style():
        figures: list[Figure] = [random_figure(gallery, style), nearest_figure(gallery, style)]
        for figure in figures:
            assert len(figure.get_axes()) == n_axes
            assert as_png(figure, 20)


def test_a_figure_of_one_observable_on_its_own() -> None:
    before = dict(mpl.rcParams)
    every, first = comparisons(), next(iter(comparisons().values()))
    assert isinstance(every.figure("E_tot/E_inc"), Figure)
    texts = [text.get_text() for text in first.figure("E_0/E_tot").axes[0].get_legend().texts]
    assert texts == ["reference (400 events)", "candidate 2 (400 events)"]
    assert dict(mpl.rcParams) == before
    both = first.figure("E_tot/E_inc", "E_0/E_tot")
    assert [len(part.axes) for part in both.subfigs] == [2, 2]
    assert both._repr_png_().startswith(b"\x89PNG")
    with pytest.raises(MissingError, match=r"'E_9/E_tot' is not one of .* nearest: E_"):
        first.figure("E_9/E_tot")
