"""Processes with Geant4 that simulate blocks of events: :func:`simulate_blocks`.

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
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe, wait
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phys_gan.detectors import Detector
from phys_gan.errors import DataError, PhysGanError
from phys_gan.simulation.geant4 import CUT, Entrance, Geant4, Simulated
from phys_gan.simulation.geant4_data import ANALYTIC

_SERVE = "from phys_gan.simulation.workers import serve; serve({})"
_MOST_TRIES = 3
_FATAL = re.compile(r"G4Exception-START.*?\n(.*?)\*\*\* Fatal", re.DOTALL)


@dataclass(frozen=True)
class Setup:
    """What workers simulate.

    Attributes:
        detector: The calorimeter.
        seed: Seed of the events.
        cut: Production cut [mm].
        physics: As for :class:`phys_gan.simulation.geant4.Geant4`.
        entrance: Which particles leave the events in front of the detector.
    """

    detector: Detector
    seed: int
    cut: float = CUT
    physics: str = ANALYTIC
    entrance: Entrance | None = None


def serve(descriptor: int) -> None:
    """Simulate the blocks that come through a pipe, until it is closed; the life of a worker."""
    # Ctrl-C is for the process of the user, which ends its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    connection = Connection(descriptor)
    setup: Setup = connection.recv()
    try:
        with tempfile.TemporaryDirectory(prefix="phys_gan_geant4_") as folder:
            engine = Geant4(
                setup.detector,
                Path(folder),
                cut=setup.cut,
                physics=setup.physics,
                entrance=setup.entrance,
            )
            while True:
                rows, particles = connection.recv()
                n = rows.stop - rows.start
                connection.send(engine.run(particles, n, setup.seed, rows.start))
    except PhysGanError as error:
        connection.send(error)
    except EOFError:
        pass


class _Worker:
    """A worker, and the block that it simulates."""

    def __init__(self, setup: Setup) -> None:
        self.connection, far = Pipe()
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
        self.connection.send(setup)
        self.block: int | None = None

    def begin(self, block: int, rows: slice, particles: Mapping[str, NDArray[np.float64]]) -> None:
        self.block = block
        self.connection.send((rows, particles))

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


def simulate_blocks(
    setup: Setup,
    particles: Mapping[str, NDArray[np.float64]],
    blocks: Sequence[slice],
    workers: int,
) -> Iterator[Simulated]:
    """Simulate blocks of events in several processes; yield them in order.

    Arguments:
        setup: What to simulate.
        particles: Of all events, as :meth:`phys_gan.simulation.geant4.Geant4.run` takes them, in
            the order of the events.
        blocks: The events of each block.
        workers: Number of processes.

    Raises:
        DataError: Geant4 ended with a fatal error, or a block killed its worker again and again.
        PhysGanError: The detector cannot be built, or Geant4 is not installed.
    """
    with ExitStack() as stack:
        team: list[_Worker] = []

        def hire() -> _Worker:
            worker = _Worker(setup)
            stack.callback(worker.close)
            team.append(worker)
            return worker

        for _ in range(min(workers, len(blocks))):
            hire()
        waiting, tries = deque(range(len(blocks))), [0] * len(blocks)
        done: dict[int, Any] = {}
        for coming in range(len(blocks)):
            while coming not in done:
                # Nobody runs so far ahead that results pile up.
                for worker in team:
                    if worker.block is None and waiting and waiting[0] < coming + 4 * workers:
                        block = waiting.popleft()
                        rows = blocks[block]
                        try:
                            worker.begin(block, rows, _of_events(particles, rows))
                        except BrokenPipeError:
                            worker.block = block
                busy = {worker.connection: worker for worker in team if worker.block is not None}
                for connection in wait(list(busy)):
                    worker = busy[connection]  # type: ignore[index]
                    assert worker.block is not None
                    block = worker.block
                    try:
                        result = worker.connection.recv()
                    except (EOFError, ConnectionResetError):
                        team.remove(worker)
                        tries[block] += 1
                        _require_alive(worker, blocks[block], tries[block])
                        waiting.appendleft(block)
                        hire()
                        continue
                    if isinstance(result, PhysGanError):
                        raise result
                    done[block], worker.block = result, None
            yield done.pop(coming)


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
