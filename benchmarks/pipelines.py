"""Showers of awkward arrays of events, against plain generation of the same showers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

import awkward as ak
import numpy as np
import typer
from numpy.typing import NDArray

from benchmarks.common import in_turns, print_header
from phys_gan.generation import FastSim
from phys_gan.generation.plugins import FastDetector, simulate_hits, simulate_particles
from phys_gan.randomness import stream

_MODELS = ("calogan-eplus", "calogan-photon")


def main(
    n: Annotated[int, typer.Option("-n", help="Number of showers.")] = 4096,
    times: Annotated[int, typer.Option(help="How often each runs.")] = 15,
    batch_size: Annotated[
        int | None, typer.Option(help="Showers that go through at once; by default as suits.")
    ] = None,
) -> None:
    """Time showers of particles, relative to showers of plain generation.

    Example: python -m benchmarks.pipelines -n 8192 --times 5
    """
    detector = FastDetector.load(_MODELS)
    models = [FastSim.load(name) for name in _MODELS]
    print_header(
        "particles per event", "way", "showers per second", "relative to plain (quartiles)"
    )
    # Which showers are those of the first model, and their energies [MeV].
    random = stream(1, "benchmark")
    first, energy = random.random(n) < 0.5, random.uniform(2e3, 95e3, n)
    for per_event in (1, 5, 50):
        particles = _events(first, energy, per_event)
        ways: dict[str, Callable[[], Any]] = {
            "FastSim.generate, both models": partial(_plain, models, first, energy, batch_size),
            "simulate_particles": partial(
                simulate_particles, particles, detector, seed=1, batch_size=batch_size
            ),
            "simulate_hits": partial(
                simulate_hits, particles, detector, seed=1, batch_size=batch_size
            ),
        }
        taken = in_turns(list(ways.values()), times)
        for way, column in zip(ways, taken.T, strict=True):
            low, middle, high = np.quantile(taken[:, 0] / column, (0.25, 0.5, 0.75))
            typer.echo(
                f"| {per_event} | {way} | {n / column.min():.0f} | {middle:.2f} "
                f"({low:.2f} to {high:.2f}) |"
            )


def _events(first: NDArray[np.bool_], energy: NDArray[np.float64], per_event: int) -> ak.Array:
    """Return them as events of so many particles."""
    nothing = np.zeros(len(energy))
    flat = ak.zip(
        {"pdg": np.where(first, -11, 22), "energy": energy, "theta": nothing, "phi": nothing}
    )
    starts = np.arange(0, len(energy), per_event)
    return ak.unflatten(flat, np.diff(np.append(starts, len(energy))))


def _plain(
    models: list[FastSim],
    first: NDArray[np.bool_],
    energy: NDArray[np.float64],
    batch_size: int | None,
) -> None:
    for fast, rows in zip(models, (first, ~first), strict=True):
        fast.generate({"energy": energy[rows]}, seed=1, batch_size=batch_size)


if __name__ == "__main__":
    typer.run(main)
