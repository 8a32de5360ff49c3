"""End a training in time: signals of a batch system, a limit of wall time, Ctrl-C."""

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
    """The training stopped before its end, and can go on where it was.

    Like KeyboardInterrupt it is no Exception: a program that trains one model after another and
    goes on after any Exception shall end when it is told to, not begin the next training. Where a
    ``wall_time`` ends a training that the program shall outlive, catch it by its name.

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
    """Tell whether a training shall end before the next step.

    The first signal is remembered, and from then on signals do again what they did before: the
    second one ends the process at once. Signals reach only a program's main thread; in another
    one only the time counts.

    Arguments:
        deadline: When the process must be over, on the clock of :func:`time.monotonic`; None for
            no limit.
    """

    def __init__(self, deadline: float | None = None) -> None:
        self.deadline = deadline
        self._margin = _MARGIN
        if deadline is not None:
            # A short limit is not all margin.
            self._margin = min(_MARGIN, max(0.0, deadline - time.monotonic()) / 10)
        self._signal: str | None = None
        self._before: dict[int, Any] = {}
        self._last: float | None = None
        self._longest = 0.0

    def __enter__(self) -> Stopping:
        if threading.current_thread() is threading.main_thread():
            for name in _SIGNALS:
                number = getattr(signal, name, None)
                # What is ignored stays ignored, as under nohup.
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
        """Begin another step; the longest one tells how much time the next may take."""
        now = time.monotonic()
        if self._last is not None:
            self._longest = max(self._longest, now - self._last)
        self._last = now

    @property
    def reason(self) -> str | None:
        """Why to stop now; None to go on."""
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
