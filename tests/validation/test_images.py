"""Images compared from end to end: files in, report out, with the words of galaxies."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import phys_gan as pg
from phys_gan.detectors import Detector, load_detector
from phys_gan.errors import DetectorError, MissingError
from phys_gan.events import Events
from phys_gan.metrics.correlations import compare_correlations
from phys_gan.report.correlations import correlations_section
from phys_gan.report.histograms import histogram_figure
from phys_gan.report.style import figure_style, make_styles
from phys_gan.simulation import simulate
from phys_gan.validation import Options, compare
from phys_gan.validation.distributions import physics_score
from phys_gan.workflows import validate

DETECTOR = load_detector("galaxies-32")
FEW = ["flux_r", "flux/flux_in", "half_light_radius_r", "pixels"]


def galaxies(seed: int, n: int = 250, **ranges: tuple[float, float]) -> Events:
    return simulate(DETECTOR, n, seed=seed, conditions=ranges or None, threads=1)


@pytest.fixture(scope="module")
def pair() -> tuple[Events, Events]:
    return galaxies(1), galaxies(2)


def test_files_of_one_band_are_validated(pair: tuple[Events, Events], tmp_path: Path) -> None:
    paths = [tmp_path / "a.h5", tmp_path / "b.h5"]
    for path, events in zip(paths, pair, strict=True):
        pg.write(path, events)
    options = Options(observables=["flux_r", "pixels"])
    verdict = validate(paths[0], [paths[1]], tmp_path / "out", options=options, figures=False)
    (found,) = verdict.comparisons.values()
    assert list(found.results) == ["flux_r", "pixels"]
    assert found.within_floor
    assert not found.warnings
    # Noise around zero: nearly every pixel is below zero in some galaxy, and none is dead.
    assert not found.findings
    assert found.correlations is None
    assert {part.cut.condition for part in found.slices if part.cut} == {"flux"}
    assert found.metrics["reference"]["conditions"]["flux"]["max"] <= 200
    page = re.sub(r"base64,[^\"]*", "", verdict.page.read_text("utf-8"))
    for word in ("Mean images", "Single galaxies", "pixel correlations", "In slices of flux"):
        assert word in page
    for word in ("GeV", "shower", "between layers", "cell correlations", "E_inc"):
        assert word not in page.partition('id="glossary"')[0]


def test_several_bands_are_compared(pair: tuple[Events, Events]) -> None:
    layer = DETECTOR.layers[0].model_dump() | {"rows": 12, "columns": 12}
    detector = Detector.model_validate(
        {"name": "two", "cell_unit": "count", "layers": [{**layer, "name": n} for n in "gr"]}
    )
    two = []
    for events in pair:
        middle = events.cells.reshape(-1, 32, 32)[:, 10:22, 10:22].reshape(len(events), -1)
        bands = np.concatenate([middle, 0.5 * middle], axis=1)
        two.append(Events(bands, dict(events.conditions), detector))
    found = compare(*two, options=Options(observables=["flux_g", "flux_r"], slices=()))
    assert found.correlations is not None
    assert found.correlations.names == ("g", "r")
    (between, pixels) = correlations_section([(make_styles(["c"])[0], found)]).plots
    assert between.name == "between bands"
    assert between.caption.startswith("Pearson correlations between the fluxes of the bands")
    with figure_style():
        assert {axes.get_xlabel() for axes in between.draw().axes} == {
            "band",
            "correlation",
            "difference",
        }
        assert [axes.get_title() for axes in pixels.draw().axes] == ["band g", "band r"]


def test_other_conditions_are_warned_of(pair: tuple[Events, Events]) -> None:
    options = Options(observables=["flux_r"], multivariate=False, slices=())
    other = compare(pair[0], galaxies(3, sersic_index=(1.0, 2.0)), options=options)
    (warning,) = other.warnings
    assert warning.startswith("The samples have other conditions: sersic_index (KS 0.")
    assert "Generate the candidate with the conditions of the reference." in warning
    blind = Events(pair[1].cells, {}, DETECTOR)
    (warning,) = compare(pair[0], blind, options=options).warnings
    assert "share no condition" in warning
    partly = Events(pair[1].cells, {"flux": pair[1].condition("flux")}, DETECTOR)
    (warning,) = compare(pair[0], partly, options=options).warnings
    assert (
        "conditions axis_ratio, half_light_radius, noise, position_angle, sersic_index" in warning
    )


def test_a_smoother_sky_is_seen_in_the_pixels(pair: tuple[Events, Events]) -> None:
    reference, candidate = pair
    cells = candidate.cells.copy()
    cells[cells < 0] *= 0.8
    options = Options(observables=["pixels"], multivariate=False, slices=())
    found = compare(reference, Events(cells, dict(candidate.conditions), DETECTOR), options=options)
    assert found.outside == ["pixels"]
    histogram = found.histograms["pixels"]
    assert histogram.edges[0] < 0 < histogram.edges[-1]
    assert histogram.reference.sum() == reference.cells.size
    assert histogram.softening is not None
    with figure_style():
        figure = histogram_figure([(make_styles(["c"])[0], histogram, found.results["pixels"])], 1)
    assert figure.axes[0].get_ylabel() == "Pixels per galaxy [count$^{-1}$]"
    assert figure.axes[1].get_xlabel() == "pixel [count]"


def test_long_names_do_not_shift_the_table(pair: tuple[Events, Events]) -> None:
    options = Options(observables=FEW, multivariate=False, slices=())
    lines = compare(*pair, options=options).summary().splitlines()
    head = next(line for line in lines if line.startswith("observable"))
    rows = lines[lines.index(head) + 1 :]
    assert len(rows) == 4
    assert {row.index("within floor") for row in rows} == {head.index("verdict")}


def test_what_describes_showers_is_refused_before_anything_is_compared(
    pair: tuple[Events, Events], monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr("phys_gan.validation.comparison.choose_bins", never)
    for form in ("high", "low-normalised"):
        with pytest.raises(DetectorError, match=rf"'{form}' describes showers.*use the form low"):
            compare(*pair, options=Options(classifiers=[form], observables=["flux_r"]))
    with pytest.raises(MissingError, match=r"'cell_energy' is not an observable.*ask for"):
        compare(*pair, observables=["cell_energy"])


def test_the_score_counts_dark_pixels(pair: tuple[Events, Events]) -> None:
    reference, candidate = pair
    clipped = Events(np.maximum(candidate.cells, 0), dict(candidate.conditions), DETECTOR)
    assert physics_score(reference, clipped) > 2 * physics_score(reference, candidate)


def test_a_single_column_has_no_correlations() -> None:
    values = np.random.default_rng(0).normal(size=(50, 1))
    assert compare_correlations(values, values[::-1]) is None
