"""Showers per second of a core: Geant4, parametric showers, models, and models in Geant4."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from benchmarks.common import print_header, run_child
from phys_gan.detectors import (
    CartesianLayer,
    Construction,
    Detector,
    Sampling,
    Slab,
    Stack,
    StackSlab,
    load_detector,
)
from phys_gan.generation import FastSim
from phys_gan.generation.plugins.geant4 import HybridSimulation
from phys_gan.simulation import FullSimulation, simulate
from phys_gan.simulation.geant4 import Geant4

ENERGIES = (1e3, 10e3, 50e3)
"""[MeV]"""
CASES = {
    "calogan": (-11, "e+", "calogan-eplus"),
    "calochallenge-2": (11, "e-", "calochallenge-2-electron"),
    "silicon-tungsten": (11, "e-", None),
}
"""Particle, its name, and the packaged model."""
_FEW, _MORE = 500, 4000
"""Showers of a run of models in Geant4, and how many more of another one."""


def main(
    seconds: Annotated[float, typer.Option(help="About how long each simulator runs.")] = 10.0,
    child: Annotated[str, typer.Option(hidden=True)] = "",
) -> None:
    """Print showers per second of processor time, each detector in a process of its own.

    Example: python -m benchmarks.simulators --seconds 5
    """
    if child:
        # Geant4 prints as well: the last line is ours.
        typer.echo("\n" + json.dumps(_measure(child, seconds)))
        return
    print_header(
        *("detector", "energy", "Geant4", "parametric", "over Geant4", "model", "over Geant4"),
        *("model in Geant4", "over Geant4"),
    )
    starts = {}
    for name, (_, particle, _) in CASES.items():
        words = [f"--child={name}", f"--seconds={seconds}"]
        text = run_child("simulators", words, {**os.environ, "OMP_NUM_THREADS": "1"})
        found = json.loads(text.strip().splitlines()[-1])
        starts[name] = found["start"]
        for energy, speeds in zip(ENERGIES, found["speeds"], strict=True):
            full, *fast = speeds
            cells = [
                f"{_rounded(speed)} | {_rounded(speed / full)}" if speed else "| " for speed in fast
            ]
            typer.echo(
                f"| {name}, {particle} | {energy / 1e3:.0f} GeV | {_rounded(full)} | "
                f"{' | '.join(cells)} |"
            )
    text = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in starts.items())
    typer.echo(f"\nStart of a worker with Geant4, processor time: {text}")


def _rounded(value: float) -> str:
    """Return a number with two digits that count."""
    return f"{float(f'{value:.2g}'):,.0f}" if value >= 10 else f"{value:.2g}"


def _measure(name: str, seconds: float) -> dict[str, Any]:
    """Return the processor time of a start [s], and showers per second at each energy."""
    pdg, particle, model = CASES[name]
    detector = silicon_tungsten() if name == "silicon-tungsten" else load_detector(name)
    began = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        engine = Geant4(detector, Path(folder))

        def full(energy: float, n: int) -> None:
            particles = {"pdg": np.full(n, float(pdg)), "energy": np.full(n, energy)}
            engine.run(particles, n, seed=1)

        # Tables are made with the first event.
        full(1.0, 1)
        start = time.process_time() - began
        fast = FastSim.load(model) if model else None
        speeds = []
        for energy in ENERGIES:
            speeds.append(
                [
                    _speed(partial(full, energy), seconds, 1),
                    _speed(partial(_parametric, detector, particle, energy), seconds, 100),
                    _speed(partial(_generated, fast, energy), seconds, 100) if fast else 0.0,
                    _hybrid_speed(detector, model, pdg, energy) if model else 0.0,
                ]
            )
    return {"start": start, "speeds": speeds}


def _speed(make: Callable[[int], Any], seconds: float, n: int) -> float:
    """Return showers per second of processor time, in runs of growing numbers of showers."""
    while True:
        began = time.process_time()
        make(n)
        spent = time.process_time() - began
        if spent > seconds / 3:
            return n / spent
        # Towards two thirds of the time that is given, or ten times more showers at most.
        n = int(np.ceil(n * min(10.0, 0.66 * seconds / max(spent, 1e-3))))


def _parametric(detector: Detector, particle: str, energy: float, n: int) -> None:
    simulate(detector, n, particle=particle, energy=np.full(n, energy), threads=1)


def _generated(fast: FastSim, energy: float, n: int) -> None:
    fast.generate({"energy": np.full(n, energy)}, seed=1)


def _hybrid_speed(detector: Detector, model: str, pdg: int, energy: float) -> float:
    """Return showers per second of processor time, the start of the worker left out."""
    hybrid = HybridSimulation.of(FullSimulation(detector, workers=1), [model])
    spent = []
    for n in (_FEW, _FEW + _MORE):
        particles = {"pdg": np.full(n, float(pdg)), "energy": np.full(n, energy)}
        began = _with_workers()
        for _ in hybrid.stream(particles, seed=1, block=500):
            pass
        spent.append(_with_workers() - began)
    return _MORE / (spent[1] - spent[0])


def _with_workers() -> float:
    """Return the processor time of this process and of those that ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def silicon_tungsten() -> Detector:
    """Return 20 layers of 3.5 mm of tungsten and 0.5 mm of silicon in cells of 5 mm."""
    edges = tuple(np.linspace(-75, 75, 31).tolist())
    slabs = (
        StackSlab(material="W", thickness=3.5),
        StackSlab(material="Si", thickness=0.5, active=True),
    )
    return Detector(
        name="silicon-tungsten",
        layers=tuple(
            CartesianLayer(z=(4.0 * k, 4.0 * (k + 1)), x=edges, y=edges) for k in range(20)
        ),
        sampling=Sampling(
            absorber=Slab(material="W", thickness=3.5),
            active=Slab(material="Si", thickness=0.5),
            response=0.02,
            stochastic_term=0.17,
        ),
        construction=Construction(stack=(Stack(slabs=slabs, layers=20),)),
    )


if __name__ == "__main__":
    typer.run(main)
