"""How much faster several processes train than one, at equal work."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from benchmarks.common import SAMPLE, SampleOption, run_child
from phys_gan.data import read, split
from phys_gan.training import load_recipe, train
from phys_gan.training.processes import is_first
from phys_gan.validation import physics_score

_WARM_UP = 10
"""Steps that are not timed."""


def main(
    recipe: Annotated[str, typer.Option(help="Recipe to train.")] = "showers",
    processes: Annotated[int, typer.Option(help="Number of processes.", min=2)] = 2,
    batch: Annotated[int, typer.Option(help="Events of a step, of all processes.")] = 512,
    steps: Annotated[int, typer.Option(help="Steps that are timed.")] = 100,
    repeats: Annotated[int, typer.Option(help="Runs of each; the fastest counts.")] = 3,
    sample: SampleOption = SAMPLE,
    child: Annotated[str, typer.Option(hidden=True)] = "",
) -> None:
    """Time training steps of one process on one core, and of several on one core each.

    Example: python -m benchmarks.scaling --steps 40
    """
    if child:
        out, number = child.rsplit("|", 1)
        _measure(Path(out), recipe, batch, steps, sample, int(number))
        return
    options = [f"--recipe={recipe}", f"--batch={batch}", f"--steps={steps}", f"--sample={sample}"]
    found: dict[int, list[_Spent]] = {1: [], processes: []}
    load = os.getloadavg()[0]
    for _ in range(repeats):
        # In turns, so that other work on the machine meets both.
        for devices, runs in found.items():
            runs.append(_run(options, devices))
    one, several = (min(run.seconds for run in runs) for runs in found.values())
    pairs = zip(*found.values(), strict=True)
    single = [f"{a.seconds / b.seconds / processes:.0%}" for a, b in pairs]
    work, parts = (min(run.work for run in runs) for runs in found.values())
    typer.echo(f"{recipe}, {batch} events per step; load of the machine before: {load:.1f}")
    typer.echo(f"1 process:   {1e3 * one / steps:.1f} ms per step, {batch * steps / one:,.0f} / s")
    typer.echo(
        f"{processes} processes: {1e3 * several / steps:.1f} ms per step, "
        f"{batch * steps / several:,.0f} / s"
    )
    typer.echo(
        f"{one / several:.2f} times as fast, efficiency {one / several / processes:.0%} "
        f"(single runs: {', '.join(single)})"
    )
    typer.echo(
        f"processor time per step: {1e3 * work / steps:.1f} ms, and {1e3 * parts / steps:.1f} ms "
        f"in each of {processes}: {work / parts / processes:.0%}, without the waiting"
    )


class _Spent(NamedTuple):
    """What the timed steps took: seconds, and processor seconds of the first process."""

    seconds: float
    work: float


def _run(options: list[str], devices: int) -> _Spent:
    """Return what the timed steps took."""
    with tempfile.TemporaryDirectory() as name:
        words = [*options, f"--child={name}|{devices}"]
        run_child("scaling", words, {**os.environ, "OMP_NUM_THREADS": "1"})
        return _Spent(*json.loads((Path(name) / "seconds.json").read_text()))


def _measure(out: Path, recipe: str, batch: int, steps: int, sample: str, devices: int) -> None:
    """Train, and write how long the steps between the first few and the last one took."""
    begin, end = _WARM_UP * batch, (_WARM_UP + steps) * batch
    # No report on the way: the first process would judge alone.
    options = {"batch_size": batch // devices, "events": end + batch, "report_every": end + batch}
    chosen = load_recipe(recipe, [f"training.{name}={value}" for name, value in options.items()])
    events, held_out = split(read(sample), [0.9, 0.1], 0)
    times: dict[int, _Spent] = {}

    def report(shown: int, line: Mapping[str, Any]) -> None:
        times[shown] = _Spent(time.perf_counter(), time.process_time())

    train(chosen, events, held_out, out, physics_score, device="cpu", devices=devices,
          report=report)  # fmt: skip
    if is_first():
        spent = [b - a for a, b in zip(times[begin], times[end], strict=True)]
        (out / "seconds.json").write_text(json.dumps(spent))


if __name__ == "__main__":
    typer.run(main)
