"""Standard normal latents made inside the graph of what a consumer has: uniform numbers."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["LatentsOfUniforms", "normal_quantile"]

_WORD = 0xFFFFFFFF
_GOLDEN = 0x9E3779B9
"""2^32 over the golden ratio: multiples of it are spread over all words."""

_CENTRE = (
    (3.3871327179, 50.434271938, 159.29113202, 59.109374720),
    (1.0, 17.895169469, 78.757757664, 67.187563600),
)
_TAIL = (
    (1.4234372777, 2.7568153900, 1.3067284816, 0.17023821103),
    (1.0, 0.73700164250, 0.12021132975),
)


def normal_quantile(z: Tensor) -> Tensor:
    r"""Map numbers uniform in (-1, 1) to standard normal ones.

    .. math:: x = \Phi^{-1}((1 + z) / 2)

    by rational functions that are right to seven digits; ONNX has no such operator. What lies
    further out than float32 can tell from 1 stays at +-5.4.

    References:
        Algorithm AS 241: The Percentage Points of the Normal Distribution (Wichura, 1988), PPND7,
        https://doi.org/10.2307/2347330

    Example:
        >>> normal_quantile(torch.tensor([0.0, 0.6826895, -1.0])).round(decimals=3).tolist()
        [0.0, 1.0, -5.42...]
    """
    half = z / 2
    near = 0.180625 - half.square().clamp_max(0.180625)
    centre = half * _ratio(near, _CENTRE)
    beyond = ((1 - z.abs()) / 2).clamp_min(2.0**-25)
    tail = _ratio((-beyond.log()).sqrt() - 1.6, _TAIL)
    return torch.where(half.abs() <= 0.425, centre, torch.sign(z) * tail)


def _ratio(x: Tensor, coefficients: tuple[tuple[float, ...], tuple[float, ...]]) -> Tensor:
    above, below = (_polynomial(x, row) for row in coefficients)
    return above / below


def _polynomial(x: Tensor, coefficients: tuple[float, ...]) -> Tensor:
    y = torch.full_like(x, coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        y = y * x + coefficient
    return y


def _times(h: Tensor, factor: int) -> Tensor:
    """Multiply words by a constant modulo 2^32, without ever leaving 63 bits."""
    high = (h // 65536 * factor) & 0xFFFF
    return (high * 65536 + (h & 0xFFFF) * factor) & _WORD


def _mix(h: Tensor) -> Tensor:
    """Map words one-to-one to words so that each bit depends on all of them.

    References:
        Hash Function Prospector (Wellons, 2018), the function ``lowbias32``,
        https://github.com/skeeto/hash-prospector
    """
    h = _times(h ^ (h // (1 << 16)), 0x7FEB352D)
    h = _times(h ^ (h // (1 << 15)), 0x846CA68B)
    return h ^ (h // (1 << 16))


class LatentsOfUniforms(nn.Module):
    """Make any number of standard normal latents of a fixed number of uniform ones.

    The first latents are the quantiles of the uniform numbers themselves. The others are those of
    a counter-based random generator: all bits of the uniform numbers make a key of 64 bits, and
    latent number j is a hash of the key and j. The same input always makes the same event; two
    inputs have the same key with probability 2^-64.

    Arguments:
        n_given: Uniform numbers that the consumer draws.
        n_wanted: Latents that the model needs.
    """

    places: Tensor
    counter: Tensor

    def __init__(self, n_given: int, n_wanted: int) -> None:
        super().__init__()
        self.n_given, self.n_wanted = n_given, n_wanted
        n_more = max(n_wanted - n_given, 0)
        self.register_buffer("places", torch.arange(1, n_given + 1) * _GOLDEN & _WORD)
        self.register_buffer("counter", torch.arange(1, n_more + 1) * _GOLDEN & _WORD)

    def forward(self, z: Tensor) -> Tensor:
        """Map z (N, n_given), uniform in (-1, 1), to latents (N, n_wanted)."""
        if self.n_wanted <= self.n_given:
            return normal_quantile(z[:, : self.n_wanted])
        words = ((z + 1) * 2.0**23).long() & _WORD
        first, second = self._key(words, 0), self._key(words, 0x5BD1E995)
        drawn = _mix(_mix(self.counter ^ first) ^ second)
        # The middle of each of 2^32 equal parts of (-1, 1).
        more = (2 * drawn + 1 - 2**32).to(z.dtype) * 2.0**-32
        return normal_quantile(torch.cat([z, more], dim=1))

    def _key(self, words: Tensor, salt: int) -> Tensor:
        """Turn words (N, n_given) into one of 32 bits, (N, 1), in which the order counts."""
        mixed = _mix(_mix(words ^ salt) ^ self.places)
        return _mix(mixed.sum(1, keepdim=True) & _WORD)
