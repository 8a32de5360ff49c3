"""Files: written by :func:`atomic_file` whole or not at all; TOML read within bounds.

A text that a user wrote, or that a file carries, may be hostile: it is bounded in size before it
is parsed, and what is wrong with it is said on one line.
"""

from __future__ import annotations

import json
import math
import os
import re
import secrets
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phys_gan.errors import ConfigError, OutputError

if TYPE_CHECKING:
    from pydantic import ValidationError


@contextmanager
def atomic_file(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; rename it to ``path`` when the block succeeds.

    Raises:
        OutputError: The folder is missing or read-only, or the disk is full. Whatever stood at
            ``path`` before is untouched, and nothing half-written is left.
    """
    target = Path(path)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _cannot_write(target, error) from error
    if not os.access(target.parent, os.W_OK):
        raise OutputError(
            f"cannot write '{target}': the folder is read-only", remedy="choose another folder"
        )
    # Not the number of the process: other machines have the same ones.
    temporary = target.with_name(f".{target.stem}.{secrets.randbelow(10**12)}{target.suffix}")
    try:
        yield temporary
        # The mask of new files can only be read by setting it.
        mask = os.umask(0o022)
        os.umask(mask)
        temporary.chmod(0o666 & ~mask)
        temporary.replace(target)
    except OSError as error:
        raise _cannot_write(target, error) from error
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def numbers_first(folder: Path, name: str, numbers: Mapping[str, Any]) -> Iterator[None]:
    """Write numbers as JSON to ``folder / name``, then let the block draw ``index.html`` there.

    A page that is there already shows other numbers, and is removed in between: what is left after
    any failure of the block belongs together.

    Raises:
        OutputError: The folder cannot be written.
    """
    with atomic_file(folder / name) as temporary:
        text = json.dumps(finite(numbers), indent=1, ensure_ascii=False, allow_nan=False)
        temporary.write_text(text + "\n", encoding="utf-8")
    if (page := folder / "index.html").is_file():
        page.unlink()
    try:
        yield
    except Exception as error:
        error.add_note(f"the numbers are in '{folder / name}'")
        raise


def finite(value: Any) -> Any:
    """Return a value for JSON: NaN and infinity, which it does not have, become None.

    Example:
        >>> finite({"mean": float("nan"), "edges": (1.0, float("inf"))})
        {'mean': None, 'edges': [1.0, None]}
    """
    if isinstance(value, Mapping):
        return {name: finite(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [finite(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


@contextmanager
def locked(path: Path, problem: str, remedy: str) -> Iterator[None]:
    """Hold a lock on ``path`` while the block runs; it ends with the process, however that ends.

    The lock is an empty file, which stays. Windows and some network file systems have no such
    locks: then nothing is held.

    Raises:
        ConfigError: Another process holds it, with ``problem`` and ``remedy`` as its message.
        OutputError: The file cannot be made.
    """
    try:
        file = path.open("w")
    except OSError as error:
        raise _cannot_write(path, error) from error
    with file:
        try:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConfigError(problem, remedy=remedy) from error
        except (ImportError, OSError):
            pass
        yield


def _cannot_write(target: Path, error: OSError) -> OutputError:
    if isinstance(error, OutputError):
        return error
    return OutputError(
        f"cannot write '{target}': {error.strerror or error}",
        remedy="free space or choose another place, then run again (nothing was changed)",
    )


# Text

MOST_TEXT = 1 << 22
"""Characters of a text; that of the largest built-in detector has about two thousand."""

_LONGEST_MESSAGE = 300
_MOST_DOTS = 64
_NUMBER = re.compile(r"(?<![\w.\"'])[+-]?\d+\.\d+(?:[eE][+-]?\d+)?(?![\w.\"'])")


def read_text(path: Path) -> str:
    """Return the text of a file, and no more of it than makes :func:`parse_toml` refuse it.

    Raises:
        OSError: It cannot be read.
        ValueError: It is not text.
    """
    with path.open(encoding="utf-8") as file:
        try:
            return file.read(MOST_TEXT + 1)
        except UnicodeDecodeError:
            raise ValueError("it is not text") from None


def parse_toml(text: str) -> dict[str, Any]:
    """Return the content of TOML text.

    Raises:
        ValueError: It is not TOML, or would fill the memory; the message is one short line.
    """
    try:
        if problem := too_long(text):
            raise ValueError(problem)
        # A name of n parts, a.b.c, costs the parser n squared entries of memory; numbers may have
        # as many dots as they like.
        for line in text.splitlines():
            if line.count(".") > _MOST_DOTS and _NUMBER.sub("", line).count(".") > _MOST_DOTS:
                raise ValueError(f"a line has more than {_MOST_DOTS} dots outside numbers")
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError("its values are nested too deeply") from None
    except ValueError as error:
        raise ValueError(shortened(str(error))) from error


def too_long(text: str) -> str:
    """Return a clause about a text that is too long, else nothing."""
    problem = f"it has {len(text):,} characters, and at most {MOST_TEXT:,} may be"
    return problem if len(text) > MOST_TEXT else ""


def first_problem(error: ValidationError) -> str:
    """Return the first complaint of pydantic in the words of a TOML file, on one line."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    return shortened(f"{where}: {message}" if where else message)


def shortened(message: str) -> str:
    """Return a message that may quote a hostile text, as one line that fits on a screen."""
    line = " ".join("".join(c if c.isprintable() else " " for c in message).split())
    half = _LONGEST_MESSAGE // 2
    return line if len(line) <= 2 * half else f"{line[:half]} … {line[-half:]}"
