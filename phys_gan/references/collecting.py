"""Walk through a configuration and collect what its options ask to be cited."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pydantic import BaseModel

from phys_gan.references.detectors import detector_keys

__all__ = ["recipe_references"]

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
