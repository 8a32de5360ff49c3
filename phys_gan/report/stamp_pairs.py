"""Stamps of two samples in pairs, one above the other, all in the same grey."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from phys_gan.events import Events
from phys_gan.report.sheets import Sheet, sheet_figure
from phys_gan.validation.counterparts import meaning_of

__all__ = ["flux_titles", "stamps_figure"]

_COLUMNS = 8


def stamps_figure(
    first: tuple[str, Events], second: tuple[str, Events], titles: Sequence[str]
) -> Figure:
    """Draw pairs of stamps, eight in a row.

    Arguments:
        first: Name and events of what stands above, n of them.
        second: The same of what stands below.
        titles: What stands above each pair.
    """
    n = min(len(titles), len(first[1]), len(second[1]))
    rows, above, names = [], [], []
    for begin in range(0, n, _COLUMNS):
        part = slice(begin, min(begin + _COLUMNS, n))
        empty = [None] * (min(_COLUMNS, n) - (part.stop - begin))
        for (name, events), texts in ((first, titles[part]), (second, [""] * (part.stop - begin))):
            rows.append([*events.cells[part], *empty])
            above.append([*texts, *([""] * len(empty))])
            names.append(name)
    return sheet_figure(Sheet(first[1].detector, rows, above, names))


def flux_titles(events: Events) -> list[str]:
    """Return the fluxes that were asked for; nothing where they are not known."""
    if "flux" not in events.conditions:
        return [""] * len(events)
    meaning = meaning_of(events.detector, "flux")
    return [f"{meaning.label} = {meaning.text(value)}" for value in events.condition("flux")]
