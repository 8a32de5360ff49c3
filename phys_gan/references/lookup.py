"""What to cite: BibTeX entries by key, and the keys of a detector and of a recipe.

The entries are those of ``references.bib`` beside this module.
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

_FILE = resources.files("phys_gan.references") / "references.bib"
_HEAD = re.compile(r"@\w+\{([^,\s]+),")


def known() -> list[str]:
    """Return the keys of all entries, in alphabetical order."""
    return sorted(_entries())


def bibtex(keys: Iterable[str]) -> str:
    """Return BibTeX entries, each once and as it is in the file, in the order of first mention.

    Raises:
        MissingError: There is no entry with one of the keys.

    Example:
        >>> print(bibtex(["ba2016layer"]).splitlines()[0])
        @article{ba2016layer,
    """
    entries, wanted = _entries(), list(dict.fromkeys(keys))
    for key in wanted:
        if key not in entries:
            near = ", ".join(get_close_matches(key, entries))
            raise MissingError(
                f"there is no reference '{key}'" + (f"; nearest: {near}" if near else ""),
                remedy="name a key that phys_gan.references.known() lists",
                value=key,
            )
    return "\n\n".join(entries[key] for key in wanted)


@cache
def _entries() -> Mapping[str, str]:
    """Return the entries by key; each reaches from an @ that begins a line to the next one."""
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
    """Return the BibTeX keys of a built-in detector by its name; of others none.

    Example:
        >>> detector_keys("calogan")
        ('paganini2017calogan',)
    """
    return _KEYS.get(name, ())


def recipe_references(recipe: BaseModel, detector: str = "") -> tuple[str, ...]:
    """Return the BibTeX keys of everything that a recipe uses, each once.

    The software comes first, then the detector, then the ``references`` of the recipe (any tree
    of pydantic models) and of its sections at any depth, in the order of the fields.

    Arguments:
        recipe: The recipe.
        detector: Name of the detector that the events belong to; without it, the recipe's field
            ``detector``.
    """
    named = detector or str(getattr(recipe, "detector", None) or "")
    return tuple(dict.fromkeys(["physgan", *detector_keys(named), *_walk(recipe)]))


def _walk(part: object) -> Iterator[str]:
    """Yield the keys of a part of a recipe: a section, several of them, or a plain value."""
    inside: Iterable[object] = ()
    if isinstance(part, BaseModel):
        yield from getattr(part, "references", None) or ()
        inside = (getattr(part, field) for field in type(part).model_fields)
    elif isinstance(part, Mapping):
        inside = part.values()
    elif isinstance(part, list | tuple):
        inside = part
    for item in inside:
        yield from _walk(item)
