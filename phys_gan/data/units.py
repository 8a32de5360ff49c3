"""Units at the door, and the check that nobody mistook GeV for MeV."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from phys_gan.detectors import Detector
from phys_gan.errors import DataError
from phys_gan.events import Events
from phys_gan.units import MEV

__all__ = ["check_units", "expected_response", "response", "scale", "to_mev"]

_LARGEST_FACTOR = 200.0


def to_mev(unit: str) -> float:
    """Return how many MeV one ``unit`` is.

    Raises:
        DataError: It is not a unit of energy.
    """
    if unit not in MEV:
        raise DataError(
            f"the energy unit '{unit}' is not known",
            remedy=f"give one of: {', '.join(MEV)}",
            value=unit,
            constraint=tuple(MEV),
        )
    return MEV[unit]


def scale(declared: str | None, layout: str, detector: Detector) -> float:
    """Return the factor from the cells of a file to the unit of the detector.

    Arguments:
        declared: The unit that the file itself names, if any.
        layout: The unit of this layout where the file names none.
        detector: The detector. What is not an energy (counts of an image) is never scaled.

    Raises:
        DataError: The two units measure different things.
    """
    if detector.cell_unit not in MEV:
        if declared not in (None, detector.cell_unit):
            raise DataError(
                f"the cells are in '{declared}', but detector '{detector.name}' measures "
                f"'{detector.cell_unit}'",
                remedy="name the detector that the data were made with",
                value=declared,
            )
        return 1.0
    unit = declared or layout
    return 1.0 if unit == detector.cell_unit else to_mev(unit) / to_mev(detector.cell_unit)


def response(events: Events) -> NDArray[np.float64] | None:
    """Return E_tot/E_inc of each event, shape (N,); None where there is no such ratio."""
    unit = events.detector.cell_unit
    if "energy" not in events.conditions or unit not in MEV or events.detector.signed:
        return None
    ratio: NDArray[np.float64] = events.total_energy() * MEV[unit] / events.energy
    return ratio


def expected_response(detector: Detector) -> float:
    """Return the mean of E_tot/E_inc that the detector describes, or 1."""
    return detector.sampling.response if detector.sampling else 1.0


def check_units(events: Events, energy_unit: str, cell_unit: str = "") -> None:
    """Compare the median of E_tot/E_inc with what the detector describes.

    Events without any deposit say nothing about units and are left out.

    Arguments:
        events: The events.
        energy_unit: Unit in which the file was taken to give incident energies, for the hint.
        cell_unit: Unit in which it was taken to give those of the cells; by default that of the
            detector.

    Raises:
        DataError: They differ by more than a factor 200, as a mistaken unit makes them.
    """
    # A thousand events tell the median well enough, and cost nothing beside reading the file.
    ratio = response(events[:: max(1, len(events) // 1000)])
    if ratio is None or not np.any(ratio > 0):
        return
    median = float(np.median(ratio[ratio > 0]))
    factor = median / expected_response(events.detector)
    if 1 / _LARGEST_FACTOR <= factor <= _LARGEST_FACTOR:
        return
    # A ratio 1000 times too small means energies 1000 times too large, or cells in a larger unit.
    steps = (1 if factor > 1 else -1) * max(1, round(abs(math.log10(factor)) / 3))
    cell_unit = cell_unit or events.detector.cell_unit
    energies, cells = _shifted(energy_unit, steps), _shifted(cell_unit, -steps)
    hints = [
        f"the {what} look like {unit} where {taken} is expected"
        for what, unit, taken in (
            ("incident energies", energies, energy_unit),
            ("cells", cells, cell_unit),
        )
        if unit
    ]
    raise DataError(
        f"the median of E_tot/E_inc is {median:.3g} where detector '{events.detector.name}' "
        f"has about {expected_response(events.detector):.3g}"
        + (f": {', or '.join(hints)}" if hints else ""),
        remedy="correct the values, or sampling.response of the detector",
        value=median,
        constraint=expected_response(events.detector),
    )


def _shifted(unit: str, steps: int) -> str:
    units = list(MEV)
    index = units.index(unit) + steps
    return units[index] if 0 <= index < len(units) else ""
