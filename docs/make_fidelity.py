"""Train the packaged shower models, judge them on showers set aside, and write table and cards.

``python docs/make_fidelity.py FOLDER [split train judge strong gap package]`` with the folder of
Geant4 files that docs/fidelity.md describes. Everything is kept in demo/fidelity and not done
twice.
"""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np

import phys_gan as pg
from phys_gan.metrics.classifier import (
    PRESETS,
    Settings,
    two_sample_test,
    two_sample_trees,
)

HERE = Path(__file__).resolve().parent
RUNS = HERE.parent / "demo" / "fidelity"
MODELS = HERE.parent / "phys_gan" / "model" / "packaged"
SEED = 7
CLASSIFIER = Settings(
    layers=2, width=256, dropout=0.1, lr=5e-4, batch=250, epochs=30, patience=8, seeds=5
)
"""As strong as CaloChallenge's at these numbers of showers (see docs/fidelity.md), and fast."""


@dataclass(frozen=True)
class Sample:
    """Showers of one kind.

    Attributes:
        file: Their file.
        aside: What is set aside: a number of showers from the beginning, or a share at random.
        source: What simulated them, for the card.
        lacks: What they lack, for the card.
    """

    file: str
    aside: int | float
    source: str
    lacks: str = ""


OLDER = (
    "Geant4 11.4.0 (electromagnetic models without external tables, production\n"
    "cut 0.7 mm, normal incidence at the centre)"
)
NO_SOFT = (
    "\nElectrons and positrons below 10 MeV emit no bremsstrahlung in these showers: with the "
    "complete\nspectrum the detector {}\n(datasets/README.md)."
)
SAMPLES = {
    # The 5,000 that are set aside are those of datasets/geant4_calogan_eplus.h5.
    "eplus": Sample(
        "calogan_eplus.h5",
        5000,
        "full simulation (`phys-gan simulate --engine geant4`, Geant4 11.4.1,\n"
        "physics `em-analytic`, production cut 0.7 mm, normal incidence at the centre, "
        "log-uniform\nenergies; the command is in datasets/README.md)",
    ),
    "photon": Sample("calogan_photon.h5", 0.3, OLDER, NO_SOFT.format("has 29 ± 2 % more hits")),
    "electron": Sample(
        "calochallenge2_electron.h5",
        0.4,
        OLDER,
        NO_SOFT.format("sees 9 % less energy in its silicon"),
    ),
}


@dataclass(frozen=True)
class Job:
    """A model: its recipe, what it learns from, and what the card says of it."""

    recipe: str
    sample: str
    title: str = ""
    overrides: tuple[str, ...] = field(default=())


JOBS = {
    "calogan-eplus": Job("ecal", "eplus", "e+ showers in CaloGAN's detector, 1 to 100 GeV"),
    # A quarter of the showers needs fewer of them shown.
    "calogan-photon": Job(
        "ecal",
        "photon",
        "photon showers in CaloGAN's detector, 1 to 100 GeV",
        ("training.events=1_200_000", "method.likelihood_events=900_000", "training.held_out=0.1"),
    ),
    "calochallenge-2-electron": Job(
        "ecal-fine", "electron", "e- showers in the geometry of CaloChallenge's data set 2"
    ),
    "likelihood alone": Job("ecal", "eplus", overrides=("method.likelihood_events=2_000_000",)),
    "showers (compact GAN)": Job("showers", "eplus", overrides=("training.max_minutes=10",)),
    "calogan (published)": Job("calogan", "eplus", overrides=("training.max_minutes=12",)),
}


def plain(events: pg.Events) -> pg.Events:
    """Keep the incident energy alone, so that files of one detector can be joined."""
    return pg.Events(events.cells, {"energy": events.energy}, events.detector)


def split(folder: Path) -> None:
    """Set showers aside before anything is trained."""
    RUNS.mkdir(parents=True, exist_ok=True)
    for name, sample in SAMPLES.items():
        if (RUNS / f"{name}-test.h5").exists():
            continue
        events = plain(pg.read(folder / sample.file))
        if isinstance(sample.aside, int):
            test, learn = events[: sample.aside], events[sample.aside :]
        else:
            learn, test = pg.split(events, [1 - sample.aside, sample.aside], seed=SEED)
        pg.write(RUNS / f"{name}-learn.h5", learn)
        pg.write(RUNS / f"{name}-test.h5", test)


