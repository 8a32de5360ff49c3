"""Sections about single observables: along the layers, one by one, response, slices."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from phys_gan.report.histogram_plots import Drawn, histogram_figure, layer_figure
from phys_gan.report.lights import Light, observable_light, severity
from phys_gan.report.pictures import Drawing
from phys_gan.report.response_plot import response_figure
from phys_gan.report.section import Section, Shown
from phys_gan.report.slice_plots import Sliced, compared, slice_figure, slice_map, worst_in_slices
from phys_gan.report.tables import Checks
from phys_gan.validation.comparison import Comparisons
from phys_gan.validation.distributions import MIN_EVENTS
from phys_gan.validation.histograms import Histogram
from phys_gan.validation.observables import MANY_LAYERS, OBSERVABLES

__all__ = ["along_layers_section", "observables_section", "response_section", "slices_section"]

_WORST_LAYERS = 12
_WORST_IN_SLICES = 3
_MOST_ROWS = 40
_MAIN = ("E_tot/E_inc", "flux/flux_in")
"""What a slice shows first, of showers and of images."""


def along_layers_section(shown: Shown) -> Section:
    """Show per-layer observables of many layers together: 45 histograms tell less than one line."""
    drawings = []
    histograms = _histograms(shown)
    families = OBSERVABLES if shown[0][1].detector.n_layers > MANY_LAYERS else {}
    for family, definition in families.items():
        names = [name for name, h in histograms.items() if h.family == family]
        if len(names) < 2:
            continue
        layers = [_drawn(shown, name) for name in names]
        label = definition.axis_label.replace("{k}", "k")
        what = definition.description.replace("layer {k}", "each layer")
        drawings.append(
            Drawing(
                family.replace("{k}", "k"),
                f"{what} Band and dotted lines: standard deviation. Below: KS in every layer.",
                partial(layer_figure, layers, [look for look, _ in shown], label),
            )
        )
    return Section("layers", "Observables along the layers", "", drawings)


def observables_section(comparisons: Comparisons, shown: Shown, checks: Checks) -> Section:
    """Show every observable; of many layers only the worst of those that exist per layer."""
    histograms = _histograms(shown)
    ranks = {name: rank for rank, name in enumerate(_worst_first(shown))}
    names = list(histograms)
    if shown[0][1].detector.n_layers > MANY_LAYERS:
        per_layer = [n for n in ranks if histograms[n].layer is not None]
        worst = set(per_layer[:_WORST_LAYERS])
        names = [n for n in names if n in worst or histograms[n].layer is None]
    drawings = []
    for name in sorted(names, key=lambda name: ranks.get(name, len(ranks))):
        drawn = _drawn(shown, name)
        caption = drawn[0][1].description + _undefined_text(drawn)
        lights = [
            observable_light(name, comparison.results[name], checks.get(candidate, ()))
            for candidate, comparison in comparisons.items()
            if name in comparison.results
        ]
        drawings.append(
            Drawing(
                name,
                caption,
                partial(histogram_figure, drawn, len(shown)),
                light=max(lights, key=lambda light: light.rank, default=Light.GREEN),
            )
        )
    text = (
        "Bars are the statistical errors of a candidate, bands those of the reference. Triangles "
        "at the rim mark ratios beyond the panel. What lies outside the axis is written above the "
        "frame or at its rim; it counts in every metric. The worst observables come first."
    )
    return Section("observables", "Observables", text, drawings)


def response_section(shown: Shown) -> Section:
    """Show response and resolution against the incident energy, where it is known."""
    reference = next((c.reference.response for _, c in shown if c.reference.response), None)
    curves = [(look, c.candidate.response) for look, c in shown]
    known = [(look, curve) for look, curve in curves if curve is not None]
    drawings = []
    if reference is not None and known:
        drawings = [
            Drawing(
                "mean and resolution",
                "Mean and resolution (standard deviation over mean) of E_tot/E_inc in bins of "
                "incident energy, with statistical errors. Lines are fits of "
                "σ/E = a/√(E/GeV) ⊕ b.",
                partial(response_figure, reference, known),
                wide=True,
            )
        ]
    return Section("response", "Energy response", "", drawings)


def slices_section(shown: Shown) -> Section:
    """Show what is outside the floor in which slice, and the histograms that matter most."""
    sliced: Sliced = [(look, c.slices) for look, c in shown if c.slices]
    if not sliced:
        return Section("slices", "Slices", "", [])
    ranked = worst_in_slices(sliced)
    known = [name for name in ranked if compared(sliced, name)]
    drawings = []
    if known:
        which = f" The worst {_MOST_ROWS} of {len(known)} are shown." * (len(known) > _MOST_ROWS)
        unknown = f" Compared in no slice: {', '.join(ranked[len(known) :])}."
        drawings = [
            Drawing(
                "all observables",
                "Colour: the largest ratio of any metric to its limit. Number: KS. A triangle "
                "marks what is outside the floor; grey is not compared, because too few events "
                f"define it.{which}{unknown * (len(known) < len(ranked))}",
                partial(slice_map, sliced, known[:_MOST_ROWS]),
                wide=True,
            )
        ]
    main = [name for name in _MAIN if name in ranked]
    worst = [name for name in ranked if name not in (*main, "E_inc")][:_WORST_IN_SLICES]
    for name in (*main, *worst):
        found = [
            part.histograms[name]
            for _, parts in sliced
            for part in parts
            if name in part.histograms
        ]
        if any(h.reference.any() or h.candidate.any() for h in found):
            drawings.append(
                Drawing(name, found[0].description, partial(slice_figure, sliced, name), wide=True)
            )
    conditions = dict.fromkeys(part.cut.condition for part in sliced[0][1] if part.cut is not None)
    what = " and ".join("incident energy" if name == "energy" else name for name in conditions)
    text = (
        "The same comparison in slices, which are judged together as one family. Where either "
        f"sample has fewer than {MIN_EVENTS} events, nothing is compared."
    )
    return Section("slices", f"In slices of {what}", text, drawings)


def _histograms(shown: Shown) -> dict[str, Histogram]:
    """Return a histogram of every observable that any candidate has."""
    found: dict[str, Histogram] = {}
    for _, comparison in shown:
        for name, histogram in comparison.histograms.items():
            found.setdefault(name, histogram)
    return found


def _drawn(shown: Shown, name: str) -> list[Drawn]:
    return [
        (look, c.histograms[name], c.results.get(name, {}))
        for look, c in shown
        if name in c.histograms
    ]


def _worst_first(shown: Shown) -> list[str]:
    severities: dict[str, float] = {}
    for _, comparison in shown:
        for name, results in comparison.results.items():
            severities[name] = max(severity(results), severities.get(name, 0.0))
    return sorted(severities, key=lambda name: -severities[name])


def _undefined_text(drawn: Sequence[Drawn]) -> str:
    first = drawn[0][1].undefined[0]
    others = [f"{h.undefined[1]} of {look.title}" for look, h, _ in drawn]
    if not first and not any(h.undefined[1] for _, h, _ in drawn):
        return ""
    return f" Not defined in {first} events of the reference, {', '.join(others)}."
