"""The report: one HTML page with everything inside, readable without a network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib.figure import Figure

from phys_gan import __version__
from phys_gan.detectors import Detector, PolarLayer
from phys_gan.validation.observables import MANY_LAYERS, OBSERVABLES
from phys_gan.validation.report import images, plots
from phys_gan.validation.report.response_plot import response_figure
from phys_gan.validation.report.style import as_png, as_svg, figure_style
from phys_gan.validation.statistics.metrics import METRICS
from phys_gan.validation.statistics.result import Result
from phys_gan.validation.statistics.uncertainty import ALPHA

if TYPE_CHECKING:
    from phys_gan.validation.comparison import Comparison

__all__ = ["render"]

_SHOWN_WORST = 12
_SHOWN_ROWS = 40
_TABLE = ("ks", "w1_scaled", "js", "separation", "chi2_ndf")


@dataclass(frozen=True)
class _Picture:
    """One figure with its caption."""

    name: str
    source: str
    caption: str
    wide: bool = False
    outside: bool = False


def render(comparison: Comparison) -> str:
    """Return the report on a comparison as one HTML page with images and style inside."""
    environment = Environment(
        loader=PackageLoader("phys_gan.validation.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = _number
    environment.filters["error"] = _error
    with figure_style():
        sections = [
            ("Average showers", _averages(comparison)),
            ("Energy response", _response(comparison)),
            ("Observables along the layers", _along_layers(comparison)),
            ("Observables", _observables(comparison)),
        ]
    outside = comparison.outside
    return environment.get_template("report.html.j2").render(
        comparison=comparison,
        sides=(("reference", comparison.reference), ("candidate", comparison.candidate)),
        metrics=METRICS,
        table=_TABLE,
        outside=set(outside),
        n_rows=max(_SHOWN_ROWS, len(outside)),
        n_within=len(comparison.results) - len(outside),
        sections=[(title, pictures) for title, pictures in sections if pictures],
        version=__version__,
        alpha=ALPHA,
    )


def _averages(comparison: Comparison) -> list[_Picture]:
    detector = comparison.detector
    first, second = comparison.reference.profiles, comparison.candidate.profiles
    drawn = images.chosen_layers(detector, first)
    which = (
        ""
        if len(drawn) == detector.n_layers
        else f" {len(drawn)} of {detector.n_layers} layers, spread over the energy of the shower."
    )
    figure = images.average_figure(detector, first, second)
    pictures = [
        _Picture(
            "average showers",
            as_png(figure, dpi=120),
            "Mean energy of every cell, and the relative difference. Grey cells are empty; in the "
            "difference also those whose statistical error exceeds the range of colours." + which,
            wide=True,
        )
    ]
    if detector.n_layers > 1:
        pictures.append(
            _svg(
                "longitudinal profile",
                plots.longitudinal_figure(detector, first, second),
                "Mean energy per depth of every layer.",
            )
        )
    pictures += [
        _svg(
            f"radial profile {name}".strip(),
            plots.radial_figure(detector, first, second, layers),
            text,
        )
        for name, layers, text in _radial_groups(detector)
    ]
    return pictures


def _radial_groups(detector: Detector) -> list[tuple[str, list[int], str]]:
    """Return the polar layers that share their rings, or one by one when there are few of them."""
    polar = {k: layer for k, layer in enumerate(detector.layers) if isinstance(layer, PolarLayer)}
    polar = {k: layer for k, layer in polar.items() if layer.shape[1] > 1}
    if polar and len({layer.r for layer in polar.values()}) == 1:
        return [("", list(polar), "Mean energy per area of the rings, summed over all layers.")]
    return [
        (layer.name, [k], f"Mean energy per area of the rings in layer {layer.name or k}.")
        for k, layer in polar.items()
        if len(polar) <= MANY_LAYERS
    ]


def _response(comparison: Comparison) -> list[_Picture]:
    first, second = comparison.reference.response, comparison.candidate.response
    if first is None or second is None:
        return []
    caption = (
        "Mean and resolution (standard deviation over mean) of E_tot/E_inc in bins of incident "
        "energy, with statistical errors. Lines are fits of σ/E = a/√(E/GeV) ⊕ b. Largest "
        f"deviation from linearity: reference {_percent(first.linearity, first.linearity_error)}, "
        f"candidate {_percent(second.linearity, second.linearity_error)}."
    )
    figure = response_figure(first, second)
    return [_Picture("energy response", as_svg(figure), caption, wide=True)]


def _along_layers(comparison: Comparison) -> list[_Picture]:
    """Show per-layer observables of many layers together: 45 histograms tell less than one line."""
    if comparison.detector.n_layers <= MANY_LAYERS:
        return []
    pictures = []
    for family, definition in OBSERVABLES.items():
        names = [name for name, h in comparison.histograms.items() if h.family == family]
        if len(names) < 2:
            continue
        histograms = [comparison.histograms[name] for name in names]
        results = [comparison.results[name] for name in names]
        figure = plots.layer_figure(histograms, results, definition.axis_label.replace("{k}", "k"))
        what = definition.description.replace("layer {k}", "each layer")
        caption = f"{what} Bands and dotted lines: standard deviation. Below: KS per layer."
        pictures.append(_svg(family.replace("{k}", "k"), figure, caption))
    return pictures


def _observables(comparison: Comparison) -> list[_Picture]:
    names = list(comparison.histograms)
    if comparison.detector.n_layers > MANY_LAYERS:
        per_layer = [n for n in comparison.ranking if comparison.histograms[n].layer is not None]
        shown = set(per_layer[:_SHOWN_WORST])
        names = [n for n in names if n in shown or comparison.histograms[n].layer is None]
    ranks = {name: rank for rank, name in enumerate(comparison.ranking)}
    outside = set(comparison.outside)
    pictures = []
    for name in sorted(names, key=lambda name: ranks.get(name, len(ranks))):
        histogram = comparison.histograms[name]
        results = comparison.results.get(name, {})
        caption = histogram.description
        if any(histogram.undefined):
            caption += (
                f" Not defined in {histogram.undefined[0]} reference and "
                f"{histogram.undefined[1]} candidate events."
            )
        figure = plots.histogram_figure(histogram, results)
        pictures.append(_Picture(name, as_svg(figure), caption, outside=name in outside))
    return pictures


def _svg(name: str, figure: Figure, caption: str) -> _Picture:
    return _Picture(name, as_svg(figure), caption)


def _percent(value: float, error: float) -> str:
    if not np.isfinite(value):
        return "not defined"
    return f"{100 * value:.2f} ± {100 * error:.2f} %"


def _decimals(scale: float) -> int:
    """Return the decimals at which an error keeps two figures."""
    if not np.isfinite(scale) or scale <= 0:
        return 3
    return int(np.clip(1 - np.floor(np.log10(scale)), 0, 8))


def _number(result: Result) -> str:
    """Write value ± error with two figures of the error."""
    if not np.isfinite(result.value):
        return "∞" if result.value > 0 else "not defined"
    places = _decimals(result.error or result.value)
    return f"{result.value:.{places}f} ± {result.error:.{places}f}"


def _error(result: Result) -> str:
    """Write floor ± spread with two figures of the spread."""
    places = _decimals(result.floor_error or result.floor)
    return f"{result.floor:.{places}f} ± {result.floor_error:.{places}f}"
