"""Maps of the cells of a layer, and sheets of single events in common colours.

A shower of many layers is one map: depth along x, and the radius (or x) along y.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import QuadMesh
from matplotlib.colors import AsinhNorm, LogNorm, Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from phys_gan.detectors import CartesianLayer, Detector, ImageLayer, Layer, PolarLayer
from phys_gan.events import Events
from phys_gan.observables.photometry import corner_boxes, sky_level_noise
from phys_gan.validation.exploration import meaning_of

_EMPTY = "#eeeeee"


def draw_map(
    axes: Axes,
    layer: Layer,
    values: NDArray[np.float64],
    norm: Normalize,
    colours: str = "viridis",
) -> QuadMesh:
    """Draw one value per cell where the cells are; NaN stays grey."""
    axes.set_facecolor(_EMPTY)
    axes.tick_params(which="both", direction="out", top=False, right=False)
    axes.minorticks_off()
    x, y, grid = _corners(layer, values)
    mesh = axes.pcolormesh(x, y, grid, norm=norm, cmap=colours, rasterized=True)
    axes.set_aspect("equal")
    return mesh


def layer_title(layer: Layer, k: int) -> str:
    """Return what a layer is called."""
    return f"{'band' if isinstance(layer, ImageLayer) else 'layer'} {layer.name or k}"


def length_unit(layer: Layer) -> str:
    """Return the unit in which a map of a layer is drawn."""
    return "arcsec" if isinstance(layer, ImageLayer) else "mm"


def log_norm(values: NDArray[np.float64], decades: float = 6) -> LogNorm:
    """Return logarithmic colours for the positive values, over at most so many decades."""
    positive = values[values > 0]
    if not len(positive):
        return LogNorm(0.1, 1)
    high = float(positive.max())
    low = max(float(positive.min()), high / 10**decades)
    return LogNorm(low, high if high > low else 10 * low, clip=True)


def name_row(axes: Axes, text: str, colour: str, size: float) -> None:
    """Write the name of a sample along the left side of its row of maps, outside their labels."""
    axes.annotate(
        text,
        (0, 0.5),
        xytext=(-52, 0),
        xycoords="axes fraction",
        textcoords="offset points",
        rotation=90,
        ha="center",
        va="center",
        fontsize=size,
        fontweight="bold",
        color=colour,
    )


def _corners(
    layer: Layer, values: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the corners of the cells [mm, or arcsec for images] and the values on that grid."""
    grid = values.reshape(layer.shape)
    if isinstance(layer, CartesianLayer):
        x, y = np.meshgrid(layer.x, layer.y, indexing="ij")
        return x, y, grid
    if isinstance(layer, PolarLayer):
        # Each ring segment is drawn as several quadrangles, so that it looks round.
        pieces = max(1, -(-144 // layer.n_alpha))
        alpha = np.linspace(-np.pi, np.pi, layer.n_alpha * pieces + 1)[:, None]
        r = np.array(layer.r)[None]
        return r * np.cos(alpha), r * np.sin(alpha), np.repeat(grid, pieces, axis=0)
    # Only these are left: coordinates have no place in space, and are never drawn as maps.
    assert isinstance(layer, ImageLayer)
    rows, columns = (np.arange(n + 1) - n / 2 for n in layer.shape)
    x, y = np.meshgrid(columns * layer.pixel_scale, rows * layer.pixel_scale)
    return x, y, grid


def draw_projection(
    axes: Axes, detector: Detector, cells: NDArray[np.float64], norm: LogNorm
) -> None:
    """Draw one shower, cells (n_cells,), summed around the axis, or along y."""
    axes.set_facecolor(_EMPTY)
    axes.tick_params(which="both", direction="out", top=False, right=False, labelsize=10)
    axes.minorticks_off()
    # Layers that share their edges are drawn in one go.
    for edges, group in groupby(range(detector.n_layers), key=lambda k: _edges(detector, k)):
        layers = list(group)
        columns = [projected(detector, k, cells) for k in layers]
        depth = np.arange(layers[0], layers[-1] + 2) - 0.5
        energy = np.stack(columns, axis=1)
        axes.pcolormesh(
            depth,
            np.array(edges),
            np.where(energy > 0, energy, np.nan),
            norm=norm,
            cmap="viridis",
            rasterized=True,
        )


def projected(detector: Detector, k: int, cells: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the energies of layer k of one shower, summed around the axis, or along y."""
    layer = detector.layers[k]
    grid = cells[detector.slice(k)].reshape(layer.shape)
    return np.asarray(grid.sum(axis=0 if isinstance(layer, PolarLayer) else 1), np.float64)


def _edges(detector: Detector, k: int) -> tuple[float, ...]:
    layer = detector.layers[k]
    return tuple(layer.r if isinstance(layer, PolarLayer) else layer.x)  # type: ignore[union-attr]


_WIDTH = 12.4
_LEFT, _RIGHT, _TOP, _BOTTOM = 0.4, 1.05, 0.3, 0.12
_LARGEST = 1.6
_GAP = 0.05
_BETWEEN = 0.22
_MARGIN = 0.22
_MOST_LAYERS = 3
_DECADES = 5
_BELOW, _SOFT, _BRIGHT = 3.0, 2.0, 99.97
_BAR = 3.2


@dataclass(frozen=True)
class Palette:
    """How the cells of events become colours.

    Attributes:
        norm: From the unit of the cells to 0 ... 1.
        colours: Name of the colours.
        label: What the colours show, with its unit.
    """

    norm: Normalize
    colours: str
    label: str


@dataclass(frozen=True)
class Sheet:
    """Events in rows and columns.

    Attributes:
        detector: The detector.
        rows: The cells (n_cells,) of the events of each row; None leaves a place empty.
        titles: Title of each event; may be empty.
        names: Name of each row; may be empty.
        margin: Whether the first row and the first column stand apart.
    """

    detector: Detector
    rows: Sequence[Sequence[NDArray[np.float32] | None]]
    titles: Sequence[Sequence[str]] = ()
    names: Sequence[str] = ()
    margin: bool = False


def n_panels(detector: Detector) -> int:
    """Return how many maps, one below the other, show an event: its layers, or one projection."""
    return 1 if detector.n_layers > _MOST_LAYERS and not _images(detector) else detector.n_layers


def make_palette(events: Sequence[Events]) -> Palette:
    """Return colours that hold all events.

    Images are grey on an asinh scale, linear up to twice the noise of the sky, from three times
    the noise below zero to the brightest 0.03 % of the pixels, so that a single one does not
    darken all others; showers are logarithmic.
    """
    detector = events[0].detector
    cells = np.concatenate([one.cells for one in events]).astype(np.float64)
    if not _images(detector):
        many = n_panels(detector) < detector.n_layers
        values = cells.ravel()
        if many:
            layers = range(detector.n_layers)
            values = np.concatenate(
                [projected(detector, k, event) for event in cells for k in layers]
            )
        logarithmic = log_norm(values, _DECADES)
        what = r"\sum E" if many else "E"
        return Palette(logarithmic, "viridis", rf"${what}$ [{detector.cell_unit}]")
    stamps = cells.reshape(-1, *detector.layers[0].shape)
    noise = float(np.median(sky_level_noise(corner_boxes(stamps))[1]))
    high = max(float(np.percentile(stamps, _BRIGHT)), 10 * noise) or 1.0
    noise = noise or high / 1000
    norm = AsinhNorm(linear_width=_SOFT * noise, vmin=-_BELOW * noise, vmax=high, clip=True)
    return Palette(norm, "gray", f"pixel [{detector.cell_unit}]")


def draw_event(
    panels: Sequence[Axes], detector: Detector, cells: NDArray[np.float32], palette: Palette
) -> None:
    """Draw one event, cells (n_cells,), into its panels."""
    values = cells.astype(np.float64)
    if len(panels) < detector.n_layers:
        assert isinstance(palette.norm, LogNorm)
        draw_projection(panels[0], detector, values, palette.norm)
    else:
        shown = values if _images(detector) else np.where(values > 0, values, np.nan)
        for k, axes in enumerate(panels):
            layer = detector.layers[k]
            draw_map(axes, layer, shown[detector.slice(k)], palette.norm, palette.colours)
    for axes in panels:
        axes.set_xticks([])
        axes.set_yticks([])
        axes.set_aspect("auto")


def sheet_figure(sheet: Sheet) -> Figure:
    """Draw a sheet."""
    detector, n = sheet.detector, n_panels(sheet.detector)
    columns = max(map(len, sheet.rows))
    margin = _MARGIN * sheet.margin
    side = min(_LARGEST, (_WIDTH - _LEFT - _RIGHT - margin) / columns - _GAP)
    aspect = 1.0
    if _images(detector):
        down, across = detector.layers[0].shape
        aspect = across / down
    tall = side / aspect
    titles = sheet.titles or [[""] * columns] * len(sheet.rows)
    above = [_TOP if any(row) else 0.0 for row in titles]
    block = n * (tall + _GAP) + (_BETWEEN if n > 1 else 0)
    width = _LEFT + columns * (side + _GAP) + margin + _RIGHT
    height = len(sheet.rows) * block + sum(above) + margin + 2 * _BOTTOM
    figure = Figure(figsize=(width, height))
    events = [cells for row in sheet.rows for cells in row if cells is not None]
    palette = make_palette([Events(np.stack(events), {}, detector)])
    drawn = []
    for i, row in enumerate(sheet.rows):
        top = height - _BOTTOM - sum(above[: i + 1]) - i * block - margin * (i > 0)
        for j, cells in enumerate(row):
            if cells is None:
                continue
            x = _LEFT + j * (side + _GAP) + margin * (j > 0)
            lows = [top - (k + 1) * tall - k * _GAP for k in range(n)]
            panels = [place(figure, x, low, side, tall) for low in lows]
            draw_event(panels, detector, cells, palette)
            panels[0].set_title(titles[i][j], fontsize=10.5, pad=4)
            if j == 0:
                name_panels(panels, detector, sheet.names[i] if sheet.names else "")
            drawn.append(panels[0])
    if _images(detector):
        _scale_bar(drawn[0], detector)
    top = height - _BOTTOM - above[0]
    long = min(_BAR, top - _BOTTOM)
    colour_bar(figure, palette, width - _RIGHT + 0.12, top - long, long)
    return figure


def name_panels(panels: Sequence[Axes], detector: Detector, name: str = "") -> None:
    """Write left of the maps of an event which layer each is, or the name of the event."""
    for k, axes in enumerate(panels):
        text = layer_title(detector.layers[k], k) if len(panels) > 1 else name
        axes.set_ylabel(f"{name}, {text}" if name and text != name else text, loc="center")
        axes.yaxis.label.set_fontsize(10.5)


def place(figure: Figure, x: float, y: float, width: float, height: float) -> Axes:
    """Add axes at a place given in inches from the lower left corner."""
    across, up = figure.get_size_inches()
    return figure.add_axes((x / across, y / up, width / across, height / up))


def colour_bar(figure: Figure, palette: Palette, x: float, y: float, height: float) -> None:
    """Add the bar of the colours at a place given in inches."""
    axes = place(figure, x, y, 0.16, height)
    bar = figure.colorbar(ScalarMappable(palette.norm, palette.colours), cax=axes)
    if isinstance(palette.norm, AsinhNorm):
        ticks = _round_values(palette.norm)
        bar.set_ticks(ticks, labels=[f"{tick:g}" for tick in ticks])
        bar.minorticks_off()
    bar.ax.tick_params(labelsize=10)
    bar.set_label(palette.label, fontsize=11)


def _round_values(norm: Normalize) -> list[float]:
    """Return zero and powers of ten, from where the scale is no longer linear to its end."""
    assert norm.vmax is not None
    assert norm.vmin is not None
    high = float(norm.vmax)
    powers = 10.0 ** np.arange(np.floor(np.log10(-norm.vmin)), np.floor(np.log10(high)) + 1)
    return [0.0, *powers[(powers > -norm.vmin / _BELOW) & (powers <= high)].tolist()]


def _scale_bar(axes: Axes, detector: Detector) -> None:
    """Tell in the first picture how large it is."""
    layer = detector.layers[0]
    assert isinstance(layer, ImageLayer)
    rows, columns = (n * layer.pixel_scale for n in layer.shape)
    longest = 0.4 * columns
    length = 10.0 ** np.floor(np.log10(longest))
    length *= next(factor for factor in (5, 2, 1) if factor * length <= longest)
    x, y = -0.44 * columns, -0.42 * rows
    axes.plot([x, x + length], [y, y], color="white", lw=1.6, solid_capstyle="butt")
    axes.text(x, y + 0.03 * rows, f"{length:g} arcsec", color="white", fontsize=8, va="bottom")


def _images(detector: Detector) -> bool:
    return isinstance(detector.layers[0], ImageLayer)


_COLUMNS = 8


def stamps_figure(
    first: tuple[str, Events], second: tuple[str, Events], titles: Sequence[str]
) -> Figure:
    """Draw pairs of stamps, eight in a row, with a title above each.

    Arguments:
        first: Name and events of the upper stamps.
        second: The same of the lower ones.
        titles: The titles.
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
