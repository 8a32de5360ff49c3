"""Draw docs/figures/simulator_vs_geant4.png and write the measured numbers into simulators.md.

Run ``python docs/make_simulator_figures.py DATA``, where DATA is the folder with the Geant4 files
``calogan_eplus.h5``, ``calogan_photon.h5`` and ``calochallenge2_electron.h5``.
"""

from __future__ import annotations

import argparse
import os
import re
import time
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray
from scipy.optimize import minimize

from phys_gan.data import read
from phys_gan.detectors import load_detector
from phys_gan.events import Events
from phys_gan.simulation import simulate

HERE = Path(__file__).resolve().parent
COLOURS = ("#0072B2", "#D55E00", "#009E73")  # Okabe and Ito: also told apart by colour-blind eyes
COLUMNS = (
    ("calogan_eplus.h5", "calogan", "e+", "Pb/LAr (CaloGAN), $e^+$"),
    ("calogan_photon.h5", "calogan", "gamma", r"Pb/LAr (CaloGAN), $\gamma$"),
    ("calochallenge2_electron.h5", "calochallenge-2", "e-", "W/Si (CaloChallenge 2), $e^-$"),
)
ENERGY_BINS = ((1e3, 5e3), (5e3, 2e4), (2e4, 1e5))
BIN_NAMES = ("1–5 GeV", "5–20 GeV", "20–100 GeV")
COPIES = 4
"""Parametric showers per Geant4 shower, each with its energy."""

Pair = tuple[Events, Events]
Array = NDArray[np.float64]


