"""Events to files."""

from __future__ import annotations

from pathlib import Path

from phys_gan.data.format import Format
from phys_gan.data.registry import FORMATS, find_format
from phys_gan.errors import ConfigError, DataError
from phys_gan.events import Events

__all__ = ["write"]


def write(path: str | Path, events: Events, format: str | None = None) -> None:
    """Write events into one file, with their detector, units and provenance.

    Nothing is lost: reading the file gives the same cells to the last bit, the same conditions,
    overflow, detector and provenance. The file appears when it is complete.

    Arguments:
        path: The file. By default its ending chooses the layout: ``.h5`` and ``.hdf5`` CaloGAN's
            for its detector and CaloChallenge's for any other, ``.root`` CaloGAN's.
        events: The events.
        format: Name of the layout.

    Raises:
        ConfigError: No layout has this ending.
        DataError: There are no events, or the layout cannot hold them.
        MissingError: There is no such layout.
        OutputError: The file cannot be written; what stood there is untouched.
    """
    target = Path(path)
    if not len(events):
        raise DataError(f"there are no events to write into '{target}'", remedy="give some")
    candidates = _with_ending(target) if format is None else [find_format(format)]
    obstacles = {layout.name: layout.obstacle(events) for layout in candidates}
    for layout in candidates:
        if not obstacles[layout.name]:
            layout.write(target, events)
            return
    reasons = "; ".join(f"format '{name}' {reason}" for name, reason in obstacles.items())
    possible = [layout.name for layout in FORMATS.values() if not layout.obstacle(events)]
    raise DataError(
        f"cannot write these events into '{target}': {reasons}",
        remedy=f"choose one of: {_choices(possible)}",
        value=tuple(obstacles),
        constraint=tuple(possible),
    )


def _with_ending(target: Path) -> list[Format]:
    layouts = [layout for layout in FORMATS.values() if target.suffix in layout.extensions]
    if not layouts:
        raise ConfigError(
            f"'{target}' has an ending that no format writes",
            remedy=f"choose one of: {_choices(list(FORMATS))}",
            value=target.suffix,
        )
    return layouts


def _choices(names: list[str]) -> str:
    return ", ".join(f"{name} ({' '.join(FORMATS[name].extensions)})" for name in names)
