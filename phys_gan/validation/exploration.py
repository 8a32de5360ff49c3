"""An :class:`Exploration` of a trained model: events, ramps of conditions, latent walks, styles.

In a :class:`Ramp` one condition runs over its whole range while the others stay at their middle and
the latents are fixed. What is measured of the events should rise with the condition: which quantity
that is, is in :data:`MEANINGS`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from phys_gan.detectors import Detector, ImageLayer
from phys_gan.errors import MissingError
from phys_gan.events import Events
from phys_gan.files import finite, numbers_first
from phys_gan.metrics.response import Followed, follow
from phys_gan.observables import OBSERVABLES, Observable, Showers, measure, select
from phys_gan.work import Progress


@dataclass(frozen=True)
class Meaning:
    """How a condition is shown, and what is measured of it.

    Attributes:
        label: LaTeX label.
        unit: Unit in which it is shown; ``{cell}`` stands for that of the cells.
        factor: From its own unit to that one.
        measured: The observable that rises with it: its name in the registry, or the observable.
        period: Period of what is measured, where it is an angle.
        equal: Whether an ideal detector measures the condition itself.
    """

    label: str
    unit: str = ""
    factor: float = 1.0
    measured: str | Observable | None = None
    period: float | None = None
    equal: bool = False

    @property
    def angle(self) -> bool:
        """Whether it is an angle."""
        return self.unit == "rad"

    @property
    def axis_label(self) -> str:
        """Label with unit."""
        return f"{self.label} [{self.unit}]" if self.unit else self.label

    def text(self, value: float) -> str:
        """Write a value of the condition, in its own unit, with the unit in which it is shown."""
        return f"{value * self.factor:.3g} {self.unit}".rstrip()


def _total(showers: Showers) -> NDArray[np.float64]:
    return showers.total / 1000


def _angle(showers: Showers) -> NDArray[np.float64]:
    g1, g2 = (OBSERVABLES[name].compute(showers) for name in ("g1_{k}", "g2_{k}"))
    return np.asarray(np.arctan2(g2, g1) / 2, np.float64)


_E_TOT = Observable("E_tot", _total, r"$E_\mathrm{tot}$", "GeV", description="Energy in all cells.")
_ANGLE = Observable(
    "position_angle_{k}",
    _angle,
    r"$\varphi_{k}$",
    "rad",
    description="Angle of the major axis of band {k}: adaptive moments.",
    applies=lambda layer: isinstance(layer, ImageLayer),
)

MEANINGS: Mapping[str, Meaning] = MappingProxyType(
    {
        "energy": Meaning(r"$E_\mathrm{inc}$", "GeV", 1e-3, _E_TOT),
        "theta": Meaning(r"$\theta$", "rad"),
        "phi": Meaning(r"$\varphi$", "rad"),
        "flux": Meaning(r"$F_\mathrm{in}$", "{cell}", measured="flux_{k}", equal=True),
        "half_light_radius": Meaning(
            r"$R_\mathrm{in}$", "arcsec", measured="half_light_radius_{k}"
        ),
        "sersic_index": Meaning(r"$n_\mathrm{in}$", measured="concentration_{k}"),
        "axis_ratio": Meaning(r"$q_\mathrm{in}$", measured="axis_ratio_{k}"),
        "position_angle": Meaning(
            r"$\varphi_\mathrm{in}$", "rad", measured=_ANGLE, period=math.pi, equal=True
        ),
        "noise": Meaning(r"$\sigma_\mathrm{in}$", "{cell}", measured="noise_{k}", equal=True),
    }
)
"""The conditions that are known by name. What is measured of one rises with it."""


def meaning_of(detector: Detector, condition: str) -> Meaning:
    """Return how a condition is shown; an unknown one has its name for a label.

    Example:
        >>> from phys_gan.detectors import load_detector
        >>> meaning_of(load_detector("calogan"), "energy").text(50_000.0)
        '50 GeV'
    """
    known = MEANINGS.get(condition)
    if known is None:
        return Meaning(condition.replace("_", " ").replace("$", r"\$"))
    return replace(known, unit=known.unit.replace("{cell}", detector.cell_unit))


def counterparts(detector: Detector, condition: str) -> list[Observable]:
    """Return what is measured of a condition, one observable per band of an image; may be none.

    Example:
        >>> from phys_gan.detectors import load_detector
        >>> [o.name for o in counterparts(load_detector("galaxies-32"), "flux")]
        ['flux_r']
        >>> counterparts(load_detector("calogan"), "theta")
        []
    """
    wanted = meaning_of(detector, condition).measured
    if wanted is None:
        return []
    try:
        return select(detector, [condition], [wanted])
    except MissingError:
        return []


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

    def at(self, fraction: ArrayLike) -> NDArray[np.float64]:
        """Return the values at fractions of the way from the low end to the high one."""
        t = np.asarray(fraction, np.float64)
        if self.geometric:
            values = self.low * (self.high / self.low) ** t
        else:
            values = self.low + (self.high - self.low) * t
        return np.asarray(np.clip(values, self.low, self.high), np.float64)

    def rounded(self, value: float) -> float:
        """Round to a thousandth of the range, where steps are even."""
        if self.geometric or self.high == self.low:
            return value
        places = 2 - math.floor(math.log10(self.high - self.low))
        return round(value, places) + 0.0


@dataclass(frozen=True, eq=False)
class Response:
    """How a measured quantity follows a condition.

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
        responses: What is measured of it; may be empty.
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
        """Return in one sentence whether a response follows this condition."""
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
        found: dict[str, Any] = finite(
            {
                "unit": response.observable.unit,
                "mean": f.mean.tolist(),
                "spread": f.spread.tolist(),
                "error": f.error.tolist(),
                "defined": f.defined.tolist(),
                "rises": f.rises.tolist(),
                "rise_errors": f.rise_errors.tolist(),
                "change": f.whole,
                "change_error": f.whole_error,
                "spearman": f.spearman,
                "monotonic": f.monotonic,
                "responds": f.responds,
                "verdict": self.verdict(response),
            }
        )
        return found