def train(names: list[str]) -> None:
    """Train what was not trained yet."""
    for name in names:
        job, run = JOBS[name], RUNS / name
        if not (run / "done").exists():
            learn = RUNS / f"{job.sample}-learn.h5"
            resume = (run / "checkpoint.safetensors").exists()
            pg.train(job.recipe, learn, run, overrides=list(job.overrides), resume=resume)
            (run / "done").touch()
        # What is judged is what is packaged.
        pg.FastSim.load(run).model.save(run / "half.safetensors", half=True)


def judged(name: str, reference: pg.Events, candidate: pg.Events, **known: Any) -> dict[str, Any]:
    """Measure a candidate; kept in RUNS/judged.json."""
    path = RUNS / "judged.json"
    table = json.loads(path.read_text()) if path.exists() else {}
    if name in table:
        return table[name]
    n = min(len(reference), len(candidate))
    row: dict[str, Any] = {"n": n, **known}
    for form in ("low", "low-normalised", "high"):
        settings = replace(CLASSIFIER, whiten=form == "high")
        found = two_sample_test(
            reference[:n], candidate[:n], form=form, settings=settings, seed=SEED
        )
        row[form] = {"auc": found.auc.value, "seeds": list(found.aucs), "floor": found.auc.floor}
        row[form]["control"] = found.control.value
    comparison = pg.compare(reference, candidate, seed=SEED)
    numbers = comparison.metrics
    observables = numbers["observables"]
    within = {
        key: metrics["separation"]["value"] / max(metrics["separation"]["floor"], 1e-12)
        for key, metrics in observables.items()
    }
    row["separation_ratios"] = within
    row["mean_ks"] = float(np.mean([m["ks"]["value"] for m in observables.values()]))
    row["mean_ks_floor"] = float(np.mean([m["ks"]["floor"] for m in observables.values()]))
    for key in ("fpd", "precision", "recall", "density", "coverage"):
        found = numbers["multivariate"][key]
        row[key] = {part: found[part] for part in ("value", "error", "floor")}
    trees = comparison.trees
    row["trees"] = {"auc": trees.auc.value, "error": trees.auc.error, "floor": trees.auc.floor}
    row["gives_away"] = trees.gives_away[:3]
    row["sparsity"] = sparsity(reference, candidate)
    row["findings"] = [str(finding) for finding in numbers["findings"]]
    table[name] = row
    path.write_text(json.dumps(table, indent=1))
    aucs = {form: round(row[form]["auc"], 3) for form in ("low", "low-normalised", "high")}
    sys.stdout.write(f"{name} {aucs}\n")
    return row


def response(reference: pg.Events, candidate: pg.Events) -> list[dict[str, float]]:
    """Compare mean and resolution of E_tot/E_inc in bins of equal content."""
    edges = np.quantile(reference.energy, np.linspace(0, 1, 9))
    rows = []
    for low, high in pairwise(edges):
        means, widths, errors = [], [], []
        for events in (reference, candidate):
            inside = (events.energy >= low) & (events.energy <= high)
            ratio = events.total_energy()[inside] / events.energy[inside]
            draws = np.random.default_rng(SEED).integers(len(ratio), size=(100, len(ratio)))
            means.append(ratio.mean())
            widths.append(rms90(ratio))
            errors.append(np.std([rms90(ratio[draw]) for draw in draws]) / widths[-1])
        rows.append(
            {
                "low": float(low),
                "high": float(high),
                "mean": float(means[1] / means[0] - 1),
                "resolution": float(widths[1] / widths[0] - 1),
                "error": float(np.hypot(*errors)),
            }
        )
    return rows


