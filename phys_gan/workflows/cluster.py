"""Cluster: Dask workers, here or on other machines, that do many tasks which must all succeed.

References:
    Dask: Parallel Computation with Blocked algorithms and Task Scheduling (Rocklin, 2015),
    https://doi.org/10.25080/Majora-7b98e3ed-013
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

from phys_gan._version import __version__
from phys_gan.errors import ConfigError, OutputError, PhysGanError

Task = TypeVar("Task")
Result = TypeVar("Result")

_LOCAL = "local"
_RETRIES = 2
_TASKS = 4
"""Tasks per worker: enough that none waits long for the last ones."""
_FEWEST = 4
"""Workers counted on at least: more may still come."""
_SAME_VERSION = "install the same version for all workers"


class LostError(OutputError):
    """Workers or the scheduler died; what was written before is kept."""


@dataclass(frozen=True)
class Cluster:
    """A connection to the scheduler of Dask workers.

    Arguments:
        client: A ``distributed.Client``.
        name: What the user called it.
    """

    client: Any
    name: str

    @property
    def n_workers(self) -> int:
        """Number of workers at this moment; there may be more, or fewer, later."""
        return len(self.client.scheduler_info(n_workers=-1)["workers"])

    @property
    def n_tasks(self) -> int:
        """Into how many tasks work should be cut."""
        return _TASKS * max(_FEWEST, self.n_workers)

    def each(
        self, function: Callable[[Task], Result], tasks: Sequence[Task], *, retries: int = _RETRIES
    ) -> Iterator[tuple[int, Result]]:
        """Do tasks on the workers; those of a worker that dies are done by another.

        A task that kills four workers (``distributed.scheduler.allowed-failures`` is 3) is given
        up, since it would kill all others as well.

        Arguments:
            function: A function of a module that the workers have.
            tasks: Its arguments, one each.
            retries: How often a task that fails is tried again.

        Yields:
            The place of a task and its result, in the order in which they are done.

        Raises:
            LostError: The scheduler is gone, or a task killed its workers.
            ConfigError: The workers do not have the function.
            Exception: What a task raised at its last attempt; tasks not yet begun are cancelled.
        """
        self._require_package()
        # Each task has a key of its own: equal ones of another client are not waited for.
        futures = self.client.map(function, tasks, pure=False, retries=retries)
        waiting = {future.key: place for place, future in enumerate(futures)}
        try:
            for future in _dask().as_completed(futures, loop=self.client.loop):
                with _explained(self.name):
                    result = future.result()
                # A result that is not needed any more is not made again when its worker dies.
                future.release()
                yield waiting.pop(future.key), result
        finally:
            if self.client.status == "running":
                self.client.cancel([future for future in futures if future.key in waiting])

    def reduce(
        self,
        function: Callable[[Task], Result],
        merge: Callable[[Result, Result], Result],
        tasks: Sequence[Task],
        report: Callable[[int], None],
    ) -> Result:
        """Do tasks as :meth:`each` does, at least one, and merge neighbours pair by pair there.

        ``merge`` makes one result of two, which stay as they are; ``report`` is called with the
        place of each task that is done.
        """
        self._require_package()
        leaves = self.client.map(function, tasks, pure=False, retries=_RETRIES)
        layer = leaves
        while len(layer) > 1:
            pairs = [layer[place : place + 2] for place in range(0, len(layer), 2)]
            layer = [
                self.client.submit(merge, *pair, pure=False) if len(pair) == 2 else pair[0]
                for pair in pairs
            ]
        places = {future.key: place for place, future in enumerate(leaves)}
        with _explained(self.name):
            for future in _dask().as_completed(leaves, loop=self.client.loop):
                if future.status == "error":
                    future.result()
                report(places[future.key])
            result: Result = layer[0].result()
        return result

    def _require_package(self) -> None:
        """Require that workers can import us: a task that cannot be unpacked kills a worker."""
        found = self.client.run(import_module, "phys_gan", on_error="return")
        for error in found.values():
            if isinstance(error, ImportError):
                raise _other_package(self.name, error) from error


@contextmanager
def connect(address: str, *, timeout: float = 30.0) -> Iterator[Cluster]:
    """Connect to a scheduler, or start workers on this machine for as long as the block runs.

    Arguments:
        address: Address of a scheduler, such as ``tcp://host:8786``; ``local`` for a worker process
            per core of this machine, or ``local:4`` for four.
        timeout: How long to wait for the scheduler [s]; workers may come later.

    Raises:
        ConfigError: Dask is not installed, there is no scheduler, or the address is malformed.
    """
    dask = _dask()
    kind, _, number = address.partition(":")
    if kind == _LOCAL:
        # Without a dashboard no port can be taken already.
        with (
            dask.LocalCluster(
                _processes(number), threads_per_worker=1, dashboard_address=None
            ) as local,
            dask.Client(local, set_as_default=False) as client,
        ):
            yield Cluster(client, address)
        return
    try:
        client = dask.Client(address, timeout=timeout, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"there is no Dask scheduler at '{address}'",
            remedy="give its address, such as tcp://host:8786, or 'local' for this machine",
            value=address,
        ) from error
    # Dask prints tracebacks when the connection breaks.
    log = logging.getLogger("distributed.client")
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        with client:
            yield Cluster(client, address)
    finally:
        log.setLevel(level)


def require_shared(path: Path, version: str) -> None:
    """Require, on a worker, that it sees a file of the client and runs the same phys_gan.

    Raises:
        ConfigError: It does not.
    """
    host = socket.gethostname()
    if version != __version__:
        raise ConfigError(
            f"the worker on '{host}' runs phys_gan {__version__}, not {version}",
            remedy=_SAME_VERSION,
            value=__version__,
            constraint=version,
        )
    if not path.exists():
        raise ConfigError(
            f"the worker on '{host}' does not see '{path}'",
            remedy="use a folder that all machines share, under the same path",
            value=str(path),
        )


def _dask() -> Any:
    try:
        return import_module("distributed")
    except ImportError as error:
        raise ConfigError(
            "Dask is not installed", remedy="pip install 'phys_gan[cluster]'"
        ) from error


def _processes(number: str) -> int:
    if not number:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    if not (number.isdecimal() and int(number)):
        raise ConfigError(
            f"'{number}' is not a number of worker processes",
            remedy="write 'local:4', or 'local' for one per core",
            value=number,
        )
    return int(number)


@contextmanager
def _explained(name: str) -> Iterator[None]:
    """Turn what Dask raises into one sentence."""
    from concurrent.futures import CancelledError

    from distributed.comm.core import CommClosedError
    from distributed.scheduler import KilledWorker

    try:
        yield
    except PhysGanError:
        raise
    except KilledWorker as error:
        raise LostError(
            f"one task killed {error.allowed_failures + 1} workers of '{name}', one after the "
            f"other",
            remedy="look into their logs, most often for a lack of memory",
        ) from error
    except (CancelledError, CommClosedError) as error:
        raise LostError(f"the Dask scheduler '{name}' is gone", remedy="start it again") from error
    except (ImportError, AttributeError) as error:
        raise _other_package(name, error) from error


def _other_package(name: str, error: Exception) -> ConfigError:
    return ConfigError(
        f"the workers of '{name}' cannot run this phys_gan ({error})", remedy=_SAME_VERSION
    )
