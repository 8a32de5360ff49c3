"""The figure of one observable alone, for notebooks and talks."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches

from matplotlib.figure import Figure

from phys_gan.errors import MissingError
from phys_gan.validation.comparison import Comparison
from phys_gan.validation.report.histogram_plots import histogram_figure
from phys_gan.validation.report.style import figure_style, make_looks

__all__ = ["observable_figure"]


def observable_figure(comparisons: Mapping[str, Comparison], name: str) -> Figure:
    """Draw the histograms of an observable and their ratio to the reference.

    Arguments:
        comparisons: Name of a candidate to its comparison with the reference that all share.
        name: The observable.

    Raises:
        MissingError: No candidate has the observable.
    """
    looks = make_looks(list(comparisons))
    drawn = [
        (look, found.histograms[name], found.results.get(name, {}))
        for look, found in zip(looks, comparisons.values(), strict=True)
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
    with figure_style():
        return histogram_figure(drawn, len(looks))