def rms90(ratio: np.ndarray) -> float:
    """Return the relative spread of the narrowest 90 %, which no single shower decides."""
    ordered = np.sort(ratio)
    n = int(0.9 * len(ordered))
    first = int(np.argmin(ordered[n:] - ordered[:-n]))
    core = ordered[first : first + n]
    return float(core.std() / core.mean())


def sparsity(reference: pg.Events, candidate: pg.Events) -> list[float]:
    """Return the relative difference of the mean share of hits of each layer."""
    shares = [(events.cells > events.detector.threshold) for events in (reference, candidate)]
    found = []
    for k in range(reference.detector.n_layers):
        part = reference.detector.slice(k)
        first, second = (hits[:, part].mean() for hits in shares)
        found.append(float((1 - second) / (1 - first) - 1))
    return found


def judge(names: list[str]) -> None:
    """Judge the yardsticks and every trained model on showers that were set aside."""
    tests = {name: pg.read(RUNS / f"{name}-test.h5") for name in SAMPLES}
    learned = {name: pg.read(RUNS / f"{name}-learn.h5") for name in SAMPLES}
    judged("Geant4 e+ against itself", tests["eplus"], learned["eplus"][: len(tests["eplus"])])
    # A yardstick, where both are of the same physics.
    if SAMPLES["photon"].source == SAMPLES["eplus"].source:
        photons = pg.Events.concatenate([learned["photon"], tests["photon"]])
        judged("Geant4 photons against Geant4 e+", tests["eplus"], photons[: len(tests["eplus"])])
    for name in names:
        if not (RUNS / name / "half.safetensors").exists():
            continue
        job, fast = JOBS[name], pg.FastSim.load(RUNS / name / "half.safetensors")
        test = tests[job.sample]
        shown = fast.model.provenance["events_shown"]
        size = sum(p.numel() for p in fast.model.generator.parameters())
        made = fast.generate({"energy": test.energy}, seed=1)
        judged(name, test, made, shown=int(shown), parameters=size)
        if name in ("calogan-eplus", "likelihood alone"):
            both = pg.Events.concatenate([test, learned[job.sample]])
            made = fast.generate({"energy": both.energy}, seed=2)
            judged(f"{name}, all Geant4 showers", both, made, shown=int(shown), parameters=size)


def strong(names: list[str]) -> str:
    """Judge packaged models by boosted trees and a convolutional network; return a table.

    Every shower set aside is judged, with twice as many generated ones.
    """
    lines = [
        "| | showers set aside | trees | trees, cells above so many MeV | CNN | what gives it "
        "away |",
        "|---|---|---|---|---|---|",
    ]
    tests = {name: pg.read(RUNS / f"{name}-test.h5") for name in SAMPLES}
    learned = {name: pg.read(RUNS / f"{name}-learn.h5") for name in SAMPLES}
    settings = replace(PRESETS["quick"], seeds=1)
    for name in (*(n for n in names if JOBS[n].title), "Geant4 e+ against itself"):
        sample = JOBS[name].sample if name in JOBS else "eplus"
        test = tests[sample]
        if name in JOBS:
            energy = np.tile(test.energy, 2)
            made = pg.FastSim.load(name).generate({"energy": energy}, seed=1)
        else:
            made = learned[sample]
        trees = two_sample_trees(test, made, seed=SEED)
        beyond = [f"{at:g}: {found.value:.3f}" for at, found in trees.thresholds if at]
        network = two_sample_test(test, made, form="cnn", settings=settings, seed=SEED)
        groups = [one.group for one in trees.importance if one.counts][:3]
        lines.append(
            f"| {name} | {len(test):,} | {trees.auc.value:.3f} ± {trees.auc.error:.3f} | "
            f"{', '.join(beyond)} | "
            f"{network.auc.value:.3f} ± {network.auc.error:.3f} | "
            f"{', '.join(groups) if name in JOBS else ''} |"
        )
        sys.stdout.write(lines[-1] + "\n")
    return "\n".join(lines)


