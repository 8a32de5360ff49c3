"""A figure of some observables alone, for notebooks and talks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches

from matplotlib.figure import Figure

from phys_gan.errors import MissingError
from phys_gan.report.encode import as_png
from phys_gan.report.histogram_plots import Drawn, histogram_figure
from phys_gan.report.panels import Panels
from phys_gan.report.style import figure_style, make_looks
from phys_gan.validation.comparison import Comparison

__all__ = ["observables_figure"]


class _Shown(Figure):
    """A figure that notebooks show, also where nobody has used pyplot."""

    def _repr_png_(self) -> bytes:
        return as_png(self, dpi=80)


def observables_figure(comparisons: Mapping[str, Comparison], names: Sequence[str]) -> Figure:
    """Draw histograms of observables side by side, their ratios to the reference below.

    Arguments:
        comparisons: Name of a candidate to its comparison with the reference that all share.
        names: The observables.

    Raises:
        MissingError: No candidate has one of the observables, or none is named.
    """
    every = [_drawn(comparisons, name) for name in names or [""]]
    width, height = Panels.size(len(comparisons))
    with figure_style():
        figure = _Shown(figsize=(len(every) * width, height))
        frames = figure.subfigures(1, len(every), squeeze=False)[0]
        for frame, drawn in zip(frames, every, strict=True):
            histogram_figure(drawn, len(comparisons), frame)
    return figure


def _drawn(comparisons: Mapping[str, Comparison], name: str) -> list[Drawn]:
    drawn: list[Drawn] = [
        (look, found.histograms[name], found.results.get(name, {}))
        for look, found in zip(make_looks(list(comparisons)), comparisons.values(), strict=True)
        if name in found.histograms
    ]
    if not drawn:
        known = {name: None for found in comparisons.values() for name in found.histograms}
        nearest = get_close_matches(name, known, 3, 0.4) or list(known)[:8]
        raise MissingError(
            f"'{name}' is none of the observables that were compared",
            remedy=f"nearest: {', '.join(nearest)}",
            value=name,
        )
    return drawn
