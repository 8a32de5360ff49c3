"""A detector drawn: its slabs from the side, enlarged at the front, and its cells from the front.

:func:`detector_figure` draws calorimeters and images, :func:`save_detector` writes the file.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Rectangle
from matplotlib.ticker import NullLocator

from phys_gan.detectors import (
    CartesianLayer,
    Detector,
    ImageLayer,
    Layer,
    Piece,
    PolarLayer,
    ShowerLayer,
)
from phys_gan.detectors.description import Matter, layer_groups
from phys_gan.detectors.materials import Material, nist_name
from phys_gan.errors import ConfigError, DetectorError
from phys_gan.files import atomic_file
from phys_gan.report.style import REFERENCE, NotebookFigure, as_pdf, as_png, as_svg, figure_style

_COLOURS = {
    "G4_Pb": "#6b7480",
    "G4_W": "#4b5563",
    "G4_U": "#3f4a3c",
    "G4_Fe": "#a36a5b",
    "G4_STAINLESS-STEEL": "#a36a5b",
    "G4_Cu": "#d98b4a",
    "G4_BRASS": "#c9a24a",
    "G4_Al": "#b7bec8",
    "G4_Si": "#e6b422",
    "G4_lAr": "#8fc7ea",
    "G4_lKr": "#79b5e0",
    "G4_lXe": "#6aa5d6",
    "G4_AIR": "#f4f6f8",
    "G4_Galactic": "#ffffff",
    "G4_PLASTIC_SC_VINYLTOLUENE": "#9ed9a0",
    "G4_POLYSTYRENE": "#9ed9a0",
}
"""Of common materials, by name in Geant4; others get those of the list, in turn."""
_OTHERS = ("#2b2f36", "#3d9970", "#c58bd0", "#b5651d", "#7f7fd5", "#d46a6a", "#a8b545", "#5aa9a3")
_ACTIVE = "#d55e00"

_MOST_VIEWS = 4
_ENLARGED = 20
"""Slabs at the front that are drawn enlarged."""
_LABEL_GAP = 0.021
"""Least distance of the labels of enlarged slabs, as a fraction of the width."""


def detector_figure(detector: Detector) -> Figure:
    """Draw a detector: slabs and cells of a calorimeter, pixels of an image. Notebooks show it.

    Raises:
        DetectorError: It is a toy, whose coordinates have no place in space.
    """
    if detector.is_toy:
        raise DetectorError(
            f"'{detector.name}' is a toy, whose coordinates have no place in space to draw",
            remedy="name a calorimeter or an image",
            value=detector.name,
        )
    with figure_style():
        groups = list(layer_groups(detector))
        try:
            matter = Matter.of(detector) if detector.kind == "calorimeter" else None
        except DetectorError:
            matter = None
        if matter is None:
            few = len(_kinds(detector, groups)) < 3
            figure = NotebookFigure(figsize=(6.2, 6.6) if few else (11, 4.5))
            _title(figure, detector)
            _front_views(figure, detector, groups, bottom=0.09, height=0.8)
            return figure
        many = len(_kinds(detector, groups)) > 2
        tall = max(4.5 if many else 3.1, 0.215 * (len(matter.materials) + 4))
        up = 5.75 + tall
        figure = NotebookFigure(figsize=(11, up))
        _title(figure, detector)
        colours = _colours(matter)
        side = figure.add_axes((0.075, 1 - 2.4 / up, 0.905, 1.45 / up))
        _side_view(side, detector, matter, colours)
        enlarged = figure.add_axes((0.075, 1 - 4.6 / up, 0.905, 0.95 / up))
        _enlarged(enlarged, matter, colours)
        low = 0.55 / up
        height = tall / up - 0.1 / up
        _front_views(figure, detector, groups, bottom=low, height=height, right=0.53)
        _legend(figure, matter, colours, top=low + height)
    return figure


def save_detector(detector: Detector, path: str | Path) -> None:
    """Draw a detector into a file, ``.png``, ``.pdf`` or ``.svg``.

    Raises:
        ConfigError: The ending is another one.
        DetectorError: It is a toy, which has no place in space.
        OutputError: The file cannot be written.
    """
    writers = {".png": as_png, ".pdf": as_pdf, ".svg": as_svg}
    ending = Path(path).suffix.lower()
    if ending not in writers:
        raise ConfigError(
            f"'{path}' does not end in {', '.join(writers)}",
            remedy="name a file with one of these endings",
            value=str(path),
        )
    figure = detector_figure(detector)
    with figure_style():
        content = writers[ending](figure)
    with atomic_file(path) as temporary:
        temporary.write_bytes(content)


def _title(figure: Figure, detector: Detector) -> None:
    up = float(figure.get_size_inches()[1])
    name, description = _short(detector.name, 60), _short(detector.description, 110)
    figure.text(0.03, 1 - 0.1 / up, name, fontsize=15, weight="bold", va="top")
    figure.text(0.03, 1 - 0.36 / up, description, fontsize=10, va="top", color="#555555")


def _short(text: str, longest: int) -> str:
    """Shorten a text, and keep matplotlib from reading dollars as mathematics."""
    words = " ".join(text.split())
    short = words if len(words) <= longest else f"{words[: longest - 1]}…"
    return short.replace("$", r"\$")


def _colours(matter: Matter) -> dict[str, str]:
    found, others = {}, 0
    for name in matter.materials:
        if (known := nist_name(name)) in _COLOURS:
            found[name] = _COLOURS[known]
        else:
            found[name] = _OTHERS[others % len(_OTHERS)]
            others += 1
    return found


# Side view


def _slabs(
    axes: Axes, pieces: Sequence[Piece], colours: dict[str, str], low: float, high: float
) -> None:
    """Draw slabs between two heights, and a strip below those that are read out."""
    strip = 0.035 * (high - low)
    for name, colour in colours.items():
        spans = [(p.z[0], p.z[1] - p.z[0]) for p in pieces if p.material == name]
        axes.broken_barh(spans, (low, high - low), facecolor=colour, linewidth=0)
    active = [(p.z[0], p.z[1] - p.z[0]) for p in pieces if p.active]
    axes.broken_barh(active, (low - 2 * strip, strip), facecolor=_ACTIVE, linewidth=0)


def _side_view(axes: Axes, detector: Detector, matter: Matter, colours: dict[str, str]) -> None:
    layers = [layer for layer in detector.layers if isinstance(layer, ShowerLayer)]
    half = max(map(_half_width, layers))
    _slabs(axes, matter.pieces, colours, -half, half)
    front, back = matter.pieces[0].z[0], matter.pieces[-1].z[1]
    room = 0.035 * (back - front)
    axes.set_xlim(front - room, back + 0.2 * room)
    axes.set_ylim(-1.12 * half, 1.14 * half)
    axes.yaxis.set_minor_locator(NullLocator())
    # The borders of layers, and the numbers of those with room for it.
    borders = sorted({edge for layer in layers for edge in layer.z})
    for edge in borders:
        axes.plot([edge, edge], [half, 1.06 * half], color=REFERENCE, lw=0.7)
    narrow = 0.018 * (back - front)
    last = -np.inf
    for k, layer in enumerate(layers):
        middle = sum(layer.z) / 2
        if middle - last > narrow:
            axes.text(middle, 1.07 * half, str(k), ha="center", va="bottom", fontsize=8)
            last = middle
    axes.annotate(
        "",
        (front, 0),
        (front - room, 0),
        arrowprops={"arrowstyle": "-|>", "color": _ACTIVE, "lw": 1.5, "shrinkA": 0, "shrinkB": 0},
    )
    axes.set_xlabel("depth [mm]")
    axes.set_ylabel("x, y or r [mm]", fontsize=11)
    axes.tick_params(top=False, right=False, which="both")
    axes.spines[["top", "right"]].set_visible(False)
    axes.text(front - 0.12 * room, 1.07 * half, "layer", ha="right", va="bottom", fontsize=7.5)
    axes.spines["left"].set_bounds(-1.12 * half, half)
    _depth_axis(axes, matter)


def _depth_axis(axes: Axes, matter: Matter) -> None:
    """Write the depth in radiation lengths above the layers."""
    ends = [matter.pieces[0].z[0], *(piece.z[1] for piece in matter.pieces)]
    lengths = np.array([matter.radiation_lengths([piece]) for piece in matter.pieces])
    if np.isnan(lengths).any():
        return
    depth = np.concatenate([[0], np.cumsum(lengths)])
    step = next(s for s in (1, 2, 5, 10, 20, 50, 100, 1e9) if depth[-1] / s <= 13)
    ticks = np.arange(0, depth[-1] + 1e-9, step)
    for tick in ticks:
        z = float(np.interp(tick, depth, ends))
        axes.annotate(
            f"{tick:g}",
            (z, 1.0),
            (0, 17),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            ha="center",
            fontsize=9,
            color="#0072b2",
        )
    axes.annotate(
        "$X_0$",
        (0, 1),
        (0, 17),
        xycoords="axes fraction",
        textcoords="offset points",
        ha="left",
        fontsize=10,
        color="#0072b2",
    )


def _enlarged(axes: Axes, matter: Matter, colours: dict[str, str]) -> None:
    """Draw the first slabs of the layers enlarged, each kind named once."""
    shown = _periods(matter.inside)
    first, last = shown[0].z[0], shown[-1].z[1]
    _slabs(axes, shown, colours, 0, 1)
    for piece in shown[1:]:
        axes.plot([piece.z[0]] * 2, [0, 1], color="white", lw=0.4)
    for edge in {piece.z[0] for piece, before in zip(shown[1:], shown, strict=False)
                 if piece.layer != before.layer}:  # fmt: skip
        axes.plot([edge, edge], [-0.07, 1.06], color=REFERENCE, lw=0.9)
    axes.set_xlim(first, last)
    axes.set_ylim(-0.08, 1.0)
    axes.set_yticks([])
    axes.tick_params(top=False, which="both")
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.set_xlabel("depth [mm], the front enlarged")
    # Labels that would overlap move apart, each with a line to its slab.
    wide = last - first
    places = [sum(piece.z) / 2 for piece in shown]
    labels = np.array(places)
    for i in range(1, len(labels)):
        labels[i] = max(labels[i], labels[i - 1] + _LABEL_GAP * wide)
    labels[-1] = min(labels[-1], last)
    for i in range(len(labels) - 2, -1, -1):
        labels[i] = min(labels[i], labels[i + 1] - _LABEL_GAP * wide)
    for piece, place, label in zip(shown, places, labels, strict=True):
        axes.annotate(
            f"{_short(piece.material.removeprefix('G4_'), 10)} {piece.z[1] - piece.z[0]:.3g}",
            (place, 1.0),
            (label, 1.13),
            xycoords="data",
            annotation_clip=False,
            rotation=60 if len(shown) > 8 else 0,
            ha="left" if len(shown) > 8 else "center",
            va="bottom",
            rotation_mode="anchor",
            fontsize=8,
            color=_ACTIVE if piece.active else "black",
            arrowprops={
                "arrowstyle": "-",
                "lw": 0.5,
                "color": "#888888",
                "shrinkA": 0,
                "shrinkB": 0,
            },
        )


def _periods(pieces: Sequence[Piece]) -> Sequence[Piece]:
    """Return the slabs to enlarge: some periods, or, in a block without slabs, its layers."""
    front = pieces[: 2 * _ENLARGED]
    kinds = len({(piece.material, round(piece.z[1] - piece.z[0], 4)) for piece in front})
    n = min(len(pieces), max(8, min(_ENLARGED, 4 * kinds)))
    return pieces[:n]


# Front view


def _half_width(layer: ShowerLayer) -> float:
    if isinstance(layer, PolarLayer):
        return layer.r[-1]
    assert isinstance(layer, CartesianLayer)
    return max(abs(edge) for edges in (layer.x, layer.y) for edge in (edges[0], edges[-1]))


def _front_views(
    figure: Figure,
    detector: Detector,
    groups: Sequence[tuple[int, int, Layer]],
    *,
    bottom: float,
    height: float,
    right: float = 0.98,
) -> None:
    """Draw the cells of layers that differ, as a particle sees them."""
    kinds = _kinds(detector, groups)
    more, kinds = len(kinds) - _MOST_VIEWS, kinds[:_MOST_VIEWS]
    across, up = map(float, figure.get_size_inches())
    left, gap = 0.075, 0.05
    columns = len(kinds) if len(kinds) < 3 or right > 0.9 else -(-len(kinds) // 2)
    rows = -(-len(kinds) // columns)
    space = 0.3 / up
    side = min(
        (right - left - gap * (columns - 1)) / columns * across,
        (height - space * (rows - 1)) / rows * up - 0.22,
    )
    for i, (name, layer) in enumerate(kinds):
        row, column = divmod(i, columns)
        x = left + column * (side / across + gap)
        y = bottom + height - (row + 1) * (side + 0.22) / up - row * space
        axes = figure.add_axes((x, y, side / across, side / up))
        _cells(axes, layer, 72 * side)
        axes.set_title(f"{name}: {_count(layer)}", fontsize=9, loc="left", pad=3)
        axes.tick_params(labelsize=8, length=3, which="both", top=False, right=False)
        axes.minorticks_off()
    unit = "x, y [arcsec]" if detector.is_image else "x, y [mm]"
    also = f"; {more} more kinds of layers are not shown" if more > 0 else ""
    figure.text(left, bottom - 0.42 / up, f"cells from the front, {unit}{also}", fontsize=9)


def _kinds(detector: Detector, groups: Sequence[tuple[int, int, Layer]]) -> list[tuple[str, Layer]]:
    """Return the first layers of each kind of cells, with a name for them."""
    kinds: list[tuple[str, Layer]] = []
    for first, last, layer in groups:
        alike = layer.model_dump(exclude={"name", "z"})
        if any(known.model_dump(exclude={"name", "z"}) == alike for _, known in kinds):
            continue
        name = f"layer {first}" if first == last else f"layers {first} to {last}"
        kinds.append((name, layer))
    if len(kinds) == 1:
        return [("every layer" if detector.n_layers > 1 else "layer 0", kinds[0][1])]
    return kinds


def _count(layer: Layer) -> str:
    if isinstance(layer, PolarLayer):
        return f"{layer.shape[1]} rings x {layer.n_alpha}"
    return f"{layer.shape[0]} x {layer.shape[1]}"


def _cells(axes: Axes, layer: Layer, side: float) -> None:
    """Draw the borders of cells, thin enough for a panel of some size [pt]."""
    width = min(0.7, 0.25 * side / max(layer.shape))
    if isinstance(layer, PolarLayer):
        outer = layer.r[-1]
        for radius in layer.r:
            axes.add_patch(Circle((0, 0), radius, fill=False, edgecolor=REFERENCE, lw=width))
        if layer.n_alpha > 1:
            alpha = np.linspace(-np.pi, np.pi, layer.n_alpha, endpoint=False)
            ends = np.stack([np.cos(alpha), np.sin(alpha)], axis=1)
            spokes = np.stack([layer.r[0] * ends, outer * ends], axis=1)
            axes.add_collection(LineCollection(list(spokes), colors=REFERENCE, linewidths=width))
        reach = 1.04 * outer
    else:
        if isinstance(layer, ImageLayer):
            x, y = (
                (np.arange(n + 1) - n / 2) * layer.pixel_scale for n in (layer.columns, layer.rows)
            )
        else:
            assert isinstance(layer, CartesianLayer)
            x, y = np.asarray(layer.x), np.asarray(layer.y)
        axes.vlines(x, y[0], y[-1], color=REFERENCE, lw=width)
        axes.hlines(y, x[0], x[-1], color=REFERENCE, lw=width)
        axes.add_patch(
            Rectangle((x[0], y[0]), x[-1] - x[0], y[-1] - y[0], fill=False, edgecolor=REFERENCE)
        )
        reach = 1.04 * max(abs(edge) for edges in (x, y) for edge in (edges[0], edges[-1]))
    axes.set_xlim(-reach, reach)
    axes.set_ylim(-reach, reach)
    axes.set_aspect("equal")


# Legend


def _legend(figure: Figure, matter: Matter, colours: dict[str, str], top: float) -> None:
    """Name the materials with what a shower sees of them, and the mean of the layers."""
    up = float(figure.get_size_inches()[1])
    step, x = 0.215 / up, 0.575
    columns = (0.0, 0.035, 0.175, 0.255, 0.335)
    y = top - 0.12 / up

    def row(texts: Sequence[str], weight: str = "normal") -> None:
        for column, text in zip(columns[1:], texts, strict=True):
            right = column > columns[1]
            figure.text(
                x + column + (0.06 if right else 0),
                y,
                text,
                fontsize=9,
                va="center",
                ha="right" if right else "left",
                weight=weight,
            )

    row(("material", "g/cm³", "$X_0$ [mm]", "$R_M$ [mm]"), "bold")
    for name, material in matter.materials.items():
        y -= step
        box = (x + 0.002, y - 0.07 / up, 0.022, 0.14 / up)
        _box(figure, box, colours[name])
        row((_short(name, 24), *_numbers(material)))
    if mean := matter.mean():
        y -= 1.15 * step
        row(("mean of the layers", *_numbers(mean)), "bold")
        y -= step
        figure.text(
            x + columns[1],
            y,
            f"critical energy {mean.critical_energy:.3g} MeV",
            fontsize=9,
            va="center",
        )
    y -= 1.15 * step
    _box(figure, (x + 0.002, y - 0.025 / up, 0.022, 0.05 / up), _ACTIVE)
    active = [piece for piece in matter.inside if piece.active]
    factors = sorted({piece.factor for piece in active} - {1.0})
    scaled = f", deposits times {', '.join(f'{f:.4g}' for f in factors)}" if factors else ""
    figure.text(x + columns[1], y, f"read out{scaled}", fontsize=9, va="center")


def _box(figure: Figure, place: tuple[float, float, float, float], colour: str) -> None:
    x, y, width, height = place
    figure.add_artist(
        Rectangle(
            (x, y),
            width,
            height,
            facecolor=colour,
            edgecolor="#888888",
            lw=0.4,
            transform=figure.transFigure,
        )
    )


def _numbers(material: Material | None) -> tuple[str, str, str]:
    if material is None:
        return "?", "?", "?"
    return f"{material.density:.4g}", _length(material.length), _length(material.moliere_radius)


def _length(value: float) -> str:
    return f"{value:.3g}" if value < 999.5 else f"{value / 1e3:.3g} m"
