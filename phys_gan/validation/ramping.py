"""Ramps: one condition over its whole range, the others at their middle, the latents fixed."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from phys_gan.events import Events
from phys_gan.validation.counterparts import Meaning, counterparts, meaning_of
from phys_gan.validation.observables import Observable, measure
from phys_gan.validation.statistics.ramps import Followed, follow

__all__ = ["Ramp", "Range", "Respond", "Response", "measure_ramp"]

_WIDE = 5.0

Respond = Callable[[Mapping[str, NDArray[np.float64]]], Events]
"""Conditions (N,) to the events of the same N latents under them."""


@dataclass(frozen=True)
class Range:
    """The values of a condition among the training events.

    Attributes:
        name: The condition.
        low: Its smallest value.
        high: Its largest.
        angle: Whether it is an angle, whose values have no ratios.

    Example:
        >>> Range("flux", 25.0, 400.0).middle, Range("axis_ratio", 0.5, 1.0).middle
        (100.0, 0.75)
    """

    name: str
    low: float
    high: float
    angle: bool = False

    @property
    def geometric(self) -> bool:
        """Whether steps have equal ratios: positive values over more than a factor of 5."""
        return not self.angle and self.low > 0 and self.high > _WIDE * self.low

    @property
    def middle(self) -> float:
        """The middle, geometric where steps are."""
        return float(self.at(0.5))

    def at(self, share: ArrayLike) -> NDArray[np.float64]:
        """Return the values at shares of the way from the low end, 0 ... 1, to the high one."""
        t = np.asarray(share, np.float64)
        if self.geometric:
            values = self.low * (self.high / self.low) ** t
        else:
            values = self.low + (self.high - self.low) * t
        return np.asarray(np.clip(values, self.low, self.high), np.float64)

    def rounded(self, value: float) -> float:
        """Leave out what is small against the range, where steps are even."""
        if self.geometric or self.high == self.low:
            return value
        places = 2 - math.floor(math.log10(self.high - self.low))
        return round(value, places) + 0.0


@dataclass(frozen=True, eq=False)
class Response:
    """How a measured quantity answers to a condition.

    Attributes:
        observable: What was measured.
        followed: The numbers along the ramp.
    """

    observable: Observable
    followed: Followed

    @property
    def good(self) -> bool:
        """Whether it rises with the condition over the whole range."""
        return self.followed.monotonic and self.followed.responds


@dataclass(frozen=True, eq=False)
class Ramp:
    """A condition over its whole range.

    Attributes:
        range: The condition.
        meaning: How it is shown.
        values: Its values at each step, (S,).
        events: One event at each step, all of the same latents.
        responses: What answers to it; empty where nothing that is measured does.
    """

    range: Range
    meaning: Meaning
    values: NDArray[np.float64]
    events: Events
    responses: Sequence[Response]

    @property
    def name(self) -> str:
        """The condition."""
        return self.range.name

    def number(self, value: float) -> str:
        """Write a value of the condition in the unit in which it is shown, without the unit."""
        return f"{self.range.rounded(float(value)) * self.meaning.factor:.3g}"

    def text(self, value: float) -> str:
        """Write a value of the condition with its unit."""
        return f"{self.number(value)} {self.meaning.unit}".rstrip()

    def verdict(self, response: Response) -> str:
        """Say in one sentence whether a response follows this condition."""
        name, o, f = self.name, response.observable, response.followed
        low, high = self.number(self.values[0]), self.text(self.values[-1])
        if not f.measured:
            lost = np.flatnonzero(f.defined < np.minimum(2, f.defined.max()))
            at = self.text(self.values[lost[0] if len(lost) else 0])
            return f"{o.name} cannot be followed: hardly any event has one at {name} = {at}."
        change = _with_error(abs(f.whole), f.whole_error, o.unit)
        if not f.responds:
            if f.whole < -2 * f.whole_error:
                return f"A higher {name} makes {o.name} smaller: from {low} to {high}, by {change}."
            return f"{o.name} does not follow {name}: from {low} to {high} it changes by {change}."
        if len(f.falls):
            worst = int(f.falls[np.argmin(f.rises[f.falls])])
            first, second = self.number(self.values[worst]), self.text(self.values[worst + 1])
            fall = _with_error(-f.rises[worst], f.rise_errors[worst], o.unit)
            return (
                f"A higher {name} does not always make {o.name} larger: it falls at "
                f"{len(f.falls)} of {len(f.rises)} steps, most from {first} to {second}, by {fall}."
            )
        return f"{o.name} rises with {name} over the whole range, {low} to {high}, by {change}."

    def as_dict(self) -> dict[str, Any]:
        """Return all numbers for explore.json, conditions in their own unit."""
        return {
            "low": self.range.low,
            "high": self.range.high,
            "middle": self.range.middle,
            "geometric": self.range.geometric,
            "values": self.values.tolist(),
            "responses": {r.observable.name: self._response(r) for r in self.responses},
        }

    def _response(self, response: Response) -> dict[str, Any]:
        f = response.followed
        return {
            "unit": response.observable.unit,
            "mean": _numbers(f.mean),
            "spread": _numbers(f.spread),
            "error": _numbers(f.error),
            "defined": f.defined.tolist(),
            "rises": _numbers(f.rises),
            "rise_errors": _numbers(f.rise_errors),
            "change": _number(f.whole),
            "change_error": _number(f.whole_error),
            "spearman": _number(f.spearman),
            "monotonic": f.monotonic,
            "responds": f.responds,
            "verdict": self.verdict(response),
        }


def measure_ramp(
    respond: Respond, ranges: Sequence[Range], name: str, n: int, *, steps: int = 9
) -> Ramp:
    """Let a condition run over its range and measure what answers to it.

    Arguments:
        respond: Makes events of the same n latents under given conditions.
        ranges: All conditions of the model; the others stay at their middle.
        name: Which condition runs.
        n: Number of latents.
        steps: Number of values.
    """
    wanted = next(one for one in ranges if one.name == name)
    values = wanted.at(np.linspace(0, 1, steps))
    middle = {one.name: np.full(n, one.middle) for one in ranges}
    rows: list[Events] = []
    measured: list[dict[str, NDArray[np.float64]]] = []
    observables: list[Observable] = []
    for value in values:
        events = respond(middle | {name: np.full(n, value)})
        observables = observables or counterparts(events.detector, name)
        measured.append(measure(events, observables))
        rows.append(events[:1])
    row = Events.concatenate(rows)
    meaning = meaning_of(row.detector, name)
    responses = [
        Response(
            o,
            follow(np.stack([m[o.name] for m in measured]), meaning.period, float(values[0])),
        )
        for o in observables
    ]
    return Ramp(wanted, meaning, values, row, responses)


def _with_error(value: float, error: float, unit: str) -> str:
    # An error below the last figure says nothing.
    known = f" ± {error:.1g}" if error > 5e-4 * abs(value) else ""
    return f"{value:.3g}{known} {unit}".rstrip().replace("-", "−")


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _numbers(values: NDArray[np.float64]) -> list[float | None]:
    return [_number(value) for value in values]
