"""Find BibTeX entries by their keys, in the file that the package brings along.

Which publications the built-in detectors come from.

Walk through a configuration and collect what its options ask to be cited.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from importlib import resources
from types import MappingProxyType

from pydantic import BaseModel

from phys_gan.errors import MissingError

__all__ = ["bibtex", "detector_keys", "known", "recipe_references"]

_FILE = resources.files("phys_gan.references") / "references.bib"
_HEAD = re.compile(r"@\w+\{([^,\s]+),")
_MOST_NEAR = 3


def known() -> list[str]:
    """Return the keys of all entries, in alphabetical order."""
    return sorted(_entries())


def bibtex(keys: Iterable[str]) -> str:
    """Return BibTeX entries, each once and as it is in the file, in the order of first mention.

    Arguments:
        keys: BibTeX keys.

    Raises:
        MissingError: There is no entry with one of the keys.

    Example:
        >>> print(bibtex(["ba2016layer"]).splitlines()[0])
        @article{ba2016layer,
    """
    return "\n\n".join(_entry(key) for key in dict.fromkeys(keys))


def _entry(key: str) -> str:
    entries = _entries()
    if key not in entries:
        near = get_close_matches(key, entries, _MOST_NEAR)
        raise MissingError(
            f"there is no reference '{key}'" + (f"; nearest: {', '.join(near)}" if near else ""),
            remedy="name a key that phys_gan.references.known() lists",
            value=key,
        )
    return entries[key]


@cache
def _entries() -> Mapping[str, str]:
    """Split the file: an entry reaches from an @ that begins a line to the next one."""
    _, *entries = re.split(r"^(?=@)", _FILE.read_text("utf-8"), flags=re.MULTILINE)
    keyed = {match[1]: entry.rstrip() for entry in entries if (match := _HEAD.match(entry))}
    return MappingProxyType(keyed)


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


_SOFTWARE = "physgan"


def recipe_references(recipe: BaseModel, detector: str = "") -> tuple[str, ...]:
    """Return the BibTeX keys of everything that a recipe uses, each once.

    The software comes first, then the detector, then what the sections name: every section, at
    any depth, that has ``references`` contributes them, in the order of the fields. So does the
    recipe itself.

    Arguments:
        recipe: A recipe, or any other tree of pydantic models.
        detector: Name of the detector that the events belong to; without it, what the recipe says
            in its field ``detector``.
    """
    named = detector or str(getattr(recipe, "detector", None) or "")
    return tuple(dict.fromkeys([_SOFTWARE, *detector_keys(named), *_walk(recipe)]))


def _walk(part: object) -> Iterator[str]:
    """Yield the keys of a part of a recipe: a section, several of them, or a plain value."""
    if isinstance(part, BaseModel):
        yield from getattr(part, "references", None) or ()
        for field in type(part).model_fields:
            yield from _walk(getattr(part, field))
    elif isinstance(part, Mapping):
        for item in part.values():
            yield from _walk(item)
    elif isinstance(part, (list, tuple)):
        for item in part:
            yield from _walk(item)
