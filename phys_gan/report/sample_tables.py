"""Tables of the samples: how many events, of which energies, made by what, with what response."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from phys_gan.report.numbers import percent, whole
from phys_gan.report.tables import Cell, Table
from phys_gan.validation.comparison import Comparisons, Side
from phys_gan.validation.counterparts import meaning_of
from phys_gan.validation.statistics.response import ResponseCurve

__all__ = ["provenance_table", "response_table", "samples_table"]

_LONGEST = 4000
"""Characters of what is recorded of a sample."""


def samples_table(comparisons: Comparisons) -> Table:
    """List the numbers of events and the incident energies, of images the ranges of conditions."""
    detector = next(iter(comparisons.values())).detector
    if detector.is_image:
        return _galaxies_table(comparisons)
    if detector.is_toy:
        counts = [(name, [_events(side)]) for name, side in _sides(comparisons)]
        return Table([("sample", ""), ("points", "")], counts, sortable=False)
    rows = [(name, _sample(side)) for name, side in _sides(comparisons)]
    heads = ("sample", "events", "incident energy [GeV]", "energy outside the cells")
    return Table([(head, "") for head in heads], rows, sortable=False)


def _galaxies_table(comparisons: Comparisons) -> Table:
    """List the ranges of the conditions as well, in the units that they are known to have."""
    detector = next(iter(comparisons.values())).detector
    sides = _sides(comparisons)
    names = list(dict.fromkeys(name for _, side in sides for name in side.conditions))
    units = [meaning_of(detector, name).unit for name in names]
    heads = [
        "sample",
        "galaxies",
        *(f"{name} [{unit}]" if unit else name for name, unit in zip(names, units, strict=True)),
    ]
    rows = [
        (label, [_events(side), *(Cell(_range(side, name)) for name in names)])
        for label, side in sides
    ]
    return Table([(head, "") for head in heads], rows, sortable=False)


def provenance_table(comparisons: Comparisons) -> Table:
    """List what is recorded of how every sample was made."""
    sides = _sides(comparisons)
    keys = list(dict.fromkeys(key for _, side in sides for key in side.provenance))
    rows = [
        (key[:_LONGEST], [_recorded(side.provenance.get(key, "–")) for _, side in sides])
        for key in keys
    ]
    if not rows:
        rows = [("made by", [Cell("not recorded", is_text=True) for _ in sides])]
    return Table([("", ""), *((name, "") for name, _ in sides)], rows, sortable=False)


def _recorded(text: str) -> Cell:
    # Whoever wrote a file may have written a book into it.
    return Cell(text if len(text) <= _LONGEST else f"{text[:_LONGEST]} …", is_text=True)


def response_table(comparisons: Comparisons) -> Table | None:
    """List the fits of the resolution and the linearity; None without incident energies."""
    rows = [
        (name, _fit(side.response))
        for name, side in _sides(comparisons)
        if side.response is not None
    ]
    heads = ("sample", "stochastic term a", "constant term b", "χ²/ndf of the fit", "non-linearity")
    return Table([(head, "") for head in heads], rows, sortable=False) if rows else None


def _sides(comparisons: Comparisons) -> list[tuple[str, Side]]:
    references = [c.reference for c in comparisons.values()]
    # Its response is known beside those candidates alone whose incident energies are.
    first = next((side for side in references if side.response), references[0])
    return [("reference", first), *((name, c.candidate) for name, c in comparisons.items())]


def _sample(side: Side) -> list[Cell]:
    energy = "not known"
    if side.energy is not None:
        energy = _range_text([value / 1000 for value in side.energy])
    outside = "not recorded" if side.outside is None else f"{100 * side.outside:.3f} %"
    return [_events(side), Cell(energy), Cell(outside)]


def _events(side: Side) -> Cell:
    """Say how many events there are, and how many of weight 1 would say as much."""
    worth = f" (weighted, worth {whole(round(side.n_effective))})" if side.weighted else ""
    return Cell(f"{whole(side.n)}{worth}")


def _range(side: Side, name: str) -> str:
    return _range_text(side.conditions[name]) if name in side.conditions else "not known"


def _range_text(values: Sequence[float]) -> str:
    low, middle, high = values
    return f"{low:.3g} to {high:.3g}, median {middle:.3g}"


def _fit(curve: ResponseCurve) -> list[Cell]:
    fit = curve.fit
    chi2 = f"{fit.chi2_ndf:.2f}" if np.isfinite(fit.chi2_ndf) else "not defined"
    return [
        Cell(percent(fit.a, fit.a_error)),
        Cell(percent(fit.b, fit.b_error)),
        Cell(chi2),
        Cell(percent(curve.linearity, curve.linearity_error)),
    ]
