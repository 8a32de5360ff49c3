""":class:`Stopping`: end a training in time, at a signal, Ctrl-C or the end of the wall time."""

from __future__ import annotations

import signal
import threading
import time
from types import FrameType, TracebackType
from typing import Any

_SIGNALS = ("SIGTERM", "SIGUSR1", "SIGINT")
_MARGIN = 5.0
"""Seconds that a process needs to end."""


class Unfinished(BaseException):
    """The training stopped before its end, and can be resumed.

    Like KeyboardInterrupt it is not an Exception: a program that trains several models and
    continues after any Exception has to end at a signal, not begin the next training. A program
    that outlives the ``wall_time`` of a training catches it by its name.

    Arguments:
        shown: Events shown so far.
        total: Events of the whole training.
        reason: Why it stopped.

    Attributes:
        shown: Events shown so far.
    """

    def __init__(self, shown: int, total: int, reason: str) -> None:
        super().__init__(
            f"stopped after {shown:,} of {total:,} events because {reason}; the checkpoint holds "
            "all of it: go on with --resume"
        )
        self.shown = shown


class Stopping:
    """Decide whether a training has to end before the next step.

    The first signal is remembered, and restores the previous handlers: the second one ends the
    process at once. Signals reach only a program's main thread; in another one only the time
    counts.

    Arguments:
        deadline: When the process must be over, on the clock of :func:`time.monotonic`; None for
            no limit.
    """

    def __init__(self, deadline: float | None = None) -> None:
        self.deadline = deadline
        self._margin = _MARGIN
        if deadline is not None:
            # A tenth of a short limit.
            self._margin = min(_MARGIN, max(0.0, deadline - time.monotonic()) / 10)
        self._signal: str | None = None
        self._before: dict[int, Any] = {}
        self._last: float | None = None
        self._longest = 0.0

    def __enter__(self) -> Stopping:
        if threading.current_thread() is threading.main_thread():
            for name in _SIGNALS:
                number = getattr(signal, name, None)
                # Ignored signals stay ignored, as under nohup.
                if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._remember)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._restore()

    def tick(self) -> None:
        """Begin another step, and measure the one before."""
        now = time.monotonic()
        if self._last is not None:
            self._longest = max(self._longest, now - self._last)
        self._last = now

    @property
    def reason(self) -> str | None:
        """The reason to stop now; None to go on."""
        if self._signal is not None:
            return f"{self._signal} came"
        # One more step, and one that writes a report and a checkpoint.
        needed = 2 * self._longest + self._margin
        if self.deadline is not None and time.monotonic() + needed >= self.deadline:
            return "its wall time is nearly over"
        return None

    def _remember(self, number: int, frame: FrameType | None) -> None:
        self._signal = signal.Signals(number).name
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}
