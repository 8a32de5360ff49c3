"""Figures to bytes: SVG and PNG inside the page, PDF and PNG beside it."""

from __future__ import annotations

import base64
import io
import re

from matplotlib.figure import Figure

__all__ = ["as_pdf", "as_png", "as_svg", "embedded"]

_PATHS = re.compile(r' (?:d|x|y)="[^"]*"')
_DECIMALS = re.compile(r"(\.\d\d)\d+")
_SHORTER = (
    (re.compile(r"<!--.*?-->|<metadata>.*?</metadata>|<\?xml.*?\?>|<!DOCTYPE.*?>", re.DOTALL), ""),
    # Nothing refers to groups by name.
    (re.compile(r'<g id="[^"]*"'), "<g"),
    (re.compile(r" ?\n([LMQCz])"), r"\1"),
    (re.compile(r"([LMQC]) "), r"\1"),
    (re.compile(r"\s*\n\s*"), " "),
    (re.compile(r"> <"), "><"),
)
# What an address may not hold; apostrophes do for quotation marks.
_ESCAPED = str.maketrans({"%": "%25", "#": "%23", "<": "%3C", ">": "%3E", '"': "'"})


def as_svg(figure: Figure) -> bytes:
    """Return the figure as SVG; text becomes outlines and needs no fonts."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    # Coordinates are points: two decimals are finer than any screen, and halve the page.
    text = _PATHS.sub(lambda path: _DECIMALS.sub(r"\1", path[0]), buffer.getvalue().decode())
    for pattern, shorter in _SHORTER:
        text = pattern.sub(shorter, text)
    return text.strip().encode()


def as_png(figure: Figure, dpi: int = 150) -> bytes:
    """Return the figure as pixels, for slides and for maps of thousands of cells."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    return buffer.getvalue()


def as_pdf(figure: Figure) -> bytes:
    """Return the figure for papers; equal figures give equal bytes."""
    buffer = io.BytesIO()
    figure.savefig(
        buffer, format="pdf", metadata={"CreationDate": None, "Creator": None, "Producer": None}
    )
    return buffer.getvalue()


def embedded(content: bytes) -> str:
    """Return an image as a data URI, which a page shows without any other file."""
    if content.startswith(b"\x89PNG"):
        return "data:image/png;base64," + base64.b64encode(content).decode()
    # Shorter than base64, and it compresses well.
    return "data:image/svg+xml," + content.decode().translate(_ESCAPED)