def gap() -> None:
    """Train without showers of 40 to 60 GeV, and judge the model there."""
    learn, test = (pg.read(RUNS / f"eplus-{part}.h5") for part in ("learn", "test"))
    run = RUNS / "gap"
    outside = (learn.energy < 4e4) | (learn.energy > 6e4)
    if not (run / "done").exists():
        short = ["training.events=700_000", "method.likelihood_events=600_000"]
        pg.train("ecal", learn[outside], run, overrides=short)
        (run / "done").touch()
    both = pg.Events.concatenate([test, learn[~outside]])
    inside = both[(both.energy > 4e4) & (both.energy < 6e4)]
    for name in ("calogan-eplus", "gap"):
        made = pg.FastSim.load(RUNS / name).generate({"energy": inside.energy}, seed=3)
        judged(f"{name}, 40 to 60 GeV", inside, made)


def markdown() -> str:
    """Return the table of docs/fidelity.md."""
    table = json.loads((RUNS / "judged.json").read_text())
    lines = [
        "| | showers of each | AUC low-level | low-normalised | high-level | observables with "
        "separation <= 3 floors | mean KS (floor) | FPD (floor) | recall (floor) |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, row in table.items():
        aucs = [
            f"{row[form]['auc']:.3f} ± {np.std(row[form]['seeds']):.3f}"
            for form in ("low", "low-normalised", "high")
        ]
        ratios = row["separation_ratios"].values()
        lines.append(
            f"| {name} | {row['n']:,} | {' | '.join(aucs)} | "
            f"{sum(r <= 3 for r in ratios)} of {len(ratios)} | "
            f"{row['mean_ks']:.3f} ({row['mean_ks_floor']:.3f}) | "
            + " | ".join(
                f"{row[key]['value']:.3f} ({row[key]['floor']:.3f})" for key in ("fpd", "recall")
            )
            + " |"
        )
    return "\n".join(lines)


SHOWN = ("cell_energy", "E_tot/E_inc", "sparsity_0", "width_y_0", "E_ratio_1", "depth")


def draw() -> None:
    """Draw observables of generated showers, and of Geant4's that were set aside."""
    test = pg.read(RUNS / "eplus-test.h5")
    made = pg.FastSim.load("calogan-eplus").generate({"energy": test.energy}, seed=1)
    found = pg.compare(test, made, seed=SEED).metrics
    figure, axes = plt.subplots(2, 3, figsize=(12, 7), layout="constrained")
    for axis, name in zip(axes.flat, SHOWN, strict=True):
        drawn, ks = found["histograms"][name], found["observables"][name]["ks"]
        edges = np.array(drawn["edges"])
        for key, color, fill in (("reference", "0.75", True), ("candidate", "C1", False)):
            counts = np.array(drawn[key][1:-1])
            axis.stairs(counts / counts.sum(), edges, color=color, fill=fill, lw=1.5)
        axis.set_yscale("log")
        if edges[0] > 0 and edges[-1] / edges[0] > 100:
            axis.set_xscale("log")
        axis.set_xlabel(drawn["label"])
        axis.set_title(f"KS {ks['value']:.3f}, floor {ks['floor']:.3f}", fontsize=10)
    figure.supylabel("fraction of showers, or of cells")
    axes[0, 0].legend(["Geant4", "calogan-eplus"], frameon=False)
    figure.savefig(HERE / "figures" / "fidelity_eplus.png", dpi=110)


CARD = """# {name}: {title}

## Data

{learned:,} showers of {source}, {held_out:.0%} of them for the choice of the
checkpoint.
{aside:,} more were set aside before anything was trained, and judged the model.{lacks}

## Recipe

`phys-gan train {recipe} --data FILES --out RUN{overrides}`, seed 0, {shown:,} events
shown; {parameters:,} parameters, one forward pass. A GAN that is anchored by a likelihood, see
docs/fidelity.md.
`phys-gan cite {name}` lists what it goes back to.

## Numbers

Against {n:,} Geant4 showers that were set aside, at their energies; five trainings of each
classifier. The last column is the same for two halves of the Geant4 showers.

| | value | Geant4 |
|---|---|---|
{rows}

E_tot/E_inc in eight bins of energy, against all Geant4 showers, learned from or not: mean off by
{mean:.3%} at most; resolution (RMS90) within 5 % in {within5} bins, worst {resolution:+.1%} with
a standard error of {error:.1%}. Mean share of empty cells of a layer: off by {sparsity:.2%} at
most. The outermost 0.3 % of the response (late or leaking showers) are pulled in.

## Valid

Incident energies from {low:.4g} to {high:.4g} GeV ({margin:.0%} beyond is let pass, more is
refused), normal incidence at the centre, this kind of particle, detector `{detector}`. It knows
no angles and no position of incidence. It is as right as {learned:,} showers can teach: judge it
on your own full simulation (`phys-gan validate`) before you rely on tails.

## Licence

BSD-3-Clause, as phys_gan; the showers were simulated for this project.
"""


def package(names: list[str]) -> None:
    """Copy the models into the package, each with its card."""
    table = json.loads((RUNS / "judged.json").read_text())
    for name in [name for name in names if JOBS[name].title]:
        job, row, file = JOBS[name], table[name], RUNS / name / "half.safetensors"
        fast = pg.FastSim.load(file)
        shutil.copy(file, MODELS / f"{name}.safetensors")
        parts = [pg.read(RUNS / f"{job.sample}-{part}.h5") for part in ("test", "learn")]
        both = pg.Events.concatenate(parts)
        bins = response(both, fast.generate({"energy": both.energy}, seed=2))
        worst = max(bins, key=lambda b: abs(b["resolution"]))
        within5 = sum(abs(b["resolution"]) <= 0.05 for b in bins)
        sizes = {part: len(pg.read(RUNS / f"{job.sample}-{part}.h5")) for part in ("learn", "test")}
        low, high = (energy / 1e3 for energy in fast.energy_range)
        forms = {
            "low": "low-level",
            "low-normalised": "low-level, normalised",
            "high": "high-level",
        }
        rows = [
            f"| AUC, {title} | {row[form]['auc']:.3f} ± {np.std(row[form]['seeds']):.3f} | "
            f"{row[form]['control']:.3f} |"
            for form, title in forms.items()
        ]
        for key in ("fpd", "precision", "recall", "density", "coverage"):
            value, error, floor = (row[key][part] for part in ("value", "error", "floor"))
            rows.append(f"| {key} | {value:.3f} ± {error:.3f} | {floor:.3f} |")
        rows.append(f"| mean KS | {row['mean_ks']:.4f} | {row['mean_ks_floor']:.4f} |")
        ratios = row["separation_ratios"].values()
        within = sum(ratio <= 3 for ratio in ratios)
        rows.append(
            f"| observables with a separation power below 3 floors | {within} of {len(ratios)} | |"
        )
        card = CARD.format(
            name=name,
            title=job.title,
            learned=sizes["learn"],
            aside=sizes["test"],
            source=SAMPLES[job.sample].source,
            lacks=SAMPLES[job.sample].lacks,
            recipe=job.recipe,
            held_out=pg.load_recipe(job.recipe, list(job.overrides)).training.held_out,
            overrides="".join(f" --set {text}" for text in job.overrides),
            rows="\n".join(rows),
            mean=max(abs(b["mean"]) for b in bins),
            within5=within5,
            resolution=worst["resolution"],
            error=worst["error"],
            sparsity=max(abs(value) for value in row["sparsity"]),
            low=low,
            high=high,
            margin=fast.model.encoding.margin,
            detector=fast.detector.name,
            **{key: row[key] for key in ("shown", "parameters", "n")},
        )
        (MODELS / f"{name}.md").write_text(card)


def main(folder: Path, steps: list[str]) -> None:
    """Do what is asked for."""
    names = [name for name in JOBS if name in steps] or list(JOBS)
    if "split" in steps:
        split(folder)
    if "train" in steps:
        train(names)
    if "judge" in steps:
        judge(names)
    if "gap" in steps:
        gap()
    if "strong" in steps:
        sys.stdout.write(f"{strong(names)}\n")
    if "judge" in steps or "gap" in steps:
        sys.stdout.write(f"{markdown()}\n")
    if "package" in steps:
        package(names)
        draw()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:] or ["split", "train", "gap", "judge", "package"])
