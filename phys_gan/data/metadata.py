"""What a file says about itself: detector, units, how its events were made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from phys_gan import __version__
from phys_gan.detectors import Detector
from phys_gan.errors import DetectorError
from phys_gan.events import Events

__all__ = ["Metadata", "choose_detector", "from_texts", "to_texts"]

_DETECTOR = "phys_gan_detector"
_FORMAT = "phys_gan_format"
_VERSION = "phys_gan_version"


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
    return {
        **events.provenance,
        _FORMAT: format_name,
        _VERSION: __version__,
        _DETECTOR: events.detector.to_toml(),
        "energy_unit": energy_unit,
        "cell_unit": events.detector.cell_unit,
    }


def from_texts(texts: Mapping[str, str], source: str) -> Metadata:
    """Return what the texts of a file, ours or not, say.

    Raises:
        DetectorError: The file carries a detector that is none.
    """
    toml = texts.get(_DETECTOR)
    reserved = {_DETECTOR, _FORMAT, _VERSION, "energy_unit", "cell_unit"}
    return Metadata(
        detector=Detector.from_toml(toml, f"{source}: {_DETECTOR}") if toml else None,
        energy_unit=texts.get("energy_unit") or None,
        cell_unit=texts.get("cell_unit") or None,
        provenance={name: text for name, text in texts.items() if name not in reserved},
        format=texts.get(_FORMAT, ""),
    )


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
