"""From Geant4 showers to a report, in one command: :func:`demo`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from phys_gan.data import read, split, write
from phys_gan.errors import MissingError
from phys_gan.randomness import stream
from phys_gan.training import load_recipe
from phys_gan.training.loop import StepCallback, ignore
from phys_gan.training.run import clear_run
from phys_gan.validation import Comparison, Options, compare
from phys_gan.workflows.training import train


def demo_sample() -> Path:
    """Return the path of the packaged sample of Geant4 showers.

    Raises:
        MissingError: It is not installed.
    """
    name = Path("datasets") / "geant4_calogan_eplus.h5"
    here = Path(__file__).resolve().parents[1]
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
    options: Options | None = None,
    figures: bool = False,
    say: Callable[[str], None] = lambda text: None,
    report: StepCallback = ignore,
) -> Demo:
    """Train on Geant4 showers, generate new ones, and compare them with held-out ones.

    The sample is split three ways: to learn from, to choose the checkpoint, and a fifth that only
    the final report sees.

    Arguments:
        out: Directory for the run, the generated events and the report.
        overrides: ``section.key=value`` for the recipe ``demo``.
        n: Number of showers to generate.
        options: What is compared.
        figures: Write every figure as PDF and PNG beside the page.
        say: Called with a sentence at each step.
        report: Called with the progress of the training.
    """
    out = Path(out)
    seed = load_recipe("demo", overrides).training.seed
    say(f"Reading {demo_sample().name}: e+ showers from Geant4")
    learn, judge_by = split(read(demo_sample()), [0.8, 0.2], seed)
    say(f"Training on {len(learn)} showers; {len(judge_by)} are kept for the report")
    # What an earlier demo left; the same seed makes it again.
    clear_run(out / "run")
    fast = train("demo", learn, out / "run", overrides=overrides, report=report)

    say(f"Generating {n} showers at the energies of the held-out ones")
    picks = stream(seed, "demo energies").integers(len(judge_by), size=n)
    generated = fast.generate({"energy": judge_by.energy[picks]}, seed=1)
    write(out / "generated.h5", generated)
    write(out / "held_out.h5", judge_by)

    say("Comparing them with the held-out showers")
    comparison = compare(judge_by, generated, training=learn, options=options)
    comparison.save(out / "report", figures=figures)
    return Demo(comparison, out)
