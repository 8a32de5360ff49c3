"""Seeds to independent random streams, and noise that is addressed by event number."""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray

__all__ = ["normal_noise", "stream"]


def stream(seed: int, name: str) -> np.random.Generator:
    """Return the random stream ``name`` of ``seed``: streams of different names are independent.

    Example:
        >>> stream(1, "energies").random() == stream(1, "energies").random()
        True
    """
    return np.random.default_rng(
        np.random.SeedSequence(seed, spawn_key=(zlib.crc32(name.encode()),))
    )


def normal_noise(seed: int, first: int, count: int, size: int) -> NDArray[np.float32]:
    """Draw standard normal noise for the events ``first ... first + count - 1``.

    Event i of a seed always gets the same numbers, however the events are cut into batches:
    each owns a fixed range of the counter of a Philox generator (Salmon et al., SC11,
    doi:10.1145/2063384.2063405), turned into normals by the Box-Muller transform.

    Arguments:
        seed: The seed of the production.
        first: Number of the first event.
        count: How many events.
        size: Numbers per event.

    Returns:
        Noise of shape (count, size).
    """
    # One 64-bit draw holds both 32-bit uniforms of a Box-Muller pair; Philox yields four draws
    # per counter step, so an event owns a whole number of steps.
    steps = -(-size // 8)
    bits = np.random.Philox(key=np.random.SeedSequence(seed).generate_state(2, np.uint64))
    raw = bits.advance(first * steps).random_raw(count * steps * 4).astype(np.uint64)
    halves = raw.view(np.uint32).reshape(count, steps * 4, 2)
    uniform = (halves.astype(np.float32) + np.float32(0.5)) * np.float32(2.0**-32)
    # float32 rounds the largest uniforms up to 1, whose logarithm is 0: still a valid radius.
    radius = np.sqrt(-2 * np.log(uniform[..., 0]))
    angle = np.float32(2 * np.pi) * uniform[..., 1]
    pairs = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=-1)
    return np.ascontiguousarray(pairs.reshape(count, steps * 8)[:, :size])
