"""Random numbers: streams of a seed, draws by weight, and noise addressed by event number."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    import torch

# Philox-4x64 (Salmon et al., SC11, Table 2): multipliers and what is added to the key.
_ROUNDS = 10
_MULTIPLIERS = (0xD2E7470EE14C6C93, 0xCA5A826395121157)
_BUMPS = (0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B)
_LOW = 0xFFFFFFFF
_ROWS = 256


def stream(seed: int, name: str) -> np.random.Generator:
    """Return the random stream ``name`` of ``seed``: streams of different names are independent.

    Example:
        >>> stream(1, "energies").random() == stream(1, "energies").random()
        True
    """
    return np.random.default_rng(
        np.random.SeedSequence(seed, spawn_key=(zlib.crc32(name.encode()),))
    )


def draw_by_weight(
    weights: NDArray[np.float64], n: int, random: np.random.Generator
) -> NDArray[np.int64]:
    """Draw n numbers of weighted events, all of which then count the same.

    Event i comes n w_i / sum(w) times on average, and never more than one time off that: the
    events stand in random order, each as long as its weight, under a comb of n teeth (Hartley and
    Rao, Ann. Math. Statist. 33, 1962, 350). So equal weights give each of n events once, and the
    sample fluctuates less than one of independent draws.

    Arguments:
        weights: Shape (N,), none negative, and not all 0.
        n: How many to draw.
        random: The random stream.

    Returns:
        Shape (n,), in random order.

    Example:
        >>> sorted(draw_by_weight(np.array([3.0, 0.0, 1.0]), 4, stream(1, "draws")).tolist())
        [0, 0, 0, 2]
    """
    order = random.permutation(len(weights))
    # Scaled first: a sum of the largest numbers would be infinite.
    ends = np.cumsum(weights[order] / weights.max())
    teeth = np.floor(ends * (n / ends[-1]) + random.random()).astype(np.int64)
    # Rounding must neither lose the last tooth nor add one.
    teeth = np.minimum(teeth, n)
    teeth[ends == ends[-1]] = n
    return random.permutation(np.repeat(order, np.diff(teeth, prepend=0)))


def normal_noise(seed: int, first: int, count: int, size: int) -> NDArray[np.float32]:
    """Draw standard normal noise for the events ``first ... first + count - 1``, (count, size).

    Event i of a seed always gets the same ``size`` numbers, however the events are divided into
    batches: each owns a fixed range of the counter of a Philox generator (Salmon et al., SC11,
    doi:10.1145/2063384.2063405), turned into normal numbers by the Box-Muller transform.
    """
    width = _steps(size) * 4
    bits = np.random.Philox(key=_key(seed)).advance(first * _steps(size))
    noise = np.empty((count, size), np.float32)
    # A few events at a time stay in the cache.
    for begin in range(0, count, _ROWS):
        rows = noise[begin : begin + _ROWS]
        raw = np.asarray(bits.random_raw(len(rows) * width), np.uint64)
        rows[:] = _normal(raw.reshape(len(rows), width))[:, :size]
    return noise


def noise_at(seed: int, numbers: ArrayLike, size: int) -> NDArray[np.float32]:
    """Draw the noise of events by their numbers (N,), in any order, shape (N, size).

    For events in order :func:`normal_noise` is faster.

    Example:
        >>> bool((noise_at(1, [7, 3], 5) == normal_noise(1, 3, 5, 5)[[4, 0]]).all())
        True
    """
    steps, known = _steps(size), np.asarray(numbers).tolist()
    bits, at = np.random.Philox(key=_key(seed)), 0
    noise = np.empty((len(known), size), np.float32)
    for begin in range(0, len(known), _ROWS):
        part = known[begin : begin + _ROWS]
        raw = np.empty((len(part), steps * 4), np.uint64)
        for row, number in zip(raw, part, strict=True):
            row[:] = bits.advance(number * steps - at).random_raw(steps * 4)
            at = (number + 1) * steps
        noise[begin : begin + _ROWS] = _normal(raw)[:, :size]
    return noise


def noise_on(
    device: torch.device | str, seed: int, first: int, count: int, size: int
) -> torch.Tensor:
    """Draw the noise of :func:`normal_noise` on a device, equal up to float32 rounding.

    A GPU that generates a million events per second cannot wait for noise from the CPU.
    """
    import torch

    steps = _steps(size)
    # NumPy counts before it draws: its first numbers belong to count 1.
    counter = torch.arange(first * steps + 1, (first + count) * steps + 1, device=device)
    words = torch.stack(_philox(counter, [int(word) for word in _key(seed)]), dim=-1)
    uniform = [(half.float() + 0.5) * 2.0**-32 for half in (words & _LOW, words >> 32 & _LOW)]
    radius, angle = (-2 * uniform[0].log()).sqrt(), (2 * np.pi) * uniform[1]
    pairs = torch.stack([radius * angle.cos(), radius * angle.sin()], dim=-1)
    return pairs.reshape(count, steps * 8)[:, :size]


def _steps(size: int) -> int:
    """Return how many counts an event owns: a count yields four Box-Muller pairs."""
    return -(-size // 8)


def _key(seed: int) -> NDArray[np.uint64]:
    return np.random.SeedSequence(seed).generate_state(2, np.uint64).astype(np.uint64)


def _philox(counter: torch.Tensor, key: list[int]) -> list[torch.Tensor]:
    """Return the four 64-bit words of each count, as signed integers, which wrap around."""
    zero = counter * 0
    words = [counter, zero, zero, zero]
    for _ in range(_ROUNDS):
        high_0, low_0 = _product(words[0], _MULTIPLIERS[0])
        high_1, low_1 = _product(words[2], _MULTIPLIERS[1])
        keys = [_signed(word) for word in key]
        words = [high_1 ^ words[1] ^ keys[0], low_1, high_0 ^ words[3] ^ keys[1], low_0]
        key = [(word + bump) % 2**64 for word, bump in zip(key, _BUMPS, strict=True)]
    return words


def _product(x: torch.Tensor, factor: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the upper and the lower half of a 128-bit product."""
    # Signed integers shift their sign in, which the mask takes away.
    x_low, x_high = x & _LOW, x >> 32 & _LOW
    low, high = factor & _LOW, factor >> 32
    middle, other = x_low * high, x_high * low
    carry = (x_low * low >> 32 & _LOW) + (middle & _LOW) + (other & _LOW)
    upper = x_high * high + (middle >> 32 & _LOW) + (other >> 32 & _LOW)
    return upper + (carry >> 32 & _LOW), x * _signed(factor)


def _signed(number: int) -> int:
    """Return the signed 64-bit integer with the bits of an unsigned one."""
    return number - (number >> 63 << 64)


def _normal(raw: NDArray[np.uint64]) -> NDArray[np.float32]:
    """Turn 64-bit integers (N, M) into normal numbers (N, 2 M)."""
    # A 64-bit integer holds both 32-bit uniforms of a Box-Muller pair.
    halves = raw.view(np.uint32)
    first, second = (
        (halves[:, k::2].astype(np.float32) + np.float32(0.5)) * np.float32(2.0**-32)
        for k in (0, 1)
    )
    # float32 rounds the largest uniforms up to 1, whose logarithm is 0: still a valid radius.
    radius, angle = np.sqrt(-2 * np.log(first)), np.float32(2 * np.pi) * second
    normal = np.empty(halves.shape, np.float32)
    np.multiply(radius, np.cos(angle), out=normal[:, ::2])
    np.multiply(radius, np.sin(angle), out=normal[:, 1::2])
    return normal
