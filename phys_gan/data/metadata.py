"""What a file says about itself: detector, units, how its events were made."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from phys_gan._version import __version__
from phys_gan.detectors import Detector
from phys_gan.errors import DataError, DetectorError
from phys_gan.events import Events

__all__ = ["Metadata", "choose_detector", "from_texts", "to_texts"]

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
        detector: The detector that the file carries, if it does.
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


def _odd(text: str, source: str) -> dict[str, str]:
    """Read the provenance that is not plain."""
    try:
        return {str(name): str(value) for name, value in json.loads(text).items()}
    except (json.JSONDecodeError, AttributeError) as error:
        raise DataError(
            f"'{source}': '{_PROVENANCE}' does not hold what phys_gan writes there",
            remedy="remove it from the file",
        ) from error


def from_texts(texts: Mapping[str, str], source: str) -> Metadata:
    """Return what the texts of a file, ours or not, say.

    Raises:
        DetectorError: The file carries a detector that is none.
        DataError: It carries a provenance that is none.
    """
    toml = texts.get(_DETECTOR)
    provenance = {name: text for name, text in texts.items() if name not in _RESERVED}
    return Metadata(
        detector=_detector(toml, f"{source}: {_DETECTOR}") if toml else None,
        energy_unit=texts.get("energy_unit") or None,
        cell_unit=texts.get("cell_unit") or None,
        provenance=provenance | _odd(texts.get(_PROVENANCE, "{}"), source),
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
    # A conversion meets the same text several times, and many layers take a while.
    return Detector.from_toml(toml)


def choose_detector(given: Detector | None, stored: Detector | None) -> Detector | None:
    """Return the detector that the user gave, else the one that the file carries, else None.

    Raises:
        DetectorError: Both are there and have different cells.
    """
    if given and stored and not given.same_cells(stored):
        raise DetectorError(
            f"the events belong to detector '{stored.name}' ({_size(stored)}), not to "
            f"'{given.name}' ({_size(given)})",
            remedy="leave the detector out: the file carries its own",
            value=given.name,
            constraint=stored.name,
        )
    return given or stored


def _size(detector: Detector) -> str:
    return f"{detector.n_cells} cells in {detector.n_layers} layers"