def measure_ramp(
    respond: Respond, ranges: Sequence[Range], name: str, n: int, *, steps: int = 9
) -> Ramp:
    """Let a condition run over its range and measure the response.

    Arguments:
        respond: Makes events of the same n latents under given conditions.
        ranges: All conditions of the model; the others stay at their middle.
        name: Which condition runs.
        n: Number of latents.
        steps: Number of values.
    """
    running = next(one for one in ranges if one.name == name)
    values = running.at(np.linspace(0, 1, steps))
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
    columns = {o: np.stack([m[o.name] for m in measured]) for o in observables}
    responses = [
        Response(o, follow(column, meaning.period, float(values[0])))
        for o, column in columns.items()
    ]
    return Ramp(running, meaning, values, row, responses)


def _with_error(value: float, error: float, unit: str) -> str:
    # An error below the last figure is left out.
    known = f" ± {error:.1g}" if error > 5e-4 * abs(value) else ""
    return f"{value:.3g}{known} {unit}".rstrip().replace("-", "−")


@dataclass(frozen=True, eq=False)
class Mixed:
    """Events of two styles, row by row.

    Attributes:
        coarse: The source of the coarse layers of each row, R events.
        fine: The source of the fine layers of each column, C events.
        events: The R x C events.
        layer: The first layer of the fine ones.
        n_layers: Layers that have a style.
    """

    coarse: Events
    fine: Events
    events: Events
    layer: int
    n_layers: int


@dataclass(frozen=True, eq=False)
class Exploration:
    """Events of a model that show what it does with its latents and conditions.

    Attributes:
        events: Events of random latents under random conditions.
        ramps: Every condition over its whole range.
        constant: Conditions with one value in all training events.
        walks: Events along paths between random latents, under the middle conditions.
        mixed: Events of mixed styles, of a StyleGAN.
        n: Latents at each step of a ramp.
        seed: Seed of all latents and random conditions.
        provenance: How the model was made.
    """

    events: Events
    ramps: Sequence[Ramp]
    constant: Sequence[str]
    walks: Sequence[Events]
    mixed: Mixed | None
    n: int
    seed: int
    provenance: Mapping[str, str]

    @property
    def detector(self) -> Detector:
        """The detector of the model."""
        return self.events.detector

    @property
    def responses(self) -> list[tuple[Ramp, Response]]:
        """All responses, with their ramps."""
        return [(ramp, response) for ramp in self.ramps for response in ramp.responses]

    @property
    def failures(self) -> list[tuple[Ramp, Response]]:
        """The responses that do not rise with their condition over its whole range."""
        return [(ramp, response) for ramp, response in self.responses if not response.good]

    @property
    def headline(self) -> str:
        """One sentence on all conditions."""
        if not self.ramps:
            return "The model is told no conditions that change."
        total, bad = len(self.responses), len(self.failures)
        if not total:
            return f"Nothing that is measured in '{self.detector.name}' answers to a condition."
        if total == 1 and not bad:
            ramp, response = self.responses[0]
            return f"{response.observable.name} rises with {ramp.name} over its whole range."
        if not bad:
            return f"All {total} responses rise with their condition over its whole range."
        return f"{total - bad} of {total} responses rise with their condition over its whole range."

    @property
    def unanswered(self) -> list[str]:
        """The conditions without a response that is measured."""
        return [ramp.name for ramp in self.ramps if not ramp.responses]

    @property
    def numbers(self) -> dict[str, Any]:
        """Content of explore.json."""
        return {
            "detector": self.detector.name,
            "seed": self.seed,
            "latents": self.n,
            "constant": list(self.constant),
            "conditions": {ramp.name: ramp.as_dict() for ramp in self.ramps},
            "provenance": dict(self.provenance),
        }

    def summary(self) -> str:
        """Return the headline, and a line for each response."""
        lines = [self.headline]
        lines += [f"  {ramp.verdict(response)}" for ramp, response in self.responses]
        lines += [f"  Nothing that is measured answers to {name}." for name in self.unanswered]
        lines += [f"  {name} had one value in all training events." for name in self.constant]
        return "\n".join(lines)

    def save(
        self,
        directory: str | Path,
        *,
        figures: bool = False,
        report: Progress | None = None,
    ) -> Path:
        """Write ``explore.json`` and ``index.html``; other files of the folder stay as they are.

        The numbers are written before any figure is drawn.

        Arguments:
            directory: Folder, made where there is none.
            figures: Write every figure as PDF and PNG too, in the folder ``figures``.
            report: Called to show progress.

        Returns:
            The path of ``index.html``.

        Raises:
            OutputError: The folder cannot be written.
        """
        with numbers_first(Path(directory), "explore.json", self.numbers):
            from phys_gan.report.exploration import save_exploration

            return save_exploration(self, directory, figures=figures, report=report)
