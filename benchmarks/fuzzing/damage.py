"""Ways to damage the bytes of a file, each driven by random numbers alone."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Callable
from typing import Any

import numpy as np

Mutation = Callable[[np.random.Generator, bytearray], None]

_HOSTILE = (
    b"../../../../../../tmp/x",
    b"<script>alert('x')</script>",
    b"\x1b[31m\r\n\x00",
    b"\xff\xfe\xfd\xfc",
    b"%s%n{0}{x}$\\frac",
    b"99999999999999999999",
    b"nan, inf, -1, 1e999",
    b"''\"\"[[[[{{{{",
)
_SIZES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**63 - 1)
_TEXT = re.compile(rb"[\x20-\x7e]{4,}")
_DIGITS = re.compile(rb"\d+")
_VALUES: tuple[Any, ...] = (
    0, -1, 1, 2, 7, 1000, 65_536, 10**9, 10**30, 1e308, 0.5, True, None, "", "x", "../../x",
    "<script>", "\x00", 10_000 * "a", [], {}, [[[[]]]],
)  # fmt: skip


def _place(rng: np.random.Generator, data: bytearray, most: int = 64) -> slice:
    """Return a short range; half of them near either end, where containers keep their tables."""
    size = min(int(rng.integers(1, most + 1)), len(data))
    room = len(data) - size
    near = min(room, 2048)
    begin = rng.choice(
        [rng.integers(room + 1), rng.integers(near + 1), room - rng.integers(near + 1)]
    )
    return slice(int(begin), int(begin) + size)


def _bytes(rng: np.random.Generator, data: bytearray) -> None:
    for _ in range(int(rng.integers(1, 6))):
        data[_place(rng, data, 1).start] = int(rng.integers(256))


def _bit(rng: np.random.Generator, data: bytearray) -> None:
    data[_place(rng, data, 1).start] ^= 1 << int(rng.integers(8))


def _noise(rng: np.random.Generator, data: bytearray) -> None:
    place = _place(rng, data)
    data[place] = rng.bytes(place.stop - place.start)


def _zeros(rng: np.random.Generator, data: bytearray) -> None:
    place = _place(rng, data, 512)
    data[place] = bytes(place.stop - place.start)


def _cut(rng: np.random.Generator, data: bytearray) -> None:
    del data[int(rng.integers(len(data))) :]


def _swap(rng: np.random.Generator, data: bytearray) -> None:
    one = _place(rng, data, 256)
    size = one.stop - one.start
    begin = int(rng.integers(len(data) - size + 1))
    two = slice(begin, begin + size)
    data[one], data[two] = data[two], data[one]


def _insert(rng: np.random.Generator, data: bytearray) -> None:
    place = _place(rng, data)
    data[place.start : place.start] = data[place]


def _remove(rng: np.random.Generator, data: bytearray) -> None:
    del data[_place(rng, data)]


def _size(rng: np.random.Generator, data: bytearray) -> None:
    """Put a number where a length may stand."""
    width = int(rng.choice([1, 2, 4, 8]))
    number = int(rng.choice(_SIZES)) % (1 << 8 * width)
    begin = _place(rng, data, 1).start
    begin -= begin % width if rng.random() < 0.5 else 0
    order = "little" if rng.random() < 0.7 else "big"
    content = number.to_bytes(width, order)  # type: ignore[arg-type]
    data[begin : begin + width] = content[: len(data) - begin]


def _text(rng: np.random.Generator, data: bytearray) -> None:
    """Put something hostile where a text stands."""
    found = list(_TEXT.finditer(data))
    if found:
        chosen = found[int(rng.integers(len(found)))]
        text = _HOSTILE[int(rng.integers(len(_HOSTILE)))][: chosen.end() - chosen.start()]
        begin = int(rng.integers(chosen.start(), chosen.end() - len(text) + 1))
        data[begin : begin + len(text)] = text


def _digits(rng: np.random.Generator, data: bytearray) -> None:
    """Change a number that is written out."""
    found = list(_DIGITS.finditer(data))
    if found:
        chosen = found[int(rng.integers(len(found)))]
        size = chosen.end() - chosen.start()
        data[chosen.start() : chosen.end()] = rng.choice([b"9", b"0", b"-", b"e"]) * size


MUTATIONS: dict[str, Mutation] = {
    "bytes": _bytes,
    "bit": _bit,
    "noise": _noise,
    "zeros": _zeros,
    "cut": _cut,
    "swap": _swap,
    "insert": _insert,
    "remove": _remove,
    "size": _size,
    "text": _text,
    "digits": _digits,
}


def damage(rng: np.random.Generator, content: bytes, end: int | None = None) -> tuple[str, bytes]:
    """Damage a file in one to three ways.

    Arguments:
        rng: The random numbers.
        content: The file.
        end: Damage only what stands before; by default everything.

    Returns:
        The names of the ways, and the damaged file.
    """
    names = list(MUTATIONS)
    chosen = [names[int(k)] for k in rng.integers(len(names), size=int(rng.choice([1, 1, 2, 3])))]
    data, rest = bytearray(content[:end]), b"" if end is None else content[end:]
    for name in chosen:
        if data:
            MUTATIONS[name](rng, data)
    return "+".join(chosen), bytes(data) + rest


def lie(rng: np.random.Generator, content: bytes) -> bytes:
    """Change a value of the header of a model file, which stays a sound file of tensors."""
    size = struct.unpack("<Q", content[:8])[0]
    outer = json.loads(content[8 : 8 + size])
    header = json.loads(outer["__metadata__"]["phys_gan"])
    places = list(_leaves(header))
    for _ in range(int(rng.integers(1, 3))):
        holder, key = places[int(rng.integers(len(places)))]
        value = _VALUES[int(rng.integers(len(_VALUES)))]
        if key == "detector" and rng.random() < 0.9:
            text = bytearray(str(holder[key]).encode())
            (_digits if rng.random() < 0.5 else _text)(rng, text)
            value = text.decode(errors="replace")
        holder[key] = value
    outer["__metadata__"]["phys_gan"] = json.dumps(header)
    if rng.random() < 0.3:
        names = [name for name in outer if name != "__metadata__"]
        chosen = outer[names[int(rng.integers(len(names)))]]
        chosen[str(rng.choice(list(chosen)))] = _VALUES[int(rng.integers(len(_VALUES)))]
    whole = json.dumps(outer).encode()
    return struct.pack("<Q", len(whole)) + whole + content[8 + size :]


def _leaves(tree: dict[str, Any]) -> list[tuple[dict[str, Any], str]]:
    found = []
    for key, value in tree.items():
        found.append((tree, key))
        if isinstance(value, dict):
            found += _leaves(value)
    return found
