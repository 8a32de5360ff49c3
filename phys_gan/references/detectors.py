"""Which publications the built-in detectors come from."""

from __future__ import annotations

from types import MappingProxyType

__all__ = ["detector_keys"]

_CALOCHALLENGE = ("krause2024calochallenge",)
_PAR04 = (*_CALOCHALLENGE, "agostinelli2003geant4", "allison2016geant4")
_COSMOS = ("mandelbaum2012cosmos",)
_KEYS = MappingProxyType(
    {
        "calochallenge-1-photons": _CALOCHALLENGE,
        "calochallenge-1-pions": _CALOCHALLENGE,
        "calochallenge-2": _CALOCHALLENGE,
        "calochallenge-3": _CALOCHALLENGE,
        "calogan": ("paganini2017calogan",),
        "cosmos-64": _COSMOS,
        "cosmos-128": _COSMOS,
        "ild-ecal": ("ild2020idr",),
        # An example that Geant4 itself brings along.
        "par04-9x16x45": _PAR04,
        "par04-18x50x45": _PAR04,
        "toy-grid": ("lin2017pacgan",),
        "toy-ring": ("metz2016unrolled",),
    }
)


def detector_keys(name: str) -> tuple[str, ...]:
    """Return the BibTeX keys of a detector, by its name.

    A detector that has no publication, or is the user's own, has none.

    Example:
        >>> detector_keys("calogan")
        ('paganini2017calogan',)
    """
    return _KEYS.get(name, ())
