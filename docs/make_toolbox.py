"""Measure the toolbox and write the tables of toolbox.md and docs/figures/toolbox_*.png.

Run ``python docs/make_toolbox.py`` for everything (about an hour on two cores), or name parts:
``grid``, ``pairs``, ``closed``, ``showers``, ``cycle``. Trainings run side by side, with one thread
each. What a training on a toy gave is kept in demo/toolbox and taken from there the next time:
delete that folder to measure anew.
"""

from __future__ import annotations

import os

# Before torch counts the cores: every training has one thread, and they share the cores.
os.environ["OMP_NUM_THREADS"] = "1"

import hashlib
import multiprocessing
import re
import sys
import tempfile
import textwrap
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray

import phys_gan as pg
from phys_gan.encodings import StandardEncoding
from phys_gan.errors import ConfigError, RangeError
from phys_gan.losses import LOSSES
from phys_gan.networks import MlpConfig, Sizes, build_discriminator
from phys_gan.toys import (
    TOYS,
    Mixture,
    ModeCount,
    count_modes,
    optimal_discriminator,
    optimal_value,
)
from phys_gan.training.methods import AdversarialConfig, Setup
from phys_gan.training.methods.adversarial import Critic
from phys_gan.training.schedule import TrainingConfig

HERE = Path(__file__).resolve().parent
SEEDS = (0, 1, 2)
COUNTED = 2_500
"""Points in which modes are counted, as in PacGAN."""
STEP_EVENTS, STEPS = 512, 4000


KEPT = HERE.parent / "demo" / "toolbox"


@dataclass(frozen=True)
class Trained:
    """What a training on a toy gave; no points when it diverged."""

    toy: str
    points: NDArray[np.float32]

    @property
    def count(self) -> ModeCount | None:
        """The modes of its points."""
        return count_modes(self.points, TOYS[self.toy]) if len(self.points) else None


def train_toy(toy: str, overrides: Sequence[str]) -> Trained:
    """Train and generate."""
    KEPT.mkdir(parents=True, exist_ok=True)
    kept = KEPT / f"{hashlib.sha256(repr([toy, *overrides]).encode()).hexdigest()[:16]}.npy"
    if not kept.exists():
        with tempfile.TemporaryDirectory() as directory:
            try:
                points = pg.train(toy, None, directory, overrides=overrides).generate(
                    COUNTED, seed=1
                )
                np.save(kept, points.cells)
            except RangeError:
                np.save(kept, np.empty((0, 2), np.float32))
    return Trained(toy, np.load(kept))


