"""Kill a training at random moments, resume it, and compare with an uninterrupted one."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
import typer

from benchmarks.common import SAMPLE, SampleOption
from phys_gan.randomness import stream
from phys_gan.training.run import load_checkpoint

_RECIPE = (
    "network.width=64",
    "network.d_width=64",
    "training.batch_size=64",
    "training.decay=none",
)
"""A small one; the schedule may not depend on time, which no repetition repeats."""


def main(
    kills: Annotated[int, typer.Option(help="How often to kill it.")] = 20,
    events: Annotated[int, typer.Option(help="Events to show.")] = 150_000,
    every: Annotated[int, typer.Option(help="Events between two checkpoints.")] = 3_200,
    sample: SampleOption = SAMPLE,
    how: Annotated[
        Literal["KILL", "TERM"], typer.Option(help="The signal; TERM lets it write a checkpoint.")
    ] = "KILL",
    seed: Annotated[int, typer.Option(help="Seed of the moments.")] = 1,
) -> None:
    """Train once without and once with kills, and compare the last checkpoints.

    Example: python -m benchmarks.killing --kills 5 --events 60000
    """
    recipe = [*_RECIPE, f"training.events={events}", f"training.report_every={every}"]
    with tempfile.TemporaryDirectory() as name:
        whole, broken = Path(name) / "whole", Path(name) / "broken"
        began = time.perf_counter()
        process = _train(whole, sample, recipe)
        _started(process, whole)
        start = time.perf_counter() - began
        process.wait()
        seconds = time.perf_counter() - began
        typer.echo(
            f"uninterrupted: {events} events in {seconds:.1f} s, of which {start:.1f} s to start"
        )
        done, total = 0, time.perf_counter()
        span = start + 2.0 * (seconds - start) / max(1, kills)
        for moment, shown in killed(broken, sample, recipe, kills, span, how, seed):
            done += 1
            typer.echo(f"kill {done:2}: {moment:5.1f} s after its start, checkpoint at {shown}")
        total = time.perf_counter() - total
        different = same(whole, broken)
    result = "equal, bit for bit"
    if different:
        result = f"{len(different)} tensors or files differ, such as {different[0]}"
    typer.echo(f"{done} kills, {total / seconds:.1f} times as long; {result}")
    raise typer.Exit(bool(different) or done < kills)


def killed(
    out: Path, sample: str, recipe: list[str], kills: int, span: float, how: str, seed: int
) -> Iterator[tuple[float, int]]:
    """Train to the end, killing the process at random moments on the way.

    Arguments:
        out: The run directory.
        sample: Events to learn from.
        recipe: Options of the recipe.
        kills: How often to kill it.
        span: The longest time that a process lives [s]; all times up to it are as likely.
        how: "KILL" or "TERM".
        seed: Seed of the moments.

    Yields:
        The seconds that the process lived, and the events shown in the checkpoint it left.
    """
    number = {"KILL": 9, "TERM": 15}[how]
    random, shown = stream(seed, "kills"), 0
    for _ in range(kills):
        process = _train(out, sample, recipe)
        if not out.exists():
            # The first one must come to something, or all may die while they start.
            _started(process, out)
        moment = random.uniform(0, span)
        try:
            process.wait(moment)
        except subprocess.TimeoutExpired:
            process.send_signal(number)
            process.wait()
        else:
            return
        path = out / "checkpoint.safetensors"
        if path.exists():
            shown = load_checkpoint(path)["shown"]
        yield moment, shown
    if _train(out, sample, recipe).wait():
        raise RuntimeError(f"the training in '{out}' did not come to its end")


def _started(process: subprocess.Popen[bytes], out: Path) -> None:
    """Wait until the first step is near."""
    while process.poll() is None and not (out / "recipe.toml").exists():
        time.sleep(0.02)


def same(one: Path, other: Path) -> list[str]:
    """Return what differs between the last checkpoints and models of two runs."""
    first, second = (
        _tensors(load_checkpoint(path / "checkpoint.safetensors")["method"])
        for path in (one, other)
    )
    different = [
        name
        for name in sorted(first.keys() | second.keys())
        if name not in first or name not in second or not torch.equal(first[name], second[name])
    ]
    models = [(path / "model.safetensors").read_bytes() for path in (one, other)]
    return different + (["model.safetensors"] if models[0] != models[1] else [])


def _tensors(state: Any, name: str = "") -> dict[str, torch.Tensor]:
    if isinstance(state, torch.Tensor):
        return {name: state}
    if not isinstance(state, dict | list):
        return {}
    items = state.items() if isinstance(state, dict) else enumerate(state)
    return {k: v for key, part in items for k, v in _tensors(part, f"{name}.{key}").items()}


def _train(out: Path, sample: str, recipe: list[str]) -> subprocess.Popen[bytes]:
    """Begin a training, or go on with it."""
    words = [sys.executable, "-m", "phys_gan", "train", "showers"]
    words += ["--data", sample, "--out", str(out), "--device", "cpu"]
    words += [word for option in recipe for word in ("--set", option)]
    if any(out.glob("checkpoint*.safetensors")):
        words.append("--resume")
    quiet: Any = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen(words, env={**os.environ, "OMP_NUM_THREADS": "1"}, **quiet)


if __name__ == "__main__":
    typer.run(main)
