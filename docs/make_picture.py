"""Draw the picture of the README: ``python docs/make_picture.py GEANT4 [MODEL]``.

GEANT4 is a file of e+ showers in CaloGAN's detector that the model did not learn from; the model
is ``calogan-eplus`` unless another one is named.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import LogNorm
from numpy.typing import NDArray

import phys_gan as pg
from phys_gan.observables import measure, select

OUT = Path(__file__).parent / "figures" / "readme.png"
ENERGY = 50e3
SEED = 11
GEANT4, FAST = "#9a9a9a", "#e66100"


def main(path: str, model: str = "calogan-eplus") -> None:
    """Draw showers of 50 GeV side by side, and two observables of all with their ratio."""
    geant4 = pg.read(path)
    fast = pg.FastSim.load(model)
    generated = fast.generate(dict(geant4.conditions), seed=SEED)
    figure = plt.figure(figsize=(12.6, 4.4))
    left, right = figure.subfigures(1, 2, width_ratios=(1.0, 1.05), wspace=0.02)
    show(left, geant4, generated)
    compare(right, geant4, generated)
    figure.savefig(OUT, dpi=130)


def show(figure: Any, geant4: pg.Events, generated: pg.Events) -> None:
    """Show one shower of each, that nearest to 50 GeV, layer by layer."""
    axes = figure.subplots(2, geant4.detector.n_layers)
    figure.subplots_adjust(left=0.14, right=0.86, top=0.87, bottom=0.13, wspace=0.08, hspace=0.0)
    nearest = int(np.abs(geant4.energy - ENERGY).argmin())
    scale = LogNorm(0.1, 3e4)
    for row, (name, events) in enumerate((("Geant4", geant4), ("phys_gan", generated))):
        for k, layer in enumerate(geant4.detector.layers):
            cells = np.ma.masked_equal(events.layer(k)[nearest], 0)
            axis = axes[row, k]
            image = axis.pcolormesh(layer.x, layer.y, cells.T, norm=scale, cmap="inferno")
            axis.set_facecolor("#f2f2f2")
            axis.set_box_aspect(1)
            axis.tick_params(labelsize=7, labelleft=k == 0, labelbottom=row == 1)
            if row == 0:
                axis.set_title(f"layer {k}", fontsize=10)
        axes[row, 0].set_ylabel(f"{name}\ny [mm]", fontsize=10)
    axes[1, 1].set_xlabel("x [mm]", fontsize=9)
    bar = figure.colorbar(image, cax=figure.add_axes((0.885, 0.15, 0.022, 0.7)))
    bar.set_label("energy of a cell [MeV]", fontsize=9)
    bar.ax.tick_params(labelsize=8)
    figure.suptitle("one e+ of 50 GeV each", fontsize=11)


def compare(figure: Any, geant4: pg.Events, generated: pg.Events) -> None:
    """Compare the spectrum of cells and the width of the middle layer, each with its ratio."""
    axes = figure.subplots(2, 2, sharex="col", height_ratios=(3, 1))
    figure.subplots_adjust(left=0.11, right=0.985, top=0.87, bottom=0.13, wspace=0.26, hspace=0.06)
    spectra = [events.cells[events.cells > 0] for events in (geant4, generated)]
    width = select(geant4.detector, names=["width_x_1"])
    widths = [measure(events, width)["width_x_1"] for events in (geant4, generated)]
    panel(axes[:, 0], spectra, np.geomspace(0.02, 3e4, 46), r"$E_\mathrm{cell}$ [MeV]", "hits")
    edges = np.linspace(*np.nanquantile(widths[0], (0.0005, 0.9995)), 31)
    panel(axes[:, 1], widths, edges, r"$\sigma_x$ in layer 1 [mm]", "showers")
    axes[0, 0].set_xscale("log")
    axes[0, 1].legend(frameon=False, fontsize=9)
    figure.suptitle(f"{len(geant4):,} showers of 1 to 100 GeV each", fontsize=11)


def panel(
    axes: Any, values: list[NDArray[Any]], edges: NDArray[Any], label: str, what: str
) -> None:
    """Draw two histograms and their ratio with statistical errors."""
    counts = [np.histogram(v, edges)[0].astype(float) for v in values]
    axes[0].stairs(counts[0], edges, fill=True, color=GEANT4, alpha=0.55, label="Geant4")
    axes[0].stairs(counts[1], edges, color=FAST, lw=1.6, label="calogan-eplus")
    axes[0].set_yscale("log")
    axes[0].set_ylim(bottom=0.7)
    axes[0].set_ylabel(f"{what} per bin", fontsize=10)
    some = counts[0] > 0
    error = np.sqrt(1 / counts[0][some])
    low, high = edges[:-1][some], edges[1:][some]
    axes[1].bar(low, 2 * error, high - low, 1 - error, align="edge", color=GEANT4, alpha=0.45)
    both = some & (counts[1] > 0)
    ratio = counts[1][both] / counts[0][both]
    logarithmic = edges[-1] > 1e3 * edges[0]
    middle = np.sqrt(edges[:-1] * edges[1:]) if logarithmic else (edges[:-1] + edges[1:]) / 2
    axes[1].errorbar(
        middle[both], ratio, ratio / np.sqrt(counts[1][both]), fmt="o", ms=2.5, lw=1, color=FAST
    )
    axes[1].axhline(1, color="black", lw=0.7)
    axes[1].set_ylim(0.5, 1.5)
    axes[1].set_ylabel("ratio", fontsize=10)
    axes[1].set_xlabel(label, fontsize=10)
    for axis in axes:
        axis.set_xlim(edges[0], edges[-1])
        axis.tick_params(labelsize=8, which="both", direction="in")


if __name__ == "__main__":
    main(*sys.argv[1:])