def side_by_side(
    jobs: Mapping[tuple[str, int], tuple[str, Sequence[str]]],
) -> dict[tuple[str, int], Trained]:
    """Run trainings by name and seed on all cores."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(os.cpu_count(), context) as pool:
        running = {key: pool.submit(train_toy, *job) for key, job in jobs.items()}
        return {key: done.result() for key, done in running.items()}


# 25 Gaussians

# One report, at the end: the last generator is measured, not the one that a metric chose.
SCHEDULE = ["training.events=1_536_000", "training.report_every=1_536_000"]
BEST = [
    "training.events=6_144_000",
    "training.batch_size=512",
    "training.report_every=6_144_000",
    "network.latent=16",
    "network.components=100",
    "method.kind=moment-matching",
    "method.bandwidths=[0.01, 0.03, 0.1, 0.5]",
    "training.lr_g=5e-3",
    "training.beta1=0.9",
]
GRID: dict[str, list[str]] = {
    "plain non-saturating": SCHEDULE,
    "PacGAN, m = 2": [*SCHEDULE, "method.techniques.packing.m=2"],
    "PacGAN, m = 4": [*SCHEDULE, "method.techniques.packing.m=4"],
    "unrolled, k = 5": [
        *SCHEDULE,
        "method.techniques.unrolling.steps=5",
        "training.lr_g=5e-4",
        "training.lr_d=2e-4",
    ],
    "WGAN-GP": [
        *SCHEDULE,
        "method.loss=wasserstein",
        "method.penalties.gradient.weight=0.1",
        "method.discriminator_steps=5",
        "training.beta1=0.0",
    ],
    "spectral normalisation": [
        *SCHEDULE,
        "method.loss=hinge",
        "method.techniques.spectral.lipschitz=10",
        "training.beta1=0.0",
        "training.lr_d=4e-3",
        "training.lr_g=5e-4",
    ],
    "minibatch discrimination": [
        *SCHEDULE,
        "method.techniques.minibatch.features=16",
        "training.batch_size=128",
        "training.lr_g=5e-4",
        "training.lr_d=5e-4",
    ],
    "moment matching": [
        *SCHEDULE,
        "method.kind=moment-matching",
        "method.bandwidths=[0.02, 0.1, 0.5]",
        "training.lr_g=5e-3",
        "training.lr_d=5e-3",
        "training.beta1=0.9",
    ],
    "moment matching, mixture of latents, 4 times as long": BEST,
}


def grid() -> None:
    """Modes of the 25 Gaussians by technique."""
    jobs = {
        (name, seed): ("toy-grid", [*overrides, f"training.seed={seed}"])
        for name, overrides in GRID.items()
        for seed in SEEDS
    }
    found = side_by_side(jobs)
    rows = []
    for name in GRID:
        counts = [found[name, seed].count for seed in SEEDS]
        rows.append([
            name,
            _listed(counts, lambda c: str(c.modes_hit)),
            _listed(counts, lambda c: f"{100 * c.high_quality:.1f}"),
            _listed(counts, lambda c: f"{c.reverse_kl:.3f}"),
        ])  # fmt: skip
    header = ["configuration", "modes hit of 25", "high quality [%]", "reverse KL"]
    insert("grid", table(header, rows))
    draw_grid({name: found[name, 0].points for name in GRID})


def _listed(counts: Sequence[ModeCount | None], show: Callable[[ModeCount], str]) -> str:
    return ", ".join("diverged" if count is None else show(count) for count in counts)


def draw_grid(points: Mapping[str, NDArray[np.float32]]) -> None:
    """Draw what each configuration generates."""
    truth = TOYS["toy-grid"]
    shown = {"truth": truth.sample(COUNTED, 0), **points}
    columns = 4
    rows = -(-len(shown) // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(2.9 * columns, 3.0 * rows), layout="constrained"
    )
    for ax in axes.flat[len(shown) :]:
        ax.set_axis_off()
    for ax, (name, cloud) in zip(axes.flat, shown.items(), strict=False):
        ax.plot(*truth.centres.T, "o", ms=11, mfc="none", mec="0.8", mew=0.8)
        ax.plot(*cloud.T, ".", ms=1.6, color="0.25" if name == "truth" else "#0072B2")
        ax.set(
            title=textwrap.fill(name, 32),
            xlim=(-5.2, 5.2),
            ylim=(-5.2, 5.2),
            aspect="equal",
            xlabel="x",
            ylabel="y",
        )
        ax.title.set_fontsize(9)
        ax.label_outer()
    figure.savefig(HERE / "figures" / "toolbox_grid.png", dpi=150)


# Losses and penalties

PENALTIES: dict[str, list[str]] = {
    "none": [],
    "R1": ["method.penalties.r1.weight=0.1", "method.penalties.r1.every=4"],
    "R2": ["method.penalties.r2.weight=0.1", "method.penalties.r2.every=4"],
    "WGAN-GP": ["method.penalties.gradient.weight=1"],
    "DRAGAN": ["method.penalties.dragan.weight=1"],
    "spectral": ["method.techniques.spectral.discriminator=true"],
    "clipping": ["method.penalties.clipping.limit=0.1"],
}
SHORT = ["training.events=192_000", "training.report_every=64_000"]


def pairs() -> None:
    """Every loss with every penalty on the ring."""
    jobs, refused = {}, set()
    for loss in LOSSES:
        for penalty, overrides in PENALTIES.items():
            chosen = [*SHORT, f"method.loss={loss}", *overrides]
            try:
                pg.load_recipe("toy-ring", chosen)
            except ConfigError:
                refused.add((loss, penalty))
                continue
            for seed in SEEDS:
                jobs[f"{loss} {penalty}", seed] = ("toy-ring", [*chosen, f"training.seed={seed}"])
    found = side_by_side(jobs)
    rows = [
        [loss, *("refused" if (loss, penalty) in refused else
                 _pair([found[f"{loss} {penalty}", seed].count for seed in SEEDS])
                 for penalty in PENALTIES)]
        for loss in LOSSES
    ]  # fmt: skip
    insert("pairs", table(["loss", *PENALTIES], rows))


def _pair(counts: Sequence[ModeCount | None]) -> str:
    if any(count is None for count in counts):
        return "diverged"
    modes = "/".join(str(count.modes_hit) for count in counts if count)
    return f"{modes}, {100 * np.mean([c.high_quality for c in counts if c]):.0f} %"


# The game that ends where theory says

GAUSSIANS = {
    "shifted": (Mixture([[0.0]], 1.0), Mixture([[1.0]], 1.0)),
    "wider": (Mixture([[0.0]], 1.0), Mixture([[0.0]], 2.0)),
    "both": (Mixture([[0.0]], 1.0), Mixture([[1.5]], 0.7)),
    "equal": (Mixture([[0.0]], 1.0), Mixture([[0.0]], 1.0)),
}


def closed() -> None:
    """Discriminators of two fixed Gaussians against p / (p + q) and 2 JS - 2 ln 2."""
    rows = []
    for name, (p, q) in GAUSSIANS.items():
        found = [trained_discriminator(p, q, seed) for seed in SEEDS]
        worst = ", ".join(f"{100 * error:.1f} %" for error, _ in found)
        values = ", ".join(f"{value:.4f}" for _, value in found)
        rows.append([name, worst, values, f"{optimal_value(p, q):.4f}"])
    header = ["q against p = N(0, 1)", "largest abs(D - p/(p+q))", "V", "2 JS - 2 ln 2"]
    insert("closed", table(header, rows))


def trained_discriminator(p: Mixture, q: Mixture, seed: int) -> tuple[float, float]:
    """Return the largest error of D where p + q is above 1 % of its maximum, and V."""
    torch.manual_seed(seed)
    schedule = TrainingConfig(lr_d=2e-3, beta1=0.5, beta2=0.999)
    encoding = StandardEncoding(pg.load_detector("toy-gaussian"))
    fabric, noise = Fabric(accelerator="cpu"), torch.Generator().manual_seed(seed)
    nothing = torch.zeros(STEP_EVENTS, 0)
    setup = Setup(MlpConfig(), schedule, encoding, fabric, noise, nothing, nothing)
    config = AdversarialConfig(conditioning=())
    network = build_discriminator(
        MlpConfig(d_width=64), encoding.detector, Sizes.of(encoding), config.head()
    )
    critic = Critic(network, config, setup)
    real, fake = (torch.from_numpy(m.sample(400 * STEP_EVENTS, seed + 1)).float() for m in (p, q))
    for step in range(STEPS):
        rows = torch.randint(len(real), (2, STEP_EVENTS), generator=noise)
        rate = schedule.rate(step / STEPS)
        critic.update(real[rows[0]], fake[rows[1]], nothing, step=step, rate=rate, shown=0)
    points = np.linspace(-8, 8, 4001)[:, None]
    with torch.no_grad():
        logits = network.logits(torch.from_numpy(points).float(), torch.zeros(len(points), 0))
    densities = [np.exp(m.log_density(points)) for m in (p, q)]
    seen = sum(densities) > 0.01 * sum(densities).max()
    errors = np.abs(torch.sigmoid(logits).numpy() - optimal_discriminator(p, q, points))
    logs = [-np.logaddexp(0, sign * logits.double().numpy()) for sign in (-1, 1)]
    step_size = points[1, 0] - points[0, 0]
    value = sum(float(np.sum(d * log)) for d, log in zip(densities, logs, strict=True)) * step_size
    return float(errors[seen].max()), value


# Showers

SAMPLE = HERE.parent / "datasets" / "geant4_calogan_eplus.h5"
MINUTES = 1.5
BASELINES = {
    "GAN": "showers",
    "stacked GAN": "stacked-showers",
    "VAE": "vae-showers",
    "MMD": "mmd-showers",
}


def showers() -> None:
    """GAN, VAE and MMD on the same showers for the same time, in one report."""
    geant4 = pg.read(SAMPLE)
    _, judge_by = pg.split(geant4, [0.8, 0.2], 0)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(os.cpu_count(), context) as pool:
        made = dict(zip(BASELINES, pool.map(train_showers, BASELINES.values()), strict=True))
    candidates = {name: pg.Events(cells, {"energy": energy}, geant4.detector)
                  for name, (cells, energy, _) in made.items()}  # fmt: skip
    found = pg.compare_all(judge_by, candidates)
    found.save(HERE.parent / "demo" / "baselines", figures=False)
    rows = []
    for name, (*_, shown) in made.items():
        comparison = found[name]
        observables = comparison.metrics["observables"]
        ks = [metrics["ks"] for metrics in observables.values()]
        joint = comparison.metrics["multivariate"]
        rows.append([
            name,
            f"{shown:,}",
            f"{np.mean([k['value'] for k in ks]):.3f}",
            f"{sum(k['within_floor'] for k in ks)} of {len(ks)}",
            *(f"{joint[m]['value']:.3f} ± {joint[m]['error']:.3f}" for m in JOINT),
        ])  # fmt: skip
    floors = [f"{joint[m]['floor']:.3f}" for m in JOINT]
    mean_floor = np.mean([k["floor"] for k in ks])
    rows.append(["Geant4 (floor)", "", f"{mean_floor:.3f}", "", *floors])
    header = ["method", "events shown", "mean KS", "observables within the floor", *JOINT]
    insert("showers", table(header, rows))


JOINT = ("fpd", "kpd", "precision", "recall")


def train_showers(recipe: str) -> tuple[NDArray[np.float32], NDArray[np.float64], int]:
    """Train for some minutes and generate: cells, energies, and the events shown."""
    learn, judge_by = pg.split(pg.read(SAMPLE), [0.8, 0.2], 0)
    overrides = [f"training.max_minutes={MINUTES}", "training.report_every=25_600"]
    with tempfile.TemporaryDirectory() as directory:
        fast = pg.train(recipe, learn, directory, overrides=overrides)
        shown = int(fast.model.provenance["events_shown"])
    energy = np.tile(judge_by.energy, 10)
    return fast.generate({"energy": energy}, seed=1).cells, energy, shown


def cycle() -> None:
    """Parametric showers translated towards Geant4."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(os.cpu_count(), context) as pool:
        found = list(pool.map(translated, SEEDS))
    rows = [
        [str(seed), *(f"{number:.3f}" for number in numbers), f"{numbers[1] / numbers[0]:.2f}"]
        for seed, numbers in zip(SEEDS, found, strict=True)
    ]
    header = [
        "seed",
        "mean KS, parametric",
        "mean KS, translated",
        "floor",
        "correlation of depth",
        "ratio",
    ]
    insert("cycle", table(header, rows))


