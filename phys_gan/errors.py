"""Errors that are also built-in ones, each in one sentence with what to do about it.

:class:`Notice` is for what stops nothing.
"""

from __future__ import annotations

from typing import Any

_SHORTAGES = ("can't allocate memory", "not enough memory", "out of memory", "Unable to allocate")
"""What torch says on CPU and CUDA where NumPy and Python raise MemoryError."""


class PhysGanError(Exception):
    """One sentence: what is wrong, and what the user can do about it.

    Arguments:
        problem: What is wrong, with the offending value and the constraint, without a full stop.
        remedy: What to do about it, as an imperative.
        value: The offending value, for programs.
        constraint: What was allowed, for programs.
    """

    def __init__(
        self, problem: str, *, remedy: str = "", value: Any = None, constraint: Any = None
    ) -> None:
        super().__init__(problem)
        self.problem = problem
        self.remedy = remedy
        self.value = value
        self.constraint = constraint

    def __str__(self) -> str:
        return f"{self.problem}; {self.remedy}" if self.remedy else self.problem


class DataError(PhysGanError, ValueError):
    """The content of a file or an array is not what it must be."""


class MissingError(PhysGanError, LookupError):
    """What the user named (a tree, branch, data set, recipe or model) does not exist."""


class DetectorError(PhysGanError, ValueError):
    """A detector description is wrong, or is not the one that the data or the model need."""


class RangeError(PhysGanError, ValueError):
    """A number lies outside the range in which it has a meaning."""


class ConfigError(PhysGanError, ValueError):
    """A configuration (recipe, option, ``--set``) is wrong."""


class OutputError(PhysGanError, OSError):
    """A result could not be written; what stood there before is untouched."""


class Notice(UserWarning):
    """What the user should know and what stops nothing, in one sentence as of errors."""


def is_shortage(error: BaseException) -> bool:
    """Return whether an error of Python, NumPy or torch means too little memory.

    Example:
        >>> is_shortage(RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB."))
        True
    """
    shortage = any(words in str(error) for words in _SHORTAGES)
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and shortage)
