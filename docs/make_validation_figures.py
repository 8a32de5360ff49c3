"""Draw the figures of validation.md, and write the measured rates into it.

Run ``python docs/make_validation_figures.py calibration`` for validation_calibration.png, some
minutes on two cores, and ``... power`` for validation_power.png: how often each test of whole
events sees a distortion of some size, and how often it alarms without any. Samples are parametric
showers.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray
from scipy import stats

from phys_gan.detectors import load_detector
from phys_gan.events import Events
from phys_gan.metrics.result import p_value_of
from phys_gan.simulation import simulate
from phys_gan.validation import Comparison, Options, compare

HERE = Path(__file__).resolve().parent
COLOURS = ("#0072B2", "#D55E00", "#009E73")
TRIALS, JOINT_TRIALS, EVENTS = 200, 60, 1000
POWER_TRIALS, SIZES = 15, (500, 1500, 4000)
SHIFTS = (0.0, 0.00003, 0.00006, 0.0001, 0.00015, 0.0003)
SMEARS = (0.0, 0.0002, 0.0003, 0.0004, 0.0006, 0.001)
NOMINAL = (0.01, 0.05, 0.1, 0.2, 0.5)
ONE_DIMENSIONAL = Options(slices=(), multivariate=False)


def main() -> None:
    """Draw what is asked for; everything by default."""
    wanted = sys.argv[1:] or ["calibration", "power"]
    if "calibration" in wanted:
        draw_calibration()
    if "power" in wanted:
        draw_power()


def draw_calibration() -> None:
    """Run the trials of equal and of spoiled samples, draw the figure, write the numbers."""
    trials = [_summary(_trial(2 * k, 2 * k + 1, k < JOINT_TRIALS)) for k in range(TRIALS)]
    powers = {
        label: {size: [_power(size, spoil, strength) for strength in strengths] for size in SIZES}
        for label, (spoil, strengths) in SPOILS.items()
    }
    figure, axes = plt.subplots(1, 3, figsize=(13.5, 4.3), layout="constrained")
    _draw_calibration(axes[0], trials)
    for ax, (label, (_, strengths)) in zip(axes[1:], SPOILS.items(), strict=True):
        _draw_power(ax, label, strengths, powers[label])
    figure.savefig(HERE / "figures" / "validation_calibration.png", dpi=160)
    _insert("calibration", _table(trials))


@dataclass(frozen=True)
class Trial:
    """What one comparison of equal samples gave."""

    p_value: float
    fired: bool
    metrics: list[float]
    joint: dict[str, bool]
    findings: int


def shifted(events: Events, strength: float) -> Events:
    """Scale all energies."""
    return _with_cells(events, events.cells * (1 + strength))


def smeared(events: Events, strength: float) -> Events:
    """Scale the energies of each event by a random factor."""
    factors = np.random.default_rng(len(events)).normal(1, strength, (len(events), 1))
    return _with_cells(events, events.cells * factors)


SPOILS: dict[str, tuple[Callable[[Events, float], Events], Sequence[float]]] = {
    "shift of the mean response [%]": (shifted, SHIFTS),
    "additional smearing of the response [%]": (smeared, SMEARS),
}


@cache
def _showers(n: int, seed: int) -> Events:
    return simulate(load_detector("calogan"), n, particle="e+", energy=(1e3, 1e5), seed=seed)


def _with_cells(events: Events, cells: NDArray[np.float32]) -> Events:
    return Events(cells, dict(events.conditions), events.detector)


def _trial(first: int, second: int, joint: bool) -> Comparison:
    options = Options(slices=(), seed=first, multivariate=joint)
    return compare(_showers(EVENTS, first), _showers(EVENTS, second), options=options)


def _summary(comparison: Comparison) -> Trial:
    return Trial(
        comparison.whole.p_value,
        bool(comparison.outside),
        [r.p_value or 0.0 for found in comparison.results.values() for r in found.values()],
        {name: r.within_floor for name, r in comparison.multivariate.items()},
        len(comparison.findings),
    )


def _power(size: int, spoil: Callable[[Events, float], Events], strength: float) -> float:
    fired = 0
    for k in range(POWER_TRIALS):
        seed = 10_000 + 2 * k
        candidate = spoil(_showers(size, seed + 1), strength)
        fired += bool(compare(_showers(size, seed), candidate, options=ONE_DIMENSIONAL).outside)
    return fired / POWER_TRIALS


def _draw_calibration(ax: Axes, trials: Sequence[Trial]) -> None:
    whole = np.sort([trial.p_value for trial in trials])
    single = np.sort(np.concatenate([trial.metrics for trial in trials]))
    expected = (np.arange(len(whole)) + 0.5) / len(whole)
    low, high = (stats.beta.ppf(q, np.arange(1, len(whole) + 1), np.arange(len(whole), 0, -1))
                 for q in (0.025, 0.975))  # fmt: skip
    ax.fill_between(expected, low, high, color="#c9ccd1", lw=0, label="95 % of uniform samples")
    ax.plot([1e-3, 1], [1e-3, 1], color="#333333", lw=0.8)
    grid = np.geomspace(1e-4, 1, 200)
    ax.plot(grid, np.searchsorted(single, grid) / len(single), color=COLOURS[0], lw=1.5,
            label="each metric by itself")  # fmt: skip
    ax.plot(whole, expected, "o", ms=3.5, color=COLOURS[1], label="whole comparison")
    ax.set(xscale="log", yscale="log", xlim=(2e-3, 1), ylim=(2e-3, 1.2))
    ax.set_xlabel("p-value")
    ax.set_ylabel("fraction of equal samples below")
    ax.set_title(f"{len(trials)} comparisons of equal samples", fontsize=11)
    ax.legend(frameon=False, loc="upper left", fontsize=9.5)


def _draw_power(
    ax: Axes, label: str, strengths: Sequence[float], powers: dict[int, list[float]]
) -> None:
    for (size, power), colour, marker in zip(powers.items(), COLOURS, "so^", strict=True):
        values = np.array(power)
        error = np.sqrt(np.maximum(values * (1 - values), 0.02) / POWER_TRIALS)
        ax.errorbar(100 * np.array(strengths), values, error, marker=marker, ms=5, lw=1.5,
                    color=colour, label=f"{size:,} events each".replace(",", " "))  # fmt: skip
    ax.axhline(0.01, color="#333333", ls=":", lw=1)
    ax.set(xlabel=label, ylabel="fraction outside the floor", ylim=(-0.04, 1.06))
    ax.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncol=3, fontsize=9.5,
              columnspacing=1.0, handlelength=1.4)  # fmt: skip


RATE, OF_EACH, POOL = 0.05, 1000, 10_000
EQUAL_TRIALS, DISTORTED_TRIALS = 32, 8
TESTS_SHOWN = {
    "KS, worst observable": ("#333333", "o"),
    "FPD": ("#0072B2", "s"),
    "sliced KS": ("#009E73", "^"),
    "NPLM": ("#D55E00", "D"),
    "MLP, high": ("#CC79A7", "v"),
    "trees": ("#E69F00", "P"),
}


def smeared_layers(events: Events, strength: float) -> Events:
    """Scale the energy of each layer by its own random factor, and keep the total."""
    draws = np.random.default_rng(len(events))
    cells = events.cells.astype(np.float64)
    total = cells.sum(axis=1, keepdims=True)
    for k in range(events.detector.n_layers):
        cells[:, events.detector.slice(k)] *= np.exp(draws.normal(0, strength, (len(events), 1)))
    return _with_cells(events, (cells * (total / cells.sum(axis=1, keepdims=True))).astype("f4"))


def exchanged_layers(events: Events, share: float) -> Events:
    """Exchange the first layer among a share of the events, with those of like energy."""
    draws = np.random.default_rng(len(events))
    chosen = draws.permutation(len(events))[: round(share * len(events))]
    chosen = chosen[np.argsort(events.energy[chosen])]
    cells, layer = events.cells.copy(), events.detector.slice(0)
    # Each gets the layer of the next in energy, scaled to its own: fractions alone are exchanged.
    giver = np.roll(chosen, 1)
    scale = (events.energy[chosen] / events.energy[giver])[:, None]
    cells[chosen, layer] = events.cells[giver, layer] * scale
    return _with_cells(events, cells)


DISTORTIONS: dict[str, tuple[Callable[[Events, float], Events], Sequence[float]]] = {
    "shift of the response [%]": (shifted, (0.00005, 0.0001, 0.0002, 0.0005)),
    "smearing of the layer energies [%]": (smeared_layers, (0.03, 0.06, 0.12, 0.24)),
    "events with an exchanged first layer [%]": (exchanged_layers, (0.05, 0.1, 0.2, 0.5)),
}


def draw_power() -> None:
    """Measure false alarms and power of each test, draw the figure, write the rates."""
    equal = [_p_values(trial, lambda events, _: events, 0.0) for trial in range(EQUAL_TRIALS)]
    found = {
        label: [
            [_p_values(1000 + trial, spoil, strength) for trial in range(DISTORTED_TRIALS)]
            for strength in strengths
        ]
        for label, (spoil, strengths) in DISTORTIONS.items()
    }
    write_power(equal, found)


def write_power(
    equal: Sequence[dict[str, float]], found: dict[str, list[list[dict[str, float]]]]
) -> None:
    """Draw the power against the size of each distortion, and write the rates of false alarms.

    Arguments:
        equal: The p-value of every test in each comparison of equal samples.
        found: The same for each distortion, strength and comparison.
    """
    names = [name for name in TESTS_SHOWN if name in equal[0]]
    figure, axes = plt.subplots(1, 3, figsize=(13.5, 4.5), layout="constrained", sharey=True)
    for ax, (label, by_strength) in zip(axes, found.items(), strict=True):
        strengths = 100 * np.array(DISTORTIONS[label][1])
        for number, name in enumerate(names):
            colour, marker = TESTS_SHOWN[name]
            power = np.array([np.mean([p[name] < RATE for p in trials]) for trials in by_strength])
            error = np.sqrt(np.maximum(power * (1 - power), 0.04) / len(by_strength[0]))
            # Side by side, as many of them are 0 or 1.
            places = strengths * 1.035 ** (number - (len(names) - 1) / 2)
            ax.errorbar(places, power, error, marker=marker, ms=6, lw=1.6, elinewidth=0.8,
                        color=colour, label=name)  # fmt: skip
        ax.axhline(RATE, color="#333333", ls=":", lw=1)
        ax.set(xscale="log", xlabel=label, ylim=(-0.1, 1.1))
        ax.set_xticks(strengths, [f"{strength:g}" for strength in strengths])
        ax.minorticks_off()
    axes[0].set_ylabel(f"fraction seen at p < {100 * RATE:g} %")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncol=len(names),
                  frameon=False)  # fmt: skip
    figure.savefig(HERE / "figures" / "validation_power.png", dpi=160)
    expected = len(equal) * RATE
    text = (
        "![Power of tests of whole events](figures/validation_power.png)\n\n"
        f"{OF_EACH:,} events of each sample, {len(next(iter(found.values()))[0])} comparisons at "
        f"each point. Of {len(equal)} comparisons of equal samples a p-value below "
        f"{100 * RATE:g} % had "
        + ", ".join(f"{name} {sum(p[name] < RATE for p in equal)}" for name in names)
        + f" (nominal {expected:.1f} ± {(expected * (1 - RATE)) ** 0.5:.1f}). p-values of metrics "
        "without a null of their own are those of normal distributions around their floors."
    )
    _insert("power", text)


@cache
def _pool() -> Events:
    return _showers(POOL, 77)


def _p_values(
    trial: int, spoil: Callable[[Events, float], Events], strength: float
) -> dict[str, float]:
    """Return the p-value of every test between two random parts of the pool, one distorted."""
    order = np.random.default_rng(trial).permutation(POOL)
    reference, candidate = (_pool()[order[k * OF_EACH : (k + 1) * OF_EACH]] for k in (0, 1))
    options = Options(slices=(), seed=trial, classifiers=("high",))
    found = compare(reference, spoil(candidate, strength), options=options)
    smallest = min(r["ks"].p_value or 0.0 for r in found.results.values() if "ks" in r)
    joint = {name: p_value_of(result) for name, result in found.multivariate.items()}
    shown = {
        "FPD": "fpd",
        "sliced KS": "sliced_ks",
        "NPLM": "nplm",
        "MLP, high": "auc_high",
        "trees": "auc_trees",
    }
    return {
        "KS, worst observable": -np.expm1(found.whole.n_comparisons * np.log1p(-smallest)),
        **{label: joint[name] for label, name in shown.items() if name in joint},
    }


def _table(trials: Sequence[Trial]) -> str:
    whole = np.array([trial.p_value for trial in trials])
    single = np.concatenate([trial.metrics for trial in trials])
    joint = [trial for trial in trials if trial.joint]
    lines = [
        "| nominal rate | whole comparison | each of the metrics by itself |",
        "|---|---|---|",
        *(
            f"| {100 * rate:g} % | {100 * np.mean(whole < rate):.1f} ± "
            f"{100 * (rate * (1 - rate) / len(whole)) ** 0.5:.1f} % | "
            f"{100 * np.mean(single < rate):.1f} % |"
            for rate in NOMINAL
        ),
        "",
        f"{sum(t.fired for t in trials)} of {len(trials)} comparisons had an observable outside "
        f"the floor (nominal {0.01 * len(trials):.0f}); a known failure was named in "
        f"{sum(t.findings > 0 for t in trials)}. Multivariate metrics were outside in "
        + ", ".join(f"{name} {sum(not t.joint[name] for t in joint)}" for name in joint[0].joint)
        + f" of {len(joint)} comparisons.",
    ]
    return "\n".join(lines)


def _insert(name: str, text: str) -> None:
    page = HERE / "validation.md"
    pattern = rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)"
    content = page.read_text("utf-8")
    if not re.search(pattern, content, re.DOTALL):
        raise SystemExit(f"validation.md has no place for '{name}'")
    page.write_text(re.sub(pattern, rf"\g<1>{text}\n\g<2>", content, flags=re.DOTALL), "utf-8")


if __name__ == "__main__":
    main()