def main() -> None:
    """Read, simulate, draw, measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    data: Path = parser.parse_args().data
    pairs = []
    for file, name, particle, _ in COLUMNS:
        full = read(data / file, detector=name)
        energy = np.tile(full.energy, COPIES)
        fast = simulate(full.detector, len(energy), particle=particle, energy=energy, seed=11)
        pairs.append((full, fast))
    draw(pairs).savefig(HERE / "figures" / "simulator_vs_geant4.png", dpi=160)
    insert(HERE / "simulators.md", "agreement", agreement(pairs))
    insert(HERE / "simulators.md", "throughput", throughput())


# Figure


def draw(pairs: list[Pair]) -> Figure:
    """Draw one column per sample: longitudinal, radial and energy, each with its ratio."""
    plt.rcParams.update(
        {
            "font.family": "sans-serif",
            "font.size": 11,
            "axes.labelsize": 11.5,
            "axes.linewidth": 0.9,
            "xtick.direction": "in",
            "ytick.direction": "in",
            "xtick.top": True,
            "ytick.right": True,
            "xtick.minor.visible": True,
            "ytick.minor.visible": True,
            "legend.frameon": False,
            "legend.fontsize": 9.5,
            "mathtext.fontset": "dejavusans",
        }
    )
    figure = plt.figure(figsize=(14.5, 14.8))
    outer = figure.add_gridspec(
        3, 3, hspace=0.21, wspace=0.25, left=0.065, right=0.985, top=0.932, bottom=0.045
    )
    for column, (pair, (_, name, _, title)) in enumerate(zip(pairs, COLUMNS, strict=True)):
        rows = (
            (layer_fractions, side_profiles, response)
            if name == "calogan"
            else (layer_profiles, ring_profiles, response)
        )
        for row, plot in enumerate(rows):
            inner = outer[row, column].subgridspec(2, 1, height_ratios=(3, 1), hspace=0.06)
            top = figure.add_subplot(inner[0])
            ratio = figure.add_subplot(inner[1], sharex=top)
            top.tick_params(labelbottom=False)
            plot(top, ratio, pair)
            ratio.axhline(1, color="0.4", lw=0.8, zorder=0)
            ratio.set_ylabel("param. /\nGeant4", fontsize=9.5)
            figure.align_ylabels([top, ratio])
            if row == 0:
                top.set_title(title, fontsize=14, pad=10)
    handles = [
        Line2D([], [], color="0.2", marker="o", ls="", ms=5, label="Geant4 11.4"),
        Line2D([], [], color="0.2", lw=1.8, label="phys_gan parametric showers"),
    ]
    figure.legend(handles=handles, loc="upper center", ncols=2, fontsize=13.5)
    return figure


def layer_fractions(top: Axes, ratio: Axes, pair: Pair) -> None:
    """Draw the mean fraction of the energy in the three layers against the incident energy."""
    edges = np.array([1, 3, 6, 10, 15, 20, 30, 40, 50, 60, 70, 80, 90, 100.0])
    for k, colour in enumerate(COLOURS):
        means, errors = [], []
        for events in pair:
            share = events.layer_energies()[:, k] / events.energy
            number = np.digitize(events.energy / 1e3, edges) - 1
            groups = [share[number == b] for b in range(len(edges) - 1)]
            means.append(np.array([group.mean() for group in groups]))
            errors.append(np.array([group.std() / np.sqrt(len(group)) for group in groups]))
        compare(top, ratio, edges, means, errors, colour, f"layer {k}")
    top.set_yscale("log")
    top.set_ylim(2e-4, 8)
    top.set_ylabel(r"$\langle E_{\mathrm{layer}} / E_{\mathrm{inc}} \rangle$")
    top.legend(loc="upper right", ncols=3)
    top.set_xlim(0, 100)
    ratio.set_ylim(0.4, 1.6)
    ratio.set_xlabel("incident energy [GeV]")


def layer_profiles(top: Axes, ratio: Axes, pair: Pair) -> None:
    """Draw the mean energy per layer in three energy bins."""
    edges = np.arange(46.0)
    for (low, high), colour, label in zip(ENERGY_BINS, COLOURS, BIN_NAMES, strict=True):
        fractions = []
        for events in pair:
            chosen = events[(events.energy >= low) & (events.energy < high)]
            fractions.append(100 * chosen.layer_energies() / chosen.energy[:, None])
        compare(top, ratio, edges, *moments(fractions), colour, label)
    top.set_ylabel(r"$\langle E_{\mathrm{layer}} / E_{\mathrm{inc}} \rangle$ [%]")
    top.set_ylim(0, 14)
    top.legend(loc="upper right")
    top.set_xlim(0, 45)
    ratio.set_ylim(0.4, 1.6)
    ratio.set_xlabel("layer")


def side_profiles(top: Axes, ratio: Axes, pair: Pair) -> None:
    """Draw the energy against the distance from the axis: layer 0 along y, layer 1 along x."""
    for layer, axis, step, colour in ((0, 1, 10.0, COLOURS[0]), (1, 0, 40.0, COLOURS[1])):
        edges = np.arange(0, 241, step)
        densities = []
        for events in pair:
            part = events.detector.slice(layer)
            distance = np.abs(events.detector.positions[part, axis])
            number = np.digitize(distance, edges) - 1
            cells = events.cells[:, part].astype(float)
            sums = np.stack([cells[:, number == b].sum(axis=1) for b in range(len(edges) - 1)])
            densities.append((sums / events.energy / step).T)
        name = "xy"[axis]
        compare(top, ratio, edges, *moments(densities), colour, f"layer {layer}, along {name}")
    top.set_yscale("log")
    top.set_ylim(2e-7, 0.5)
    top.set_ylabel(r"$(1/E_{\mathrm{inc}})\; dE/d|s|$  [mm$^{-1}$]")
    top.legend(loc="upper right")
    top.set_xlim(0, 240)
    ratio.set_ylim(0.3, 1.9)
    ratio.set_xlabel("distance $|s|$ from the axis [mm]")


def ring_profiles(top: Axes, ratio: Axes, pair: Pair) -> None:
    """Draw the energy density against the radius in three ranges of depth."""
    edges = np.linspace(0, 41.85, 10)
    area = np.pi * np.diff(edges**2)
    ranges = ((0, 6), (6, 15), (15, 45))
    for (first, last), colour in zip(ranges, COLOURS, strict=True):
        densities = []
        for events in pair:
            cells = events.cells.reshape(len(events), 45, 16, 9)[:, first:last]
            rings = cells.sum(axis=(1, 2), dtype=float)
            densities.append(rings / events.energy[:, None] / area)
        label = f"layers {first}–{last - 1}"
        compare(top, ratio, edges, *moments(densities), colour, label)
    top.set_yscale("log")
    top.set_ylabel(r"$(1/E_{\mathrm{inc}})\; dE/dA$  [mm$^{-2}$]")
    top.set_ylim(2e-8, 6e-2)
    top.legend(loc="upper right")
    top.set_xlim(0, 41.85)
    ratio.set_ylim(0.4, 1.6)
    ratio.set_xlabel("radius [mm]")


def response(top: Axes, ratio: Axes, pair: Pair) -> None:
    """Draw the distribution of E_tot / E_inc."""
    ratios = [events.total_energy() / events.energy for events in pair]
    if pair[0].detector.name == "calogan":
        edges, groups = np.linspace(0.990, 1.0, 26), [(0.0, np.inf, "0.2", "1–100 GeV")]
    else:
        edges = np.linspace(0.8, 1.32, 40)
        groups = [
            (*bin_, colour, name)
            for bin_, colour, name in zip(ENERGY_BINS, COLOURS, BIN_NAMES, strict=True)
        ]
    for low, high, colour, label in groups:
        means, errors = [], []
        for events, values in zip(pair, ratios, strict=True):
            chosen = values[(events.energy >= low) & (events.energy < high)]
            counts = np.histogram(chosen, edges)[0]
            scale = 1 / len(chosen) / np.diff(edges)
            means.append(counts * scale)
            errors.append(np.sqrt(counts) * scale)
        compare(top, ratio, edges, means, errors, colour, label)
    top.set_ylim(0, 1.28 * top.get_ylim()[1])
    top.set_ylabel("probability density")
    top.legend(loc="upper left")
    top.set_xlim(edges[0], edges[-1])
    ratio.set_ylim(0, 2.4)
    ratio.set_xlabel(r"$E_{\mathrm{tot}} / E_{\mathrm{inc}}$")


def moments(samples: list[Array]) -> tuple[list[Array], list[Array]]:
    """Return mean and standard error over the events, for each sample."""
    means = [sample.mean(axis=0) for sample in samples]
    return means, [sample.std(axis=0) / np.sqrt(len(sample)) for sample in samples]


def compare(
    top: Axes,
    ratio: Axes,
    edges: Array,
    means: list[Array],
    errors: list[Array],
    colour: str,
    label: str,
) -> None:
    """Draw Geant4 as points, the parametric showers as steps, and their ratio."""
    centres = (edges[:-1] + edges[1:]) / 2
    full, fast = means
    top.errorbar(centres, full, errors[0], fmt="o", ms=3.6, color=colour, lw=1, label=label)
    top.stairs(fast, edges, baseline=None, color=colour, lw=1.7)
    seen = (full > 0) & (fast > 0)
    # A ratio of two numbers that are hardly known says nothing.
    relative = np.hypot(errors[0][seen] / full[seen], errors[1][seen] / fast[seen])
    known = relative < 0.4
    ratio.errorbar(
        centres[seen][known],
        (fast[seen] / full[seen])[known],
        (fast[seen] / full[seen] * relative)[known],
        fmt="o",
        ms=2.8,
        lw=0.9,
        color=colour,
    )


# Numbers


def agreement(pairs: list[Pair]) -> str:
    """Return the measured agreement as a Markdown table."""
    lines = ["| quantity | Geant4 | parametric |", "|---|---|---|"]
    for pair, (_, name, _, title) in zip(pairs, COLUMNS, strict=True):
        label = re.sub(r"\$|\^|\\", "", title).replace("gamma", "γ")
        for (low, high), energies in zip(ENERGY_BINS, BIN_NAMES, strict=True):
            parts = [e[(e.energy >= low) & (e.energy < high)] for e in pair]
            for quantity, values in observables(name, parts).items():
                cells = " | ".join(values)
                lines.append(f"| {label}, {energies}: {quantity} | {cells} |")
        if name != "calogan":
            lines.append(
                f"| {label}: a in σ/E = a/√(E/GeV) ⊕ b | "
                + " | ".join(stochastic_term(events) for events in pair)
                + " |"
            )
    return "\n".join(lines)


def observables(name: str, parts: list[Events]) -> dict[str, list[str]]:
    """Return the rows of the table for one energy bin."""
    rows: dict[str, list[str]] = {}
    ratios = [e.total_energy() / e.energy for e in parts]
    hits = [(e.cells > e.detector.threshold).sum(axis=1).astype(float) for e in parts]
    digits = 5 if name == "calogan" else 4
    rows["mean E_tot/E_inc"] = [mean(r, digits) for r in ratios]
    if name == "calogan":
        fractions = [e.layer_energies() / e.energy[:, None] for e in parts]
        rows["mean fraction in layer 0"] = [mean(s[:, 0], 4) for s in fractions]
        rows["std of the fraction in layer 0"] = [spread(s[:, 0], 4) for s in fractions]
        rows["mean fraction in layer 2"] = [mean(s[:, 2], 5) for s in fractions]
        centres = []
        for e in parts:
            part = e.detector.slice(1)
            cells = e.cells[:, part].astype(float)
            centres.append(cells @ e.detector.positions[part, 0] / cells.sum(axis=1))
        rows["std of the centre in layer 1 [mm]"] = [spread(c, 2) for c in centres]
    else:
        depths = [e.layer_energies() @ e.detector.depths / e.total_energy() for e in parts]
        rows["mean depth [mm]"] = [mean(d, 2) for d in depths]
        rows["std of the depth [mm]"] = [spread(d, 2) for d in depths]
        radii = []
        for e in parts:
            rings = e.cells.reshape(len(e), -1, 9).sum(axis=1, dtype=float)
            radii.append(rings @ (4.65 * (np.arange(9) + 0.5)) / rings.sum(axis=1))
        rows["mean radius [mm]"] = [mean(r, 2) for r in radii]
    rows["cells hit"] = [mean(h, 1) for h in hits]
    return rows


def mean(values: Array, digits: int) -> str:
    """Return mean and standard error as text."""
    return f"{values.mean():.{digits}f} ± {values.std() / np.sqrt(len(values)):.{digits}f}"


def spread(values: Array, digits: int) -> str:
    """Return standard deviation and its error (from the fourth moment) as text."""
    variance = values.var()
    fourth = ((values - values.mean()) ** 4).mean()
    error = np.sqrt((fourth - variance**2) / len(values)) / (2 * np.sqrt(variance))
    return f"{np.sqrt(variance):.{digits}f} ± {error:.{digits}f}"


def stochastic_term(events: Events) -> str:
    """Return a of an unbinned likelihood fit of mean, a and b, with its bootstrap error."""
    rng = np.random.default_rng(0)
    energy, ratio = events.energy / 1e3, events.total_energy() / events.energy

    def fit(chosen: NDArray[np.int64]) -> float:
        e, r = energy[chosen], ratio[chosen]

        def loss(x: Array) -> float:
            variance = (x[0] ** 2 / e + x[1] ** 2) * x[2] ** 2
            return float(np.sum((r - x[2]) ** 2 / variance + np.log(variance)))

        best = minimize(loss, [0.15, 0.002, r.mean()], method="Nelder-Mead")
        return abs(float(best.x[0]))

    n = len(energy)
    again = [fit(rng.integers(0, n, n)) for _ in range(20)]
    return f"{fit(np.arange(n)):.4f} ± {np.std(again):.4f}"


def throughput() -> str:
    """Return the measured speed as a Markdown table."""
    lines = ["| detector, e+ | energies | 1 thread | 2 threads |", "|---|---|---|---|"]
    for name, spectrum, n in (
        ("calogan", "uniform", 4000),
        ("calochallenge-2", "log-uniform", 2000),
        ("calochallenge-3", "log-uniform", 1000),
    ):
        detector = load_detector(name)
        speeds = []
        for threads in (1, 2):
            best = 0.0
            for _ in range(3):
                start = time.perf_counter()
                simulate(detector, n, spectrum=spectrum, threads=threads)
                best = max(best, n / (time.perf_counter() - start))
            speeds.append(f"{best:.0f} /s")
        lines.append(f"| {name} | {spectrum} 1–100 GeV | {speeds[0]} | {speeds[1]} |")
    lines.append(
        f"\nBest of three runs of each on {os.cpu_count()} cores that other work shared: the load "
        f"average was {os.getloadavg()[0]:.1f}, so the second thread found no free core."
        if os.getloadavg()[0] > 2
        else f"\nBest of three runs of each on {os.cpu_count()} cores."
    )
    return "\n".join(lines)


def insert(path: Path, name: str, text: str) -> None:
    """Replace what stands between the marks ``<!-- name -->`` and ``<!-- /name -->``."""
    page = path.read_text("utf-8")
    marks = rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)"
    page, found = re.subn(marks, lambda m: f"{m[1]}\n{text}\n\n{m[2]}", page, flags=re.DOTALL)
    if not found:
        raise SystemExit(f"{path} has no place '<!-- {name} -->'")
    path.write_text(page, "utf-8")


if __name__ == "__main__":
    main()
