"""Conditions of events to generate: fixed, in turn, from a range, or as in the training events."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from phys_gan.encodings import Encoding
from phys_gan.errors import ConfigError, MissingError
from phys_gan.randomness import stream
from phys_gan.units import Values, draw_values, is_logarithmic

# The random stream of energies is the one that simulations draw them from.
_STREAMS = {"energy": "energies"}


def draw_conditions(
    encoding: Encoding, n: int, given: Mapping[str, Values] | None = None, seed: int = 0
) -> dict[str, NDArray[np.float64]]:
    """Draw the conditions of a model, independently of each other.

    Ranges without ``"lin"`` or ``"log"`` are uniform, in the logarithm where that is what networks
    get. The values of an event depend on its number and the seed alone.

    Arguments:
        encoding: The encoding of the model.
        n: Number of events.
        given: Name to a value for all events, a list of values that they take in turn (event i
            the entry i modulo its length), or a range (low, high), perhaps with ``"lin"`` or
            ``"log"``; the others have the range of the training events, or their categories, each
            as often as the others.
        seed: Seed of the production.

    Returns:
        Name to values (n,).

    Raises:
        MissingError: The model does not know a condition that is given.
        ConfigError: A range runs from high to low, a list is empty, or a value has no logarithm.
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
        own = stream(seed, _STREAMS.get(name, f"condition {name}"))
        categories = encoding.told[name].values
        if categories and name not in given:
            drawn[name] = np.array(categories)[own.integers(len(categories), size=n)]
            continue
        wanted: Values = given.get(name, tuple(learned))
        _require_order(name, wanted, name in encoding.logarithmic)
        drawn[name] = draw_values(wanted, n, own, logarithmic=name in encoding.logarithmic)
    return drawn


def _require_order(name: str, wanted: Values, logarithmic: bool) -> None:
    """Raise unless there are values, a range rises, and what has logarithms is positive."""
    if isinstance(wanted, list) and not wanted:
        raise ConfigError(
            f"the list of '{name}' is empty", remedy="give it values, or leave it out"
        )
    smallest = wanted[0] if isinstance(wanted, tuple) else np.min(wanted)
    if isinstance(wanted, tuple) and not wanted[0] <= wanted[1]:
        low, high = wanted[:2]
        raise ConfigError(
            f"the range {low:g}:{high:g} of '{name}' runs from high to low",
            remedy="write low:high",
            value=(low, high),
        )
    if (logarithmic or is_logarithmic(wanted)) and smallest <= 0:
        raise ConfigError(
            f"'{name}' must be positive, not {smallest:g}", remedy="ask for values above 0"
        )
