"""Full simulation in several processes: :class:`FullSimulation`.

Geant4 ends the process where something is fatally wrong, and cannot be built twice in one; so it
never runs in the process of the user. Workers are new interpreters that get their work through a
pipe; what they print goes to a file, of which only the text of a fatal error is shown. The block of
a worker that was killed is made again by another one.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from hashlib import sha256
from multiprocessing.connection import Connection, Pipe, wait
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from phys_gan._version import __version__
from phys_gan.detectors import Detector
from phys_gan.errors import DataError, DetectorError, MissingError, PhysGanError, RangeError
from phys_gan.events import Events
from phys_gan.simulation.geant4 import CUT, REVISION, Entrance, Geant4, Simulated
from phys_gan.simulation.geant4_data import ANALYTIC
from phys_gan.units import MEV, PARTICLES

INCIDENCE = ("theta", "phi", "x", "y")
"""Conditions beside energy and particle: angles [rad], and where the particle enters the first slab
[mm]; 0 by default."""

_ENERGY_RANGE = (1e-3, 1e8)
"""Kinetic energies [MeV] that Geant4's electromagnetic physics is made for."""
_TASK = 4
"""Events that a worker simulates at a time."""
_SERVE = "from phys_gan.simulation.workers import serve; serve({})"
_MOST_TRIES = 3
_FATAL = re.compile(r"G4Exception-START.*?\n(.*?)\*\*\* Fatal", re.DOTALL)


