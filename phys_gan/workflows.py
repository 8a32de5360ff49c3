"""The verbs that join several rooms: train with the physics judge, and the demo."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from phys_gan.data import read, split, write
from phys_gan.detectors import load_detector
from phys_gan.errors import ConfigError, DetectorError, MissingError
from phys_gan.events import Events
from phys_gan.generation import FastSim
from phys_gan.randomness import stream
from phys_gan.training import Recipe, load_recipe
from phys_gan.training.loop import RUN_FILES, Report, silent
from phys_gan.training.loop import train as run_training
from phys_gan.validation import Comparison, compare, physics_score

__all__ = ["Demo", "demo", "demo_sample", "resolve", "train"]


def resolve(recipe: str | Path | Recipe, overrides: Sequence[str] = ()) -> Recipe:
    """Return the recipe that a name, a path or a recipe with overrides stands for."""
    if isinstance(recipe, Recipe):
        if overrides:
            raise ConfigError("overrides go with the name of a recipe, not with a Recipe")
        return recipe
    return load_recipe(recipe, overrides)


def train(
    recipe: str | Path | Recipe,
    data: Events | str | Path | Sequence[str | Path],
    out: str | Path,
    *,
    overrides: Sequence[str] = (),
    devices: int = 1,
    resume: bool = False,
    report: Report = silent,
) -> FastSim:
    """Train a model and load it.

    A share of the events, ``training.held_out``, is never shown; the checkpoint whose events come
    closest to them in the shower observables is kept.

    Arguments:
        recipe: The name of a built-in recipe, the path of a TOML file, or a recipe.
        data: Events, or the files that hold them.
        out: The run directory.
        overrides: ``section.key=value`` for the recipe.
        devices: Number of devices.
        resume: Go on with the run in ``out``.
        report: Is told the events shown and, at reports, named scalars.

    Raises:
        PhysGanError: Whatever is wrong with recipe, data or run directory, in one sentence.
    """
    recipe = resolve(recipe, overrides)
    wanted = load_detector(recipe.detector) if recipe.detector else None
    events = data if isinstance(data, Events) else read(data, detector=wanted)
    if wanted is not None and not events.detector.same_cells(wanted):
        raise DetectorError(
            f"the recipe '{recipe.name}' is made for detector '{wanted.name}', but the events "
            f"belong to '{events.detector.name}'",
            remedy="choose another recipe or other data",
        )
    share = recipe.training.held_out
    shown, held_out = split(events, [1 - share, share], recipe.training.seed)
    model = run_training(
        recipe,
        shown,
        held_out,
        out,
        physics_score,
        devices=devices,
        resume=resume,
        report=report,
        provenance={f"data_{name}": text for name, text in events.provenance.items()},
    )
    return FastSim.load(model)


def demo_sample() -> Path:
    """Return the path of the packaged sample of Geant4 showers.

    Raises:
        MissingError: It is not there.
    """
    name = Path("datasets") / "geant4_calogan_eplus.h5"
    here = Path(__file__).resolve().parent
    for home in (here, here.parent):
        if (home / name).is_file():
            return home / name
    raise MissingError(
        f"the sample '{name}' is missing from this installation", remedy="install phys_gan again"
    )


@dataclass(frozen=True)
class Demo:
    """What the demo made.

    Attributes:
        comparison: Generated showers against Geant4 showers that were held out.
        out: The directory with everything.
    """

    comparison: Comparison
    out: Path


def demo(
    out: str | Path,
    *,
    overrides: Sequence[str] = (),
    n: int = 10_000,
    say: Callable[[str], None] = lambda text: None,
    report: Report = silent,
) -> Demo:
    """Train on real Geant4 showers, generate new ones, and compare them with held-out ones.

    The sample is split three ways: to learn from, to choose the checkpoint, and a fifth that
    nothing but the final report ever sees.

    Arguments:
        out: Directory for the run, the generated events and the report.
        overrides: ``section.key=value`` for the recipe ``demo``.
        n: Number of showers to generate.
        say: Is told in words what happens.
        report: Is told about the progress of the training.
    """
    out = Path(out)
    recipe = load_recipe("demo", overrides)
    say(f"Reading {demo_sample().name}: e+ showers from Geant4")
    geant4 = read(demo_sample())
    learn, judge_by = split(geant4, [0.8, 0.2], recipe.training.seed)
    say(f"Training on {len(learn)} showers; {len(judge_by)} are kept for the report")
    for name in RUN_FILES:
        # What an earlier demo left; the same seed makes it again.
        (out / "run" / name).unlink(missing_ok=True)
    fast = train(recipe, learn, out / "run", report=report)

    say(f"Generating {n} showers at the energies of the held-out ones")
    picks = stream(recipe.training.seed, "demo energies").integers(len(judge_by), size=n)
    generated = fast.generate({"energy": judge_by.energy[picks]}, seed=1)
    write(out / "generated.h5", generated)
    write(out / "held_out.h5", judge_by)

    say("Comparing them with the held-out showers")
    comparison = compare(judge_by, generated)
    comparison.save(out / "report")
    return Demo(comparison, out)
