"""From the description of a calorimeter to a validated model of it: :func:`new_geometry`.

Full simulation with Geant4, a split of its showers, training, generation, comparison with showers
that the model never saw, export, and a page about all of it. Each step goes on where it broke off.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from phys_gan._version import __version__
from phys_gan.data import read, split_files
from phys_gan.detectors import Detector, load_detector
from phys_gan.errors import (
    ConfigError,
    DataError,
    DetectorError,
    MissingError,
    OutputError,
    RangeError,
)
from phys_gan.files import atomic_file, locked
from phys_gan.generation import FastSim
from phys_gan.generation.export import export
from phys_gan.report.geometry import Speed, Step, save_geometry
from phys_gan.simulation import FullSimulation, draw_incident
from phys_gan.simulation.geant4 import CUT
from phys_gan.simulation.geant4_data import ANALYTIC
from phys_gan.simulation.showers import Spectrum
from phys_gan.training import Recipe, load_recipe
from phys_gan.training.loop import StepCallback, ignore
from phys_gan.validation import Check, Comparison
from phys_gan.workflows.manifest import events_written
from phys_gan.workflows.production import produce
from phys_gan.workflows.training import train
from phys_gan.workflows.validation import validate

_STUDY = "study.json"
_SHARES = (0.8, 0.2)
"""Of the showers: what is learned from, and what the report compares with."""
_FEWEST = 500
_MANY_CELLS = 2000
_TIMED = 2000
"""Showers of which the time is measured."""


@dataclass(frozen=True)
class Geometry:
    """What :func:`new_geometry` made.

    Attributes:
        comparison: Generated showers against those of full simulation that were held out.
        checks: The requirements.
        speed: CPU time per shower of full simulation and of the model.
        page: Path of the page.
    """

    comparison: Comparison
    checks: Sequence[Check]
    speed: Speed
    page: Path


def new_geometry(
    detector: Detector | str | Path,
    out: str | Path,
    n: int = 5000,
    *,
    particle: str = "e-",
    energy: tuple[float, float] = (1e3, 1e5),
    spectrum: Spectrum = "log-uniform",
    minutes: float = 10.0,
    recipe: str | Path | Recipe | None = None,
    overrides: Sequence[str] = (),
    seed: int = 0,
    cut: float = CUT,
    physics: str = ANALYTIC,
    workers: int | None = None,
    require: Sequence[str] = (),
    device: str = "auto",
    figures: bool = False,
    say: Callable[[str], None] = lambda text: None,
    simulated: Callable[[int], None] = lambda done: None,
    trained: StepCallback = ignore,
) -> Geometry:
    """Simulate a detector, train a model of it, compare both, and write a page about it.

    A fifth of the showers is not learned from; the report compares with it. Called again with the
    same arguments, it goes on where it broke off.

    Arguments:
        detector: A calorimeter with what full simulation needs, its name, or the path of a file.
        out: Directory for everything; its ``index.html`` is the page.
        n: Number of showers of full simulation.
        particle: The incident particle.
        energy: Range of the incident kinetic energy [MeV].
        spectrum: Distribution of the energy within it.
        minutes: Longest training.
        recipe: As for :func:`choose_recipe`, or a recipe.
        overrides: ``section.key=value`` for the recipe.
        seed: Seed of showers, split and generation.
        cut: Production cut [mm].
        physics: As for :class:`phys_gan.simulation.workers.FullSimulation`.
        workers: Number of processes with Geant4; by default one per CPU core.
        require: Requirements as in :func:`phys_gan.validation.parse`.
        device: Where to train and generate.
        figures: Write every figure as PDF and PNG beside the pages.
        say: Called with a sentence at each step.
        simulated: Called with the number of showers simulated.
        trained: Called with the progress of the training.

    Raises:
        ConfigError: ``out`` holds another study.
        RangeError: There are too few showers, or no time.
        PhysGanError: As in the steps.
    """
    detector, out = load_detector(detector), Path(out)
    if n < _FEWEST:
        raise RangeError(
            f"{n} showers are too few to learn from and to compare with",
            remedy=f"ask for {_FEWEST} or more",
            value=n,
            constraint=_FEWEST,
        )
    if not isinstance(recipe, Recipe):
        recipe = choose_recipe(detector, recipe, minutes, overrides)
    full = FullSimulation(detector, cut=cut, physics=physics, workers=workers)
    incident = draw_incident(n, particle, energy, spectrum, seed=seed)
    plan = {
        "detector": detector.to_toml(),
        "showers": n,
        "particle": particle,
        "energy": list(energy),
        "spectrum": spectrum,
        "seed": seed,
        "cut": cut,
        "physics": physics,
        "recipe": recipe.to_toml(),
    }
    files = {name: out / f"{name}.h5" for name in ("full", "learn", "test", "fast")}
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"cannot make the directory '{out}': {error.strerror}", remedy="choose another place"
        ) from error
    with locked(out / ".lock", f"another process works in '{out}'", "wait for it"):
        study = _Study(out / _STUDY, plan)
        with atomic_file(out / "detector.toml") as temporary:
            temporary.write_text(detector.to_toml(), "utf-8")

        say(f"Simulating {n:,} {particle} showers in '{detector.name}' with Geant4")
        reached = before = (events_written(files["full"]) or (0, n))[0]

        def noted(done: int) -> None:
            nonlocal reached
            reached = done
            simulated(done)

        try:
            with study.step("simulate"):
                produce(full, files["full"], incident, seed=seed, resume=True, report=noted)
        finally:
            study.count(reached - before)

        if not study.is_done("split"):
            with study.step("split"):
                paths = [files["learn"], files["test"]]
                split_files([files["full"]], paths, _SHARES, seed, detector=detector)
        test = read(files["test"], detector=detector)

        say(f"Training on {n - len(test):,} of them: recipe '{recipe.name}'")
        with study.step("train"):
            fast = train(
                recipe,
                files["learn"],
                out / "run",
                detector=detector,
                device=device,
                resume=True,
                report=trained,
            )

        say(f"Generating {len(test):,} showers at the energies of the others")
        with study.step("generate"):
            produce(fast, files["fast"], test.conditions, seed=seed + 1, resume=True)
        speed = Speed(study.seconds_per_shower, _seconds_of(fast, test.conditions["energy"]))

        say("Comparing them with the others")
        with study.step("compare"):
            verdict = validate(
                files["test"],
                {"generated": files["fast"]},
                out / "report",
                require=require,
                training=files["learn"],
                figures=figures,
                detector=detector,
            )
        model, note = _exported(fast, out / "model.onnx", study)
        (comparison,) = verdict.comparisons.values()
        checks = verdict.checks["generated"]

        n_within = len(comparison.results) - len(comparison.outside)
        compared = f"{n_within} of {len(comparison.results)} observables within the floor"
        steps = [
            Step(
                "full simulation",
                f"{n:,} {particle} showers, {full.provenance(incident['pdg'])['simulator']}, "
                f"physics {physics}, production cut {cut:g} mm",
                study.wall("simulate"),
                "full.h5",
            ),
            Step("split", f"{n - len(test):,} to learn from", study.wall("split"), "learn.h5"),
            Step("", f"{len(test):,} to compare with", None, "test.h5"),
            Step(
                "training",
                f"recipe '{recipe.name}', at most {recipe.training.max_minutes:g} minutes",
                study.wall("train"),
                "run/",
            ),
            Step("generation", f"{len(test):,} showers", study.wall("generate"), "fast.h5"),
            Step("comparison", compared, study.wall("compare"), "report/index.html"),
            Step("export", note, study.wall("export") if model else None, model),
        ]
        page = save_geometry(out, comparison, checks, steps, speed, figures=figures)
    return Geometry(comparison, checks, speed, page)


def choose_recipe(
    detector: Detector,
    recipe: str | Path | None = None,
    minutes: float = 10.0,
    overrides: Sequence[str] = (),
) -> Recipe:
    """Return the recipe for a detector and a time.

    Arguments:
        detector: The detector.
        recipe: Name or path; by default ``demo``, and ``ecal-fine`` for more than 2,000 cells.
        minutes: Longest training.
        overrides: ``section.key=value`` for the recipe.

    Raises:
        RangeError: There is no time.
        PhysGanError: As in :func:`phys_gan.load_recipe`.
    """
    if not minutes > 0:
        raise RangeError(f"{minutes:g} minutes are no time to train", remedy="give more")
    recipe = recipe or ("ecal-fine" if detector.n_cells > _MANY_CELLS else "demo")
    return load_recipe(recipe, [f"training.max_minutes={minutes:g}", *overrides])


class _Study:
    """The plan, the steps that are done, and how long they took, in a file."""

    def __init__(self, path: Path, plan: dict[str, Any]) -> None:
        self._path = path
        self._state: dict[str, Any] = {"phys_gan": __version__, "plan": plan, "done": []}
        self._state |= {"wall": {}, "cpu": {}, "timed": 0}
        if not path.exists():
            self._save()
            return
        try:
            begun = json.loads(path.read_text("utf-8"))
            before = begun["plan"]
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"'{path}' is not the description of a study",
                remedy=f"delete '{path.parent}' and begin again",
            ) from error
        for name, value in plan.items():
            if before.get(name) != value:
                shown = name in ("detector", "recipe")
                raise ConfigError(
                    f"the study in '{path.parent}' was begun with "
                    + (f"another {name}" if shown else f"{name} {before.get(name)}, not {value}"),
                    remedy="ask for the same, or name another folder",
                    value=value,
                )
        self._state |= {name: begun.get(name, old) for name, old in self._state.items()}

    def _save(self) -> None:
        with atomic_file(self._path) as temporary:
            temporary.write_text(json.dumps(self._state, indent=2) + "\n", "utf-8")

    def is_done(self, step: str) -> bool:
        return step in self._state["done"]

    def wall(self, step: str) -> float:
        return float(self._state["wall"].get(step, 0.0))

    def cpu(self, step: str) -> float:
        return float(self._state["cpu"].get(step, 0.0))

    def count(self, showers: int) -> None:
        """Add showers that the time of the simulation was spent on."""
        self._state["timed"] += showers
        self._save()

    @property
    def seconds_per_shower(self) -> float:
        """CPU time of full simulation [s]; NaN where no attempt lived to tell."""
        timed = self._state["timed"]
        return self.cpu("simulate") / timed if timed else math.nan

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Add up how long a step takes, also one that breaks off; what was done stays as it is."""
        wall, cpu, was_done = time.monotonic(), _cpu_seconds(), self.is_done(name)
        try:
            yield
            if not was_done:
                self._state["done"].append(name)
        finally:
            # Finding that there is nothing to do is not part of the work.
            if not was_done:
                self._state["wall"][name] = self.wall(name) + time.monotonic() - wall
                self._state["cpu"][name] = self.cpu(name) + _cpu_seconds() - cpu
                self._save()


def _cpu_seconds() -> float:
    """Return the CPU time of this process and of those that it waited for."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _seconds_of(fast: FastSim, energies: np.ndarray[Any, np.dtype[np.float64]]) -> float:
    """Return the CPU time of the model per shower."""
    wanted = {"energy": np.resize(energies, _TIMED)}
    fast.generate(wanted, seed=1)
    began = time.process_time()
    fast.generate(wanted, seed=2)
    return (time.process_time() - began) / _TIMED


def _exported(fast: FastSim, path: Path, study: _Study) -> tuple[str, str]:
    """Export a model; return its file and a note."""
    try:
        with study.step("export"):
            export(fast, path)
    except (MissingError, DetectorError, ConfigError) as error:
        return "", f"not exported: {error}"
    return path.name, "ONNX for any program, the same events as torch from the same noise"
