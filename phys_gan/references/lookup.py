"""Find BibTeX entries by their keys, in the file that the package brings along."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from functools import cache
from importlib import resources
from types import MappingProxyType

from phys_gan.errors import MissingError

__all__ = ["bibtex", "known"]

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
