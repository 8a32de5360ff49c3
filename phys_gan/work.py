"""Work in threads, in order and in bounded memory: :func:`parallel_map` and :func:`read_ahead`.

NumPy, torch and the compression libraries release the interpreter lock, so that threads help.
Results come in the order of the work and do not depend on the number of threads.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol, TypeVar

Piece = TypeVar("Piece")
Done = TypeVar("Done")

MOST_THREADS = 4
"""Threads by default, where the machine has as many cores: the memory bus is busy with four."""


class Progress(Protocol):
    """Called with what is being done, and how many events or parts of it are done."""

    def __call__(self, stage: str, done: int, /) -> None:
        """Show it."""


def silent(stage: str, done: int, /) -> None:
    """Show no progress."""


def parallel_map(
    function: Callable[[Piece], Done], pieces: Iterable[Piece], threads: int | None = None
) -> Generator[Done]:
    """Apply a function to pieces of work in several threads, and yield its results in order.

    Two pieces per thread are under way at any time, so that memory stays bounded. A caller that
    stops early waits for those in work only.

    Arguments:
        function: Function of a piece; an exception reaches the caller.
        pieces: The pieces, taken when there is room for them.
        threads: Number of threads; by default one per CPU core, but at most 4. With one, the
            caller's thread does the work.
    """
    threads = threads or min(os.cpu_count() or 1, MOST_THREADS)
    if threads < 2:
        yield from map(function, pieces)
        return
    under_way: deque[Future[Done]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for piece in pieces:
                under_way.append(pool.submit(function, piece))
                if len(under_way) > 2 * threads:
                    yield under_way.popleft().result()
            while under_way:
                yield under_way.popleft().result()
        finally:
            for task in under_way:
                task.cancel()


def read_ahead(items: Iterator[Done]) -> Iterator[Done]:
    """Yield items, each of which is made in a thread while the one before is in use."""
    end = object()
    with ThreadPoolExecutor(1) as thread:
        current = next(items, end)
        while current is not end:
            coming = thread.submit(next, items, end)
            yield current  # type: ignore[misc]
            current = coming.result()
