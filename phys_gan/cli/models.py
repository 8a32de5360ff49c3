"""Commands about models: train, generate."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from phys_gan.cli.app import FormatOption, MappingOption, Seed, Set, app
from phys_gan.cli.conditions import read_conditions
from phys_gan.cli.progress import counting, progress
from phys_gan.errors import ConfigError
from phys_gan.units import format_energy, parse_size, parse_values

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from phys_gan.generation import FastSim
    from phys_gan.training.loop import Watch

__all__ = ["generate", "train"]

_LISTS = ("--data", "--source")


def _one_by_one(arguments: Iterable[str]) -> Iterator[str]:
    """Write ``--data A B`` as ``--data A --data B``, and so with every option that takes a list."""
    name, first = "", False
    for argument in arguments:
        if argument.startswith("-"):
            name, equals, _ = argument.partition("=")
            first = not equals
            yield argument
        elif name in _LISTS and not first:
            yield from (name, argument)
        else:
            first = False
            yield argument


class _Train(TyperCommand):
    """The command, with options that take several files."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the command line."""
        return super().parse_args(ctx, list(_one_by_one(args)))


@contextmanager
def _following(out: Path, live: bool) -> Iterator[Watch]:
    """Write a live page where it is wanted, and say how to see it."""
    from phys_gan.training.loop import unwatched
    from phys_gan.workflows.live import tensorboard

    if not live:
        yield unwatched
        return
    with tensorboard(out / "tensorboard") as watch:
        typer.echo(f"Follow it with: tensorboard --logdir {shlex.quote(str(out))}")
        yield watch


@app.command(cls=_Train)
def train(
    recipe: Annotated[str, typer.Argument(help="Built-in recipe or the path of a TOML file.")],
    data: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE...",
            help="Files of events to learn from; recipes of toys make their own without.",
        ),
    ] = None,
    source: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE...", help="Files of events to translate into those of --data."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Run directory to make.")] = None,
    set_: Set = None,
    devices: Annotated[int, typer.Option(help="Number of devices.", min=1)] = 1,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in OUT.")] = False,
    format: FormatOption = None,
    mapping: MappingOption = None,
    memory: Annotated[
        str | None, typer.Option(help="What events may take, such as 8GB; more is streamed.")
    ] = None,
    live: Annotated[
        bool, typer.Option("--live", help="Write curves and pictures for TensorBoard into OUT.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the recipe, and stop.")] = False,
) -> None:
    """Train a model by a recipe.

    Example: `phys-gan train ecal --data showers.root --out runs/ecal --set training.lr_g=5e-4`
    """
    from phys_gan.training import load_recipe

    resolved = load_recipe(recipe, set_ or [])
    if dry_run:
        typer.echo(resolved.to_toml(), nl=False)
        return
    if out is None or not (data or resolved.simulated):
        raise ConfigError(
            "training needs data and a run directory", remedy="add --data FILE... --out RUN"
        )
    from phys_gan.workflows import train as run

    with _following(out, live) as watch, progress(resolved.training.events) as report:
        run(
            resolved,
            data or None,
            out,
            source=source or None,
            devices=devices,
            resume=resume,
            report=report,
            watch=watch,
            format=format,
            mapping=mapping,
            memory=parse_size(memory) if memory else None,
        )
    typer.echo(f"The model is in {out / 'model.safetensors'}")


