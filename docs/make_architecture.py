"""Draw the rooms and what they import: ``python docs/make_architecture.py``.

An arrow leads from a room to one that it imports; those that follow from others are left out.
tests/test_architecture.py fails when the picture is not that of the code.
"""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parent.parent / "phys_gan"
PICTURE = Path(__file__).parent / "figures" / "architecture.svg"

BASE = (
    "_version",
    "errors",
    "files",
    "work",
    "randomness",
    "units",
    "detectors",
    "events",
    "toys",
    "references",
)
# Room to its row from below, its middle, its width, and what is in it.
ROOMS: dict[str, tuple[int, int, int, str]] = {
    "data": (1, 90, 140, "files to Events|and back"),
    "simulation": (1, 245, 140, "showers and galaxies|without files"),
    "losses": (1, 400, 140, "losses, penalties,|likelihoods"),
    "encodings": (1, 555, 140, "physics to tensors|and back"),
    "networks": (1, 710, 140, "generators and|discriminators"),
    "observables": (1, 865, 140, "numbers per event|and cell spectra"),
    "model": (2, 632, 295, "FastSim: one safetensors file; engine"),
    "metrics": (2, 865, 140, "distances, errors,|floors, classifiers"),
    "training": (3, 477, 295, "loop, methods, techniques, recipes"),
    "generation": (3, 710, 140, "latents, export,|plug-ins"),
    "validation": (3, 865, 140, "samples compared,|verdict"),
    "report": (4, 865, 140, "pages and figures"),
    "workflows": (5, 477, 915, "what joins rooms: train, produce, validate, explore, the demo"),
    "cli": (6, 477, 915, "phys-gan, one thin command per verb"),
}
# Verbs such as Comparison.save import the room above when they are called, not before.
CALLS_UP = {("validation", "report")}
_STEP, _TALL, _WIDE = 92, 56, 955


def imported_rooms(path: Path) -> set[str]:
    """Return the rooms that a module imports."""
    names = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            names += [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
    rooms = {name.split(".")[1] for name in names if name.startswith("phys_gan.")}
    here = path.relative_to(ROOT).parts[0].removesuffix(".py")
    return {to for to in rooms if (here, to) not in CALLS_UP}


def arrows() -> list[tuple[str, str]]:
    """Return which room imports which above the base, without what follows from others."""
    below = {
        room: {to for path in (ROOT / room).rglob("*.py") for to in imported_rooms(path)}
        & set(ROOMS) - {room}
        for room in ROOMS
    }

    def reached(room: str) -> set[str]:
        return {far for to in below[room] for far in ({to} | reached(to))}

    return [
        (room, to)
        for room in ROOMS
        for to in sorted(below[room])
        if not any(to in reached(other) for other in below[room])
    ]


def _place(row: int) -> int:
    return 20 + _STEP * (6 - row)


def _box(x: int, y: int, width: int, title: str, lines: list[str], fill: str) -> list[str]:
    top = y + (_TALL - 15 * len(lines)) // 2 + 4
    text = [f'<text x="{x}" y="{top}" font-weight="bold" font-size="14">{title}</text>']
    text += [
        f'<text x="{x}" y="{top + 15 * (i + 1)}" font-size="12" fill="#444">{line}</text>'
        for i, line in enumerate(lines)
    ]
    frame = f'x="{x - width // 2}" y="{y}" width="{width}" height="{_TALL}" rx="6"'
    return [f'<rect {frame} fill="{fill}" stroke="#555"/>', *text]


def drawing() -> str:
    """Return the picture as SVG."""
    high = _place(0) + _TALL + 20
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDE} {high}" '
        f'font-family="Helvetica, Arial, sans-serif" text-anchor="middle">',
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
        'markerHeight="7" orient="auto"><path d="M0 0 L8 4 L0 8 z" fill="#555"/></marker></defs>',
        f'<rect width="{_WIDE}" height="{high}" fill="white"/>',
    ]
    for room, to in arrows():
        (row, x, width, _), (low, end, narrow, _) = ROOMS[room], ROOMS[to]
        # Straight down where the boxes overlap.
        left = max(x - width // 2, end - narrow // 2)
        middle = (left + min(x + width // 2, end + narrow // 2)) // 2
        parts.append(
            f'<line x1="{middle}" y1="{_place(row) + _TALL}" x2="{middle}" y2="{_place(low) - 2}" '
            'stroke="#555" stroke-width="1.3" marker-end="url(#tip)"/>'
        )
    for row, x, width, lines in ROOMS.values():
        title = next(name for name, place in ROOMS.items() if place[:2] == (row, x))
        fill = ("", "#e8f1fa", "#d9ead3", "#d9ead3", "#d9ead3", "#fde9d0", "#f5f5f5")[row]
        parts += _box(x, _place(row), width, title, lines.split("|"), fill)
    parts += _box(477, _place(0), 915, "the base, for all", [", ".join(BASE[1:])], "#eeeeee")
    return "\n".join([*parts, "</svg>", ""])


if __name__ == "__main__":
    PICTURE.write_text(drawing(), "utf-8")
