"""What conditions are called, and which measured quantity answers to which of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from phys_gan.detectors import Detector, ImageLayer, Layer
from phys_gan.errors import MissingError
from phys_gan.validation.observables import OBSERVABLES, Observable, Showers, select

__all__ = ["MEANINGS", "Meaning", "counterparts", "meaning_of"]


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


def _image(layer: Layer) -> bool:
    return isinstance(layer, ImageLayer)


def _total(showers: Showers) -> NDArray[np.float64]:
    return showers.total / 1000


def _angle(showers: Showers) -> NDArray[np.float64]:
    g1, g2 = (OBSERVABLES[name].compute(showers) for name in ("g1_{k}", "g2_{k}"))
    return np.asarray(np.arctan2(g2, g1) / 2, np.float64)


_E_TOT = Observable(
    "E_tot",
    _total,
    r"$E_\mathrm{tot}$",
    "GeV",
    description="Energy in all cells.",
)
_ANGLE = Observable(
    "position_angle_{k}",
    _angle,
    r"$\varphi_{k}$",
    "rad",
    description="Angle of the major axis of band {k}: adaptive moments.",
    applies=_image,
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
    """Return how a condition is shown; one that nobody knows by its name alone.

    Example:
        >>> from phys_gan.detectors import load_detector
        >>> meaning_of(load_detector("calogan"), "energy").text(50_000.0)
        '50 GeV'
    """
    known = MEANINGS.get(condition)
    if known is None:
        return Meaning(condition.replace("_", " ").replace("$", r"\$"))
    unit = known.unit.replace("{cell}", detector.cell_unit)
    return Meaning(known.label, unit, known.factor, known.measured, known.period, known.equal)


def counterparts(detector: Detector, condition: str) -> list[Observable]:
    """Return what answers to a condition in a detector, one per band of an image; may be nothing.

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
