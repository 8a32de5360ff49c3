"""TOML that people write or files carry: bounded in size, and what is wrong with it on one line."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import ValidationError

__all__ = ["MOST_TEXT", "first_problem", "parsed", "read_text", "shortened", "too_long"]

MOST_TEXT = 1 << 22
"""Characters of a text; that of the largest built-in detector has about two thousand."""

_LONGEST_MESSAGE = 300
_MOST_DOTS = 64
_NUMBER = re.compile(r"(?<![\w.\"'])[+-]?\d+\.\d+(?:[eE][+-]?\d+)?(?![\w.\"'])")


def read_text(path: Path) -> str:
    """Return what a file says, and no more than makes :func:`parsed` refuse it.

    Raises:
        OSError: It cannot be read.
        ValueError: It is not text.
    """
    with path.open(encoding="utf-8") as file:
        try:
            return file.read(MOST_TEXT + 1)
        except UnicodeDecodeError:
            raise ValueError("it is not text") from None


def parsed(text: str) -> dict[str, Any]:
    """Return what TOML text says.

    Raises:
        ValueError: It is not TOML, or would fill the memory; the message is one short line.
    """
    try:
        if problem := too_long(text) or _too_many_dots(text):
            raise ValueError(problem)
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError("its values are nested too deeply") from None
    except ValueError as error:
        raise ValueError(shortened(str(error))) from error


def too_long(text: str) -> str:
    """Return a clause that says that a text is too long, or nothing."""
    if len(text) <= MOST_TEXT:
        return ""
    return f"it has {len(text):,} characters, and at most {MOST_TEXT:,} may be"


def _too_many_dots(text: str) -> str:
    """Return a clause that says that a line nests names too deeply, or nothing.

    A name of n parts, ``a.b.c``, costs the parser n squared entries of memory.
    """
    for line in text.splitlines():
        # Numbers may have as many dots as they like.
        if line.count(".") > _MOST_DOTS and _NUMBER.sub("", line).count(".") > _MOST_DOTS:
            return f"a line has more than {_MOST_DOTS} dots that belong to no number"
    return ""


def first_problem(error: ValidationError) -> str:
    """Say the first complaint of pydantic in the words of a TOML file, on one line."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    return shortened(f"{where}: {message}" if where else message)


def shortened(message: str) -> str:
    """Return a message that may quote a hostile text, as one line that fits on a screen."""
    line = " ".join("".join(c if c.isprintable() else " " for c in message).split())
    half = _LONGEST_MESSAGE // 2
    return line if len(line) <= 2 * half else f"{line[:half]} … {line[-half:]}"
