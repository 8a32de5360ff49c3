"""What a file says about itself (:class:`Metadata`): detector, units, provenance.

Energies become MeV when they are read; :func:`check_units` finds GeV that were taken for MeV.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from phys_gan._version import __version__
from phys_gan.detectors import Detector
from phys_gan.errors import DataError, DetectorError
from phys_gan.events import Events
from phys_gan.units import MEV

_DETECTOR = "phys_gan_detector"
_FORMAT = "phys_gan_format"
_VERSION = "phys_gan_version"
_PROVENANCE = "phys_gan_provenance"
_RESERVED = {_DETECTOR, _FORMAT, _VERSION, _PROVENANCE, "energy_unit", "cell_unit"}
_LONGEST_NAME = 1000


@dataclass(frozen=True)
class Metadata:
    """What a file says about itself.

    Arguments:
        detector: The detector that the file carries, if any.
        energy_unit: Declared unit of the incident energies, if any.
        cell_unit: Declared unit of the cells, if any.
        provenance: Everything else, as texts by name.
        format: The layout in which phys_gan wrote the file; empty where another program did.
    """

    detector: Detector | None
    energy_unit: str | None
    cell_unit: str | None
    provenance: Mapping[str, str]
    format: str = ""


def to_texts(events: Events, format_name: str, energy_unit: str) -> dict[str, str]:
    """Return what a file of ours says about itself, as texts by name."""
    odd = {n: text for n, text in events.provenance.items() if not _is_plain(n, text)}
    return {
        **{n: text for n, text in events.provenance.items() if n not in odd},
        **({_PROVENANCE: json.dumps(odd)} if odd else {}),
        _FORMAT: format_name,
        _VERSION: __version__,
        _DETECTOR: events.detector.to_toml(),
        "energy_unit": energy_unit,
        "cell_unit": events.detector.cell_unit,
    }


def _is_plain(name: str, text: str) -> bool:
    """Return whether every container can hold a text by this name, beside those of our own."""
    kept = [t.encode("utf-8", "ignore").decode().replace("\0", "") for t in (name, text)]
    return kept == [name, text] and name not in _RESERVED and 0 < len(name) <= _LONGEST_NAME


def from_texts(texts: Mapping[str, str], source: str) -> Metadata:
    """Return what the texts of a file say, written by phys_gan or another program.

    Raises:
        DetectorError: The text of the detector is wrong.
        DataError: The text of the provenance is wrong.
    """
    try:
        odd = json.loads(texts.get(_PROVENANCE, "{}")).items()
    except (json.JSONDecodeError, AttributeError) as error:
        raise DataError(
            f"'{source}': '{_PROVENANCE}' does not hold what phys_gan writes there",
            remedy="remove it from the file",
        ) from error
    toml = texts.get(_DETECTOR)
    provenance = {name: text for name, text in texts.items() if name not in _RESERVED}
    return Metadata(
        detector=_detector(toml, f"{source}: {_DETECTOR}") if toml else None,
        energy_unit=texts.get("energy_unit") or None,
        cell_unit=texts.get("cell_unit") or None,
        provenance=provenance | {str(name): str(text) for name, text in odd},
        format=texts.get(_FORMAT, ""),
    )


def _detector(toml: str, source: str) -> Detector:
    try:
        return _parsed(toml)
    except DetectorError as error:
        problem = error.problem.replace("'detector'", f"'{source}'", 1)
        raise DetectorError(problem, remedy="copy or make the file again") from error


@lru_cache(8)
def _parsed(toml: str) -> Detector:
    # A conversion reads the same text several times, and many layers take a while.
    return Detector.from_toml(toml)


def choose_detector(given: Detector | None, stored: Detector | None) -> Detector | None:
    """Return the detector that the user gave, else the one that the file carries, else None.

    Raises:
        DetectorError: Both are there and have different cells.
    """
    if given and stored and not given.same_cells(stored):
        ours, theirs = (
            f"'{one.name}' ({one.n_cells} cells in {one.n_layers} layers)"
            for one in (given, stored)
        )
        raise DetectorError(
            f"the events belong to detector {theirs}, not to {ours}",
            remedy="leave the detector out: the file carries its own",
            value=given.name,
            constraint=stored.name,
        )
    return given or stored


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
    unit, calorimeter = events.detector.cell_unit, events.detector.kind == "calorimeter"
    if "energy" not in events.conditions or unit not in MEV or not calorimeter:
        return None
    ratio: NDArray[np.float64] = events.total_energy() * MEV[unit] / events.energy
    return ratio


def expected_response(detector: Detector) -> float:
    """Return the mean of E_tot/E_inc that the detector describes, or 1."""
    return detector.sampling.response if detector.sampling else 1.0


def check_units(events: Events, energy_unit: str, cell_unit: str = "") -> None:
    """Compare the median of E_tot/E_inc with what the detector describes.

    Events without any deposit are left out.

    Arguments:
        events: The events.
        energy_unit: Unit in which the file was taken to give incident energies, for the hint.
        cell_unit: The same for the cells; by default that of the detector.

    Raises:
        DataError: They differ by more than a factor 200, as a mistaken unit makes them.
    """
    # A thousand events give the median well enough, in no time compared to reading the file.
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
