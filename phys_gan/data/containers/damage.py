"""What libraries raise on damaged files, in one sentence."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from phys_gan.errors import DataError, PhysGanError

__all__ = ["damage_reported", "damaged"]

# Where what a library says turns from what it met to how it came there.
_ASIDE = re.compile(
    r"\.\s|, fix it|,? received \d+ bytes|\s(?:in file|for file path|because|version)\s"
)

# What h5py and uproot raise when they decode bytes that are not what the writer wrote.
_FAILURES: tuple[type[Exception], ...] = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    NotImplementedError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)


@contextmanager
def damage_reported(container: str) -> Iterator[None]:
    """Turn what libraries raise on damaged bytes into one sentence; wrap their calls alone.

    Raises:
        DataError: The library could not decode the file.
    """
    try:
        yield
    except PhysGanError:
        raise
    except Exception as error:
        if not isinstance(error, _failures(container)):
            raise
        raise damaged(container, _detail(error)) from error


def damaged(container: str, detail: str = "") -> DataError:
    """Return an error that says that the file is damaged."""
    return DataError(
        f"the {container} file is damaged or cut short{detail}", remedy="copy or make it again"
    )


def _detail(error: Exception) -> str:
    """Return what a library says as a clause, or nothing where it says no more than a word."""
    text = " ".join(_ASIDE.split(str(error).strip(), maxsplit=1)[0].split())
    text = text.strip(" .,:;")[:160]
    return f" ({text})" if " " in text else ""


def _failures(container: str) -> tuple[type[Exception], ...]:
    """Return what a library raises on damaged bytes, once it has raised something."""
    if container == "ROOT":
        import cramjam
        import uproot

        damages = (uproot.deserialization.DeserializationError, cramjam.DecompressionError)
        return (*_FAILURES, *damages)
    if container == "FITS":
        from astropy.io.fits.verify import VerifyError

        return (*_FAILURES, VerifyError)
    return _FAILURES
