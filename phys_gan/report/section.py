"""A part of the page before its figures are drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from phys_gan.report.pictures import Drawing
from phys_gan.report.style import Look
from phys_gan.validation.comparison import Comparison

__all__ = ["Section", "Shown"]

Shown = Sequence[tuple[Look, Comparison]]
"""Every candidate with its look."""


@dataclass(frozen=True)
class Section:
    """A part of the page.

    Attributes:
        key: Its address on the page.
        title: Its heading.
        text: What to know before looking.
        drawings: Its figures.
    """

    key: str
    title: str
    text: str
    drawings: Sequence[Drawing]