def translated(seed: int) -> tuple[float, float, float, float]:
    """Return mean KS over observables before and after, its floor, and the tie to the source."""
    geant4 = pg.read(SAMPLE)
    learn, judge_by = pg.split(geant4, [0.8, 0.2], seed)
    energies = np.random.default_rng(seed).permutation(geant4.energy)
    fast = pg.simulate(geant4.detector, len(geant4), energy=energies, seed=seed)
    source, unseen = pg.split(fast, [0.8, 0.2], seed)
    with tempfile.TemporaryDirectory() as directory:
        overrides = [f"training.seed={seed}", "training.events=160_000", "training.max_minutes=0"]
        model = pg.train("cycle", learn, directory, source=source, overrides=overrides)
    turned = model.translate(unseen, seed=1)
    comparisons = [pg.compare(judge_by, events) for events in (unseen, turned)]
    means = [_mean_ks(comparison, "value") for comparison in comparisons]
    depths = [events.layer_energies() @ events.detector.depths / events.total_energy()
              for events in (unseen, turned)]  # fmt: skip
    tie = float(np.corrcoef(*depths)[0, 1])
    return means[0], means[1], _mean_ks(comparisons[0], "floor"), tie


def _mean_ks(comparison: pg.Comparison, what: str) -> float:
    observables = comparison.metrics["observables"]
    return float(np.mean([m["ks"][what] for name, m in observables.items() if name != "E_inc"]))


# Writing


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def insert(mark: str, text: str) -> None:
    """Put a text between the marks of toolbox.md."""
    page = HERE / "toolbox.md"
    begin, end = f"<!-- {mark} -->", f"<!-- /{mark} -->"
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    page.write_text(pattern.sub(lambda _: f"{begin}\n{text}\n{end}", page.read_text()))


PARTS = {"grid": grid, "pairs": pairs, "closed": closed, "showers": showers, "cycle": cycle}

if __name__ == "__main__":
    for part in sys.argv[1:] or PARTS:
        PARTS[part]()
