"""The columns of a file beside its cells (:class:`Gathering`): conditions, weights, and the rest.

What another program wrote becomes a condition where it is a number per event, or several
conditions where it is a short vector, ``name.0``, ``name.1`` ..., or has named fields,
``name.field``; in a group it is ``group.name``, which all layouts can hold. ``incident_theta`` and
``incident_phi`` are ``theta`` and ``phi``. What is not kept is noted, with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phys_gan.data.containers.opening import listing
from phys_gan.errors import DataError
from phys_gan.events import WEIGHT_NAMES

WIDEST = 16
"""Numbers per event that a column may have to become conditions."""

MOST = 256
"""Conditions that the columns of another program may become: all of them stay in memory."""

_RENAMED = {"incident_theta": "theta", "incident_phi": "phi"}
_WEIGHTS = {*WEIGHT_NAMES, *(f"event{name}" for name in WEIGHT_NAMES)}
_HEADER = "EventHeader.weight"
_EXACT = 1 << 53  # Double precision holds whole numbers up to this one.
_LISTED = 50


def is_weight(name: str) -> bool:
    """Return whether a column of this name holds the weight of each event.

    It is called weight, weights, event_weight or event_weights, in any capitalisation and with or
    without the underscore, or ``EventHeader.weight`` as in EDM4hep.
    """
    return name == _HEADER or name.casefold().replace("_", "") in _WEIGHTS


def comes_back(name: str) -> bool:
    """Return whether a column of this name is read as a condition of the same name."""
    return not is_weight(name) and name not in _RENAMED and "/" not in name


@dataclass(frozen=True)
class Beside:
    """What a file has of each event beside its cells.

    Attributes:
        conditions: The conditions, (N,) each.
        weights: The weights (N,), where the file has some.
        notes: What is not kept and why, and what may be mistaken, a sentence each.
        optional: Those of the conditions, and ``"weights"``, that are columns of another program.
            Files in which such conditions differ can still be read together.
    """

    conditions: Mapping[str, NDArray[np.float64]]
    weights: NDArray[np.float64] | None = None
    notes: tuple[str, ...] = ()
    optional: frozenset[str] = frozenset()


class Gathering:
    """Take the columns of a file one after the other; :meth:`found` returns what they are.

    Arguments:
        n_events: Number of events N.
        layout: The conditions that the layout itself has, (N,) each.
        kind: What the container calls a column: ``"data set"``, ``"branch"`` or ``"column"``.
        weights: The weights (N,), where the user names them.
        unclear: Names of conditions that a column cannot have, and why, as a clause.
    """

    def __init__(
        self,
        n_events: int,
        layout: Mapping[str, NDArray[np.float64]],
        kind: str,
        weights: NDArray[np.float64] | None = None,
        unclear: Mapping[str, str] | None = None,
    ) -> None:
        self._n, self._kind, self._unclear = n_events, kind, unclear or {}
        self._layout, self._conditions = frozenset(layout), dict(layout)
        self._weights, self._weights_name = weights, ""
        self._optional: set[str] = set()
        self._left: dict[tuple[str, str], list[str]] = {}
        self._suspects: dict[str, None] = {}

    def keep(self, name: str, values: NDArray[np.float64], stored: str) -> None:
        """Take a condition that phys_gan wrote, called ``stored`` in the file.

        Raises:
            DataError: It is there twice.
        """
        if name in WEIGHT_NAMES:
            # Before events had weights, these were conditions.
            self.weigh(stored, values)
            return
        if name in self._conditions:
            raise _twice(f"the condition '{name}' is", stored)
        self._conditions[name] = values

    def weigh(self, name: str, values: NDArray[np.float64]) -> None:
        """Take the weights, (N,).

        Raises:
            DataError: They are there twice.
        """
        if self._weights_name:
            raise _twice(f"the weights ('{self._weights_name}') are", name)
        if self._weights is None:
            self._weights, self._weights_name = values, name
        else:
            self.leave(name, "the weights were said to be others")

    def offer(
        self,
        name: str,
        dtype: np.dtype[Any],
        shape: tuple[int, ...],
        read: Callable[[], NDArray[Any]],
    ) -> None:
        """Take a column that another program wrote, or note why it cannot be kept.

        Arguments:
            name: Its name in the file.
            dtype: The type of its entries.
            shape: How many there are.
            read: Reads it; called only if type and shape will do.

        Raises:
            DataError: A condition or the weights are there twice, or the file is damaged.
        """
        if dtype.subdtype is not None:
            dtype, inner = dtype.subdtype
            shape += inner
        what = self._misfit(dtype, shape)
        if what:
            self.holds(name, what)
            return
        values = read()
        if dtype.names is not None:
            values = values.reshape(self._n)
            for field in dtype.names:
                self.offer_values(f"{name}.{field}", values[field])
        elif shape[1:] in ((), (1,)):
            self._take(name, name, values.reshape(self._n))
        else:
            if is_weight(name):
                self._suspects[name] = None
            for number in range(shape[1]):
                self._take(f"{name}.{number}", name, values[:, number])

    def offer_values(self, name: str, values: NDArray[Any]) -> None:
        """Take a column that is read already, as :meth:`offer` does."""
        self.offer(name, values.dtype, values.shape, lambda: values)

    def leave(self, name: str, why: str, of_many: str = "") -> None:
        """Note that a column is not kept, and why: a clause with "it", and one with "they"."""
        self._left.setdefault((why, of_many or why), []).append(name)

    def holds(self, name: str, what: str) -> None:
        """Note that a column is not kept, since it holds something else."""
        self.leave(name, f"it holds {what}", f"they hold {what}")

    def found(self) -> Beside:
        """Return what was taken, and the notes on it."""
        notes = []
        plural = f"{self._kind}es" if self._kind.endswith("ch") else f"{self._kind}s"
        for (why, of_many), names in self._left.items():
            if len(names) == 1:
                notes.append(f"{self._kind} '{names[0]}' is not kept: {why}")
            else:
                notes.append(f"{plural} {listing(names, _LISTED)} are not kept: {of_many}")
        for name in self._suspects:
            notes.append(
                f"{self._kind} '{name}' became a condition: only one number per event that is "
                f"called 'weight' or 'weights' is taken for the weight of the event"
            )
        return Beside(self._conditions, self._weights, tuple(notes), frozenset(self._optional))

    def _misfit(self, dtype: np.dtype[Any], shape: tuple[int, ...]) -> str:
        """Return what a column holds that cannot become conditions, or an empty text."""
        if dtype.names is None and dtype.kind not in "fiub":
            kinds = {"S": "text", "U": "text", "T": "text", "c": "complex numbers"}
            return kinds.get(dtype.kind, "no numbers")
        if shape[:1] != (self._n,):
            return "other than one entry per event"
        if len(shape) > 2 or (dtype.names is not None and shape[1:] not in ((), (1,))):
            return "a table per event"
        if len(shape) == 2 and not 0 < shape[1] <= WIDEST:
            return f"more than {WIDEST} numbers per event" if shape[1] else "nothing"
        return ""

    def _take(self, name: str, whole: str, values: NDArray[Any]) -> None:
        """Take one number per event, of a column that may have more."""
        beyond = values.dtype.kind in "iu" and len(values) > 0
        if beyond and max(-int(values.min()), int(values.max())) > _EXACT:
            self.holds(name, "whole numbers beyond 2^53, which a condition cannot be")
            return
        with np.errstate(over="ignore"):
            numbers = np.asarray(values, np.float64)
        if is_weight(name):
            if self._n and not numbers.any():
                self.leave(name, "it is 0 in all events, as if it was never set")
            else:
                self.weigh(name, numbers)
                self._optional.add(WEIGHT_NAMES[-1])
            return
        condition = _RENAMED.get(name, name.replace("/", "."))
        wrong = ~np.isfinite(numbers)
        if wrong.any():
            where = f"{wrong.sum()} of {self._n} events (first: event {np.flatnonzero(wrong)[0]})"
            why = f"NaN or infinite in {where}"
            self.leave(name, f"it is {why}", f"they are {why}")
        elif condition in self._layout:
            if not np.array_equal(numbers, self._conditions[condition]):
                self.leave(name, f"the condition '{condition}' comes from elsewhere in the file")
        elif condition in self._conditions:
            raise _twice(f"the condition '{condition}' is", name)
        elif condition in self._unclear:
            self.leave(name, self._unclear[condition])
        elif len(self._optional) >= MOST:
            self.leave(name, f"no more than {MOST} columns become conditions")
        else:
            self._conditions[condition] = numbers
            self._optional.add(condition)
            if "weight" in name.casefold():
                self._suspects[whole] = None


def _twice(what: str, stored: str) -> DataError:
    return DataError(
        f"{what} there twice, the second time as '{stored}'",
        remedy="remove one of them from the file",
        value=stored,
    )