@app.command()
def generate(
    model: Annotated[
        Path, typer.Argument(help="Run directory, .safetensors file or pretrained model.")
    ],
    out: Annotated[Path, typer.Argument(help="File to write: .h5 or .root.")],
    n: Annotated[int | None, typer.Option("-n", help="Number of events.", min=1)] = None,
    energy: Annotated[
        str | None,
        typer.Option(
            help="Incident energy: 50GeV; 10GeV,50GeV in turn; from 1GeV:100GeV, evenly, or with "
            "even logarithms, 1GeV:100GeV:log; default: the model's range."
        ),
    ] = None,
    like: Annotated[
        str | None, typer.Option(help="Take the conditions of the events in this file.")
    ] = None,
    translate: Annotated[
        str | None, typer.Option(help="Translate the events in this file, one for one.")
    ] = None,
    condition: Annotated[
        list[str] | None,
        typer.Option(
            help="NAME=VALUE, NAME=VALUE,VALUE in turn, or NAME=LOW:HIGH, such as flux=50:100, "
            "drawn evenly (:lin), or with even logarithms (:log), as the model learned by default; "
            "default: its range."
        ),
    ] = None,
    seed: Seed = 0,
    device: Annotated[
        str, typer.Option(help="Where to run, such as cpu or cuda; auto: cuda if there is one.")
    ] = "auto",
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a production that broke off, if one did.")
    ] = False,
) -> None:
    """Generate events with a trained model, or translate those of another simulation.

    Example: `phys-gan generate runs/ecal fast.h5 -n 100000 --energy 1GeV:100GeV`
    """
    from phys_gan.data import read, write
    from phys_gan.generation import FastSim
    from phys_gan.workflows.parts import standing
    from phys_gan.workflows.producing import produce

    if sum(given is not None for given in (n, like, translate)) != 1 or (
        n is None and (energy or condition)
    ):
        raise ConfigError(
            "one of -n, --like and --translate says what to generate; --energy and --condition go "
            "with -n",
            remedy="give one of them",
        )
    if translate and resume:
        raise ConfigError("--resume goes with -n and --like", remedy="leave it out")
    fast = FastSim.load(model, _found(device))
    before, began = 0, time.monotonic()
    if translate:
        events = fast.translate(read(translate, detector=fast.detector), seed=seed)
        write(out, events)
        count, energies = len(events), events.conditions.get("energy")
    else:
        wanted: Mapping[str, NDArray[np.float64]] | int
        if like:
            sample = read(like, detector=fast.detector)
            wanted = sample.conditions if _told(fast) else len(sample)
        else:
            wanted = _drawn(fast, n or 0, energy, condition or [], seed)
        total = wanted if isinstance(wanted, int) else len(next(iter(wanted.values())))
        before = ((resume and standing(out)) or (0, 0))[0]
        told: list[int] = []
        with counting("events written", total) as bar:

            def report(done: int) -> None:
                told.append(done)
                bar(done)

            count = produce(fast, out, wanted, seed=seed, resume=resume, report=report)
        if not told:
            typer.echo(f"{out} holds these {count} events already: nothing to do")
            return
        energies = None if isinstance(wanted, int) else wanted.get("energy")
    seconds = time.monotonic() - began
    span = ""
    if energies is not None:
        span = f" from {format_energy(energies.min())} to {format_energy(energies.max())}"
    typer.echo(
        f"Wrote {count} events in '{fast.detector.name}'{span} to {out} "
        f"({(count - before) / max(seconds, 1e-9):,.0f} events per second"
        + (f", {before} were there)" if before else ")")
    )


def _found(device: str) -> str:
    """Return the device that ``auto`` stands for here."""
    if device != "auto":
        return device
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _told(fast: FastSim) -> tuple[str, ...]:
    """Return the names of the conditions that a model is told."""
    return fast.model.encoding.named


def _drawn(
    fast: FastSim, n: int, energy: str | None, conditions: Sequence[str], seed: int
) -> dict[str, NDArray[np.float64]] | int:
    """Draw conditions as they are asked for; of a model without any, return the number."""
    from phys_gan.generation.drawing import draw_conditions

    given = read_conditions(conditions)
    if energy:
        if "energy" not in _told(fast):
            raise ConfigError(
                f"events in '{fast.detector.name}' have no incident energy",
                remedy="leave --energy out",
                value=energy,
            )
        given["energy"] = parse_values(energy)
    return draw_conditions(fast.model.encoding, n, given, seed) or n
