"""Train the galaxy recipes, judge them, and write the table of galaxies.md with its figures.

Run ``python docs/make_galaxies.py``, or name recipes: ``dcgan``, ``sagan``, ``stylegan``,
``progressive``. Runs are kept in demo/galaxies, and go on where they ended: delete that folder to
train anew.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from numpy.typing import NDArray

import phys_gan as pg

HERE = Path(__file__).resolve().parent
RUNS = HERE.parent / "demo" / "galaxies"
RECIPES = ("dcgan", "stylegan", "progressive", "sagan")
JUDGED, SEED = 5_000, 12_345
MORPHOLOGY = (
    "sigma_r", "rho4_r", "g1_r", "g2_r", "half_light_radius_r", "petrosian_radius_r",
    "concentration_r", "asymmetry_r", "smoothness_r", "gini_r", "m20_r",
)  # fmt: skip
SHOWN = 11


@dataclass(frozen=True)
class Judged:
    """What a model is worth on galaxies that it has never seen."""

    name: str
    events: int
    w1: float
    floor: float
    ks: float
    ks_floor: float
    steady: str
    images: NDArray[np.float32]


def judge(name: str, unseen: pg.Events) -> Judged:
    """Train a recipe to its end, and compare what it generates with unseen galaxies."""
    run = RUNS / name
    done = (run / "model.safetensors").is_file()
    pg.train(f"galaxies-{name}", None, run, resume=done)
    fast = pg.FastSim.load(run)
    made = fast.generate(dict(unseen.conditions), seed=1)
    observables = pg.compare(unseen, made).metrics["observables"]
    w1 = [observables[o]["w1_scaled"] for o in MORPHOLOGY]
    ks = [metrics["ks"] for metrics in observables.values()]
    ramps = pg.explore(fast, figures=False).numbers["conditions"]
    return Judged(
        name,
        int(fast.model.provenance["events_shown"]),
        float(np.mean([w["value"] for w in w1])),
        float(np.mean([w["floor"] for w in w1])),
        float(np.mean([k["value"] for k in ks])),
        float(np.mean([k["floor"] for k in ks])),
        ", ".join(f"{k} {_steady(ramps[k])}" for k in ("flux", "half_light_radius")),
        made.cells,
    )


def _steady(ramp: dict) -> str:
    return "rises" if all(r["monotonic"] for r in ramp["responses"].values()) else "does not"


def draw(unseen: pg.Events, models: Sequence[Judged]) -> None:
    """Draw unseen galaxies above what models generate under the same conditions."""
    # Faint to bright, so that the eye can follow one condition.
    rows = np.argsort(unseen.conditions["flux"])[:: len(unseen) // SHOWN][:SHOWN]
    shown = {"simulated": unseen.cells, **{model.name: model.images for model in models}}
    figure, axes = plt.subplots(
        len(shown), SHOWN, figsize=(1.05 * SHOWN, 1.12 * len(shown)), layout="constrained"
    )
    for line, (name, cells) in zip(axes, shown.items(), strict=True):
        for ax, row in zip(line, rows, strict=True):
            stamp = cells[row].reshape(unseen.detector.layers[0].shape)
            image = ax.imshow(np.arcsinh(stamp / 0.1), vmin=-1, vmax=4, cmap="gray", origin="lower")
            ax.set(xticks=[], yticks=[])
        line[0].set_ylabel(name, fontsize=9)
    for ax, row in zip(axes[0], rows, strict=True):
        ax.set_title(f"{unseen.conditions['flux'][row]:.0f}", fontsize=9)
    figure.supxlabel(
        "simulated galaxies and generated ones of the same conditions, by flux [count]", fontsize=9
    )
    figure.colorbar(image, ax=axes, shrink=0.6, pad=0.01).set_label("asinh(pixel / 0.1 count)")
    figure.savefig(HERE / "figures" / "galaxies_side_by_side.png", dpi=160)


def table(models: Sequence[Judged]) -> str:
    """Return the table in Markdown."""
    lines = [
        "| recipe | events shown | mean scaled W1, morphology | its floor | mean KS, all "
        "observables | its floor | response to |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| `galaxies-{m.name}` | {m.events:,} | {m.w1:.3f} | {m.floor:.3f} | {m.ks:.3f} "
        f"| {m.ks_floor:.3f} | {m.steady} |"
        for m in models
    ]
    return "\n".join(lines)


def insert(mark: str, text: str) -> None:
    """Put a text between the marks of galaxies.md."""
    page = HERE / "galaxies.md"
    begin, end = f"<!-- {mark} -->", f"<!-- /{mark} -->"
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    page.write_text(pattern.sub(lambda _: f"{begin}\n{text}\n{end}", page.read_text()))


if __name__ == "__main__":
    galaxies = pg.simulate(pg.load_detector("galaxies-32"), JUDGED, seed=SEED)
    judged = [judge(name, galaxies) for name in sys.argv[1:] or RECIPES]
    insert("recipes", table(judged))
    draw(galaxies, judged)
