"""What uproot learns from a file stays in the process: forget what a damaged one taught."""

from __future__ import annotations

from functools import cache
from typing import Any

__all__ = ["forget_classes", "remember_classes"]


@cache
def remember_classes() -> dict[str, tuple[Any, dict[Any, Any] | None]]:
    """Return uproot's classes by name, with their versions, as they are at the first call."""
    import uproot

    found = {}
    for name, cls in uproot.classes.items():
        versions = getattr(cls, "known_versions", None)
        found[name] = (cls, None if versions is None else dict(versions))
    return found


def forget_classes() -> None:
    """Take back what uproot has learned since :func:`remember_classes`.

    A file describes its classes itself, and uproot keeps the descriptions for all files that come
    after it. Those of a damaged file would make it fail on sound ones. What is forgotten of sound
    files is learned again when it is needed.
    """
    import uproot

    known = remember_classes()
    for name in uproot.classes.keys() - known.keys():
        del uproot.classes[name]
    for name, (cls, versions) in known.items():
        uproot.classes[name] = cls
        if versions is not None:
            for version in cls.known_versions.keys() - versions.keys():
                del cls.known_versions[version]
            cls.known_versions.update(versions)
