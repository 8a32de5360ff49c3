"""Known failures of generators, each found and called by its name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass

from phys_gan.validation import energy_pathologies, pathologies
from phys_gan.validation.pathologies import Evidence

__all__ = ["DIAGNOSES", "Finding", "diagnose"]

DIAGNOSES: dict[str, Callable[[Evidence], str | None]] = {
    "mean response": energy_pathologies.mean_response,
    "resolution": energy_pathologies.resolution,
    "energy dependence": energy_pathologies.energy_dependence,
    "dead cells": pathologies.dead_cells,
    "layer order": pathologies.layer_order,
    "low-energy tail": energy_pathologies.low_energy_tail,
    "mode collapse": pathologies.collapse,
    "repeated events": pathologies.repeated_events,
    "memorised events": pathologies.memorisation,
    "missing modes": pathologies.missing_modes,
}
"""Name of a failure to what looks for it and says what it saw, or None."""


@dataclass(frozen=True)
class Finding:
    """A failure that was found.

    Attributes:
        name: Its name, a key of :data:`DIAGNOSES`.
        text: What was seen, with its size, in one sentence.
    """

    name: str
    text: str

    def as_dict(self) -> dict[str, str]:
        """Return the fields for JSON."""
        return asdict(self)


_OF_SHOWERS = ("dead cells", "layer order", "low-energy tail")
"""Those that images and toys cannot have: their cells may be negative, and are no energies."""


def diagnose(evidence: Evidence) -> list[Finding]:
    """Return the known failures that the candidate shows; each is rare between equal samples."""
    without = _OF_SHOWERS if evidence.reference.detector.signed else ()
    texts = ((name, find(evidence)) for name, find in DIAGNOSES.items() if name not in without)
    return [Finding(name, text) for name, text in texts if text is not None]
