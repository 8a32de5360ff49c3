"""Conditions for events that nobody listed: fixed, from a range, or as the model learned them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from phys_gan.encodings import Encoding
from phys_gan.errors import ConfigError, MissingError
from phys_gan.randomness import stream

__all__ = ["draw_conditions"]

_STREAMS = {"energy": "energies"}


def draw_conditions(
    encoding: Encoding,
    n: int,
    given: Mapping[str, float | tuple[float, float]] | None = None,
    seed: int = 0,
) -> dict[str, NDArray[np.float64]]:
    """Draw the conditions that a model is told, each evenly over a range and for itself.

    Logarithms are drawn evenly where the networks are told logarithms.

    Arguments:
        encoding: The encoding of the model.
        n: Number of events.
        given: Name to a value for all events, or to a range; the others have the range of the
            training events.
        seed: Seed of the production.

    Returns:
        Name to values (n,).

    Raises:
        MissingError: The model does not know a condition that is given.
        ConfigError: A range runs from high to low, or has no logarithm.
    """
    given = dict(given or {})
    for name in given:
        if name not in encoding.named:
            known = ", ".join(encoding.named) or "none"
            raise MissingError(
                f"the model does not know the condition '{name}'; it knows {known}",
                remedy="leave it out",
                value=name,
            )
    drawn = {}
    for name, learned in zip(encoding.named, encoding.ranges.tolist(), strict=True):
        wanted = given.get(name, tuple(learned))
        low, high = wanted if isinstance(wanted, tuple) else (wanted, wanted)
        evenly = stream(seed, _STREAMS.get(name, f"condition {name}")).uniform
        if low > high:
            raise ConfigError(
                f"the range {low:g}:{high:g} of '{name}' runs from high to low",
                remedy="write low:high",
                value=(low, high),
            )
        if name in encoding.logarithmic:
            if low <= 0:
                raise ConfigError(
                    f"'{name}' must be positive, not {low:g}", remedy="ask for values above 0"
                )
            drawn[name] = np.clip(np.exp(evenly(np.log(low), np.log(high), n)), low, high)
        else:
            drawn[name] = evenly(low, high, n)
    return drawn
