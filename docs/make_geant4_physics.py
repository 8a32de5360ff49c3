"""Draw docs/figures/geant4_physics.png and write the measured numbers into simulators.md.

Run ``python docs/make_geant4_physics.py OUT``, where OUT is the folder that ``python -m
benchmarks.geant4 --out OUT`` fills; what it has is not simulated again.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from benchmarks.geant4 import CHECKS, Runs, crystal_profiles
from benchmarks.published import RINGS, SLICES

HERE = Path(__file__).resolve().parent
COLOUR = "#0072B2"
Array = NDArray[np.float64]


def main() -> None:
    """Measure, draw, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    runs = Runs(parser.parse_args().out)
    slices, rings = crystal_profiles(runs)
    figure = draw(slices, rings)
    figure.savefig(HERE / "figures" / "geant4_physics.png", dpi=160, bbox_inches="tight")
    lines = ["| quantity | measured | expected | source |", "|---|---|---|---|"]
    lines += [row.text() for check in CHECKS.values() for row in check(runs)]
    page = HERE / "simulators.md"
    text = page.read_text("utf-8")
    marks = r"(<!-- physics -->\n).*?(<!-- /physics -->)"
    table = "\n".join(lines)
    text, found = re.subn(marks, lambda m: f"{m[1]}\n{table}\n\n{m[2]}", text, flags=re.DOTALL)
    if not found:
        raise SystemExit(f"{page} has no place '<!-- physics -->'")
    page.write_text(text, "utf-8")


def draw(slices: Array, rings: Array) -> Figure:
    """Draw the energy against depth and radius, each with the ratio to TestEm2."""
    plt.rcParams.update(
        {
            "font.size": 11,
            "xtick.direction": "in",
            "ytick.direction": "in",
            "xtick.top": True,
            "ytick.right": True,
            "legend.frameon": False,
        }
    )
    figure, axes = plt.subplots(
        2,
        2,
        figsize=(10, 5.2),
        sharex="col",
        height_ratios=(3, 1),
        gridspec_kw={"hspace": 0.06, "wspace": 0.24},
    )
    profile(axes[:, 0], 0.5, slices, SLICES)
    profile(axes[:, 1], 0.1, rings, RINGS)
    axes[0, 0].set_ylabel(r"$(1/E)\; dE/dt$  [% per $X_0$]")
    axes[0, 0].set_xlim(0, 20)
    axes[1, 0].set_xlabel(r"depth $t$ [$X_0$]")
    axes[0, 1].set_ylabel(r"$(1/E)\; dE/dr$  [% per $X_0$]")
    axes[0, 1].set_yscale("log")
    axes[0, 1].set_xlim(0, 5)
    axes[1, 1].set_xlabel(r"radius $r$ [$X_0$]")
    axes[0, 1].legend(loc="upper right")
    axes[0, 0].set_title("5 GeV electrons in PbWO$_4$", loc="left", fontsize=12)
    return figure


def profile(axes: NDArray[np.object_], step: float, ours: Array, theirs: Array) -> None:
    """Draw a profile in bins of some X0, and its ratio below."""
    top, ratio = axes
    assert isinstance(top, Axes)
    assert isinstance(ratio, Axes)
    edges = step * np.arange(len(theirs) + 1)
    middle = (edges[1:] + edges[:-1]) / 2
    value, spread = ours.mean(axis=0), ours.std(axis=0)
    top.stairs(theirs / step, edges, color="0.35", lw=1.6, label="Geant4 11.1–11.4, all data sets")
    error = spread / np.sqrt(len(ours))
    top.errorbar(middle, value / step, error / step, fmt="o", ms=3.5, lw=1, color=COLOUR,
                 label="em-analytic")  # fmt: skip
    # Theirs are the means of 300 showers.
    both = np.sqrt(error**2 + spread**2 / 300) / theirs
    ratio.errorbar(middle, value / theirs, both, fmt="o", ms=3, lw=0.9, color=COLOUR)
    ratio.axhline(1, color="0.35", lw=1, zorder=0)
    ratio.set_ylim(0.75, 1.25)
    ratio.set_ylabel("ratio")


if __name__ == "__main__":
    main()
