"""Durations as people and batch systems write them."""

from __future__ import annotations

import re

from phys_gan.errors import ConfigError

__all__ = ["parse_duration"]

_SECONDS = {"d": 86_400, "h": 3600, "m": 60, "min": 60, "s": 1}
_PART = r"(\d+(?:\.\d*)?)\s*(d|h|min|m|s)\s*"


def parse_duration(text: str) -> float:
    """Return a duration such as ``55m``, ``1h30m``, ``90s`` or ``1-12:00:00`` in seconds.

    Raises:
        ConfigError: It is none, or not positive.

    Example:
        >>> parse_duration("1h30m"), parse_duration("01:30:00"), parse_duration("1-00:00:30")
        (5400.0, 5400.0, 86430.0)
    """
    seconds = 0.0
    clock = re.fullmatch(r"\s*(?:(\d+)-)?(\d+):(\d{2}):(\d{2})\s*", text)
    if clock:
        days, hours, minutes, rest = (int(part or 0) for part in clock.groups())
        seconds = float(((days * 24 + hours) * 60 + minutes) * 60 + rest)
    elif re.fullmatch(rf"\s*(?:{_PART})+", text):
        seconds = sum(float(number) * _SECONDS[unit] for number, unit in re.findall(_PART, text))
    if not seconds > 0:
        raise ConfigError(
            f"'{text}' is not a duration",
            remedy="write it like 55m, 1h30m, 90s or 01:30:00",
            value=text,
        )
    return seconds