@dataclass(frozen=True)
class FullSimulation:
    """Geant4 with one detector, in several processes.

    An event depends on the seed, its number and its conditions alone: it is the same, bit for bit,
    for any number of workers.

    Attributes:
        detector: The calorimeter.
        cut: Production cut [mm]: no electrons and photons of a shorter range are produced.
        physics: ``"em-analytic"``, which needs no data sets, or what Geant4's data sets
            (``GEANT4_DATA_DIR``) allow for: ``"em-standard"`` or the name of a reference list.
        workers: Number of processes; by default one per CPU core.
        entrance: Which particles leave the events in front of the detector.

    Raises:
        DetectorError: The detector cannot be built of what its description holds.
        RangeError: The cut or the number of workers is not positive.
    """

    detector: Detector
    cut: float = CUT
    physics: str = ANALYTIC
    workers: int | None = None
    entrance: Entrance | None = None

    def __post_init__(self) -> None:
        self.detector.pieces()
        if self.detector.cell_unit not in MEV:
            raise DetectorError(
                f"detector '{self.detector.name}' has cells in '{self.detector.cell_unit}', not an "
                "energy",
                remedy=f"use one of: {', '.join(MEV)}",
                value=self.detector.cell_unit,
            )
        for name, value in (("cut", self.cut), ("workers", self.workers)):
            if value is not None and not 0 < value < float("inf"):
                raise RangeError(
                    f"{name} = {value:g} is not positive", remedy="give one above 0", value=value
                )

    @property
    def n_workers(self) -> int:
        """Number of processes."""
        return self.workers or os.cpu_count() or 1

    @property
    def digest(self) -> str:
        """SHA-256 of what decides about the events, seed and conditions apart."""
        content = self.detector.to_toml(), self.physics, self.cut, self.entrance, REVISION
        return sha256("\n".join(map(str, content)).encode()).hexdigest()

    def stream(
        self,
        conditions: Mapping[str, ArrayLike],
        seed: int = 0,
        *,
        number: int = 0,
        block: int = 64,
        weights: ArrayLike | None = None,
    ) -> Iterator[Events]:
        """Simulate events of one particle each, block by block.

        Arguments:
            conditions: ``energy`` [MeV], ``pdg``, and what there is of ``theta``, ``phi`` [rad],
                ``x`` and ``y`` [mm], each (N,).
            seed: Seed of the events.
            number: Number of the first event.
            block: Events of a block; the last one may be smaller.
            weights: Weights that the events get, (N,).

        Raises:
            RangeError: A condition has no meaning.
            MissingError: The physics has no such particle, or needs data sets that are missing.
            DetectorError: Geant4 does not know a material.
            DataError: Geant4 ended with a fatal error.
        """
        begin, given = 0, None if weights is None else np.asarray(weights, np.float64)
        for events, _ in self.simulate(conditions, seed, number=number, block=block):
            rows = slice(begin, begin := begin + len(events))
            yield events if given is None else replace(events, weights=given[rows])

    def simulate(
        self,
        conditions: Mapping[str, ArrayLike],
        seed: int = 0,
        *,
        number: int = 0,
        block: int = 64,
    ) -> Iterator[tuple[Events, Simulated]]:
        """Simulate events of one particle each, with what an entrance took out of them.

        Arguments and errors are those of :meth:`stream`.
        """
        named = {name: np.asarray(values, np.float64) for name, values in conditions.items()}
        require_incidence(named)
        n, unit = len(named["energy"]), MEV[self.detector.cell_unit]
        provenance = {**self.provenance(named["pdg"]), "seed": str(seed)}
        parts = self.blocks(named, n, seed, number=number, block=block)
        for begin, part in zip(range(0, n, block), parts, strict=True):
            yield (
                Events(
                    (part.cells / unit).astype(np.float32),
                    {name: values[begin : begin + block] for name, values in named.items()},
                    self.detector,
                    (part.overflow / unit).astype(np.float32),
                    provenance,
                ),
                part,
            )

    def blocks(
        self,
        particles: Mapping[str, NDArray[np.float64]],
        n: int,
        seed: int = 0,
        *,
        number: int = 0,
        block: int = 64,
    ) -> Iterator[Simulated]:
        """Simulate n events of any number of particles each, block by block.

        Arguments:
            particles: As :meth:`phys_gan.simulation.geant4.Geant4.run` takes them, in the order of
                the events.
            n: Number of events.
            seed: Seed of the events.
            number: Number of the first event.
            block: Events of a block; the last one may be smaller.

        Raises:
            PhysGanError: As in :meth:`stream`.
        """
        # Tasks do not cross the ends of blocks, and are small where events are few.
        size = max(1, min(_TASK, n // (4 * self.n_workers)))
        tasks = [
            slice(first, min(first + size, begin + block, n))
            for begin in range(0, n, block)
            for first in range(begin, min(begin + block, n), size)
        ]
        done: list[Simulated] = []
        for rows, part in zip(tasks, self._tasks(particles, tasks, seed, number), strict=True):
            done.append(part)
            if rows.stop % block == 0 or rows.stop == n:
                yield Simulated.joined(done)
                done = []

    def provenance(self, pdg: NDArray[np.float64]) -> dict[str, str]:
        """Return how events of some particles are made, as :class:`phys_gan.Events` has it."""
        names = {particle.pdg: particle.name for particle in PARTICLES}
        kinds = np.unique(pdg).astype(int).tolist()
        return {
            "simulator": "Geant4 11.4.1 (geant4-pybind 0.1.3)",
            "physics": self.physics,
            "cut": f"{self.cut:g} mm",
            "particle": ", ".join(names.get(kind, str(kind)) for kind in kinds),
            "version": __version__,
        }

    def _tasks(
        self,
        particles: Mapping[str, NDArray[np.float64]],
        tasks: Sequence[slice],
        seed: int,
        number: int,
    ) -> Iterator[Simulated]:
        """Simulate the events of each task in several processes; yield them in order."""
        workers = self.n_workers
        with ExitStack() as stack:
            team: list[_Worker] = []

            def hire() -> _Worker:
                worker = _Worker(self)
                stack.callback(worker.close)
                team.append(worker)
                return worker

            for _ in range(min(workers, len(tasks))):
                hire()
            waiting, tries = deque(range(len(tasks))), [0] * len(tasks)
            done: dict[int, Any] = {}
            for coming in range(len(tasks)):
                while coming not in done:
                    # Nobody runs so far ahead that results pile up.
                    for worker in team:
                        if worker.block is None and waiting and waiting[0] < coming + 4 * workers:
                            block = waiting.popleft()
                            rows = tasks[block]
                            task = _of_events(particles, rows), rows.stop - rows.start
                            try:
                                worker.begin(block, *task, seed, number + rows.start)
                            except BrokenPipeError:
                                worker.block = block
                    busy = {
                        worker.connection: worker for worker in team if worker.block is not None
                    }
                    for connection in wait(list(busy)):
                        worker = busy[connection]  # type: ignore[index]
                        assert worker.block is not None
                        block = worker.block
                        try:
                            result = worker.connection.recv()
                        except (EOFError, ConnectionResetError):
                            team.remove(worker)
                            tries[block] += 1
                            _require_alive(worker, tasks[block], tries[block])
                            waiting.appendleft(block)
                            hire()
                            continue
                        if isinstance(result, PhysGanError):
                            raise result
                        done[block], worker.block = result, None
                yield done.pop(coming)


def serve(descriptor: int) -> None:
    """Simulate the blocks that come through a pipe, until it is closed; the life of a worker."""
    # Ctrl-C is for the process of the user, which ends its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    connection = Connection(descriptor)
    full, folder = connection.recv()
    try:
        engine = Geant4(
            full.detector, folder, cut=full.cut, physics=full.physics, entrance=full.entrance
        )
        while True:
            connection.send(engine.run(*connection.recv()))
    except PhysGanError as error:
        connection.send(error)
    except EOFError:
        pass


class _Worker:
    """A worker, and the block that it simulates."""

    def __init__(self, full: FullSimulation) -> None:
        self.connection, far = Pipe()
        self._folder = tempfile.TemporaryDirectory(prefix="phys_gan_geant4_")
        self._output = tempfile.TemporaryFile()  # noqa: SIM115
        self.process = subprocess.Popen(
            [sys.executable, "-c", _SERVE.format(far.fileno())],
            pass_fds=[far.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=self._output,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        far.close()
        self.connection.send((full, Path(self._folder.name)))
        self.block: int | None = None

    def begin(self, block: int, *task: Any) -> None:
        self.block = block
        self.connection.send(task)

    def fatal(self) -> str:
        """Return what Geant4 or Python said before the worker ended; empty if it was killed."""
        self._output.seek(0)
        text = self._output.read().decode(errors="replace")
        if found := _FATAL.search(text):
            lines = [line.strip("* ") for line in found[1].splitlines()]
            return " ".join(line for line in lines if line)
        trace = text.rpartition("Traceback (most recent call last)")
        return trace[2].strip().splitlines()[-1] if trace[1] else ""

    def close(self) -> None:
        self.connection.close()
        self.process.kill()
        self.process.wait()
        self._output.close()
        self._folder.cleanup()


def _of_events(
    particles: Mapping[str, NDArray[np.float64]], rows: slice
) -> dict[str, NDArray[np.float64]]:
    """Return the particles of some events, which are counted from the first of these."""
    if "event" not in particles:
        return {name: values[rows] for name, values in particles.items()}
    begin, end = np.searchsorted(particles["event"], [rows.start, rows.stop])
    part = {name: values[begin:end] for name, values in particles.items()}
    return {**part, "event": part["event"] - rows.start}


def _require_alive(worker: _Worker, rows: slice, tries: int) -> None:
    """Raise what ended a worker, unless another one may try again."""
    worker.process.wait()
    events = f"events {rows.start} to {rows.stop - 1}"
    if text := worker.fatal():
        raise DataError(
            f"Geant4 ended with a fatal error in {events}: {text}",
            remedy="correct the detector or the conditions that it names",
        )
    if tries >= _MOST_TRIES:
        raise DataError(
            f"the process that simulates {events} was killed {tries} times "
            f"(exit code {worker.process.returncode})",
            remedy="give it more memory, or ask for fewer workers",
        )


def require_incidence(conditions: Mapping[str, NDArray[np.float64]]) -> None:
    """Require that particles can come as conditions say.

    Raises:
        MissingError: Energy or particle is missing, or a condition is not one of a particle.
        RangeError: A value is outside of its range.
    """
    known = ("energy", "pdg", *INCIDENCE)
    if missing := {"energy", "pdg"} - set(conditions):
        raise MissingError(f"the condition '{min(missing)}' is missing", remedy="give it")
    limits = {"energy": _ENERGY_RANGE, "theta": (0.0, 1.5)}
    for name, values in conditions.items():
        if name not in known:
            raise MissingError(
                f"a particle has no condition '{name}'; it has {', '.join(known)}",
                remedy="leave it out",
                value=name,
            )
        low, high = limits.get(name, (-1e9, 1e9))
        bad = values[~((values >= low) & (values <= high))]
        if bad.size:
            raise RangeError(
                f"{name} is {bad[0]:g}, but full simulation needs {low:g} to {high:g}"
                + {"energy": " MeV", "theta": " rad"}.get(name, ""),
                remedy="stay within this range",
                value=float(bad[0]),
                constraint=(low, high),
            )
