"""Conditions of events as classes: kinds of particles, discrete values, or quantile bins."""

from __future__ import annotations

from contextlib import suppress
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from phys_gan.errors import MissingError, RangeError
from phys_gan.events import Events
from phys_gan.particles import find_particle

__all__ = ["choose_condition", "divide"]


_OF_IMAGES = ("half_light_radius", "flux_radius", "flux")
"""Sizes first: to tell them from pixels takes more than a sum."""


def choose_condition(events: Events) -> str:
    """Return ``pdg`` where it has several values, else ``energy``; of galaxies a size, else flux.

    Raises:
        MissingError: There is none of them.
    """
    if "pdg" in events.conditions and np.ptp(events.conditions["pdg"]) > 0:
        return "pdg"
    known = ("energy", *(_OF_IMAGES if events.detector.is_image else ()))
    chosen = next((name for name in known if name in events.conditions), None)
    if chosen is not None:
        return str(chosen)
    wanted = "size or flux" if events.detector.is_image else "incident energy"
    raise MissingError(
        f"the events have neither several kinds of particles nor a known {wanted}; available: "
        f"{', '.join(events.conditions) or 'none'}",
        remedy="name a condition to classify",
    )


def divide(
    name: str, values: NDArray[np.float64], n_classes: int
) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """Divide the values of a condition into classes.

    Each value is a class where there are at most ``n_classes``, and always for kinds of particles,
    whose numbers have no order; else quantile bins are.

    Arguments:
        name: Name of the condition.
        values: Its values, shape (N,).
        n_classes: Most classes.

    Returns:
        The inner edges between classes of increasing values, and what the classes are.

    Raises:
        RangeError: The values do not divide.

    Example:
        >>> divide("pdg", np.array([11.0, 22.0, 22.0]), 10)
        (array([16.5]), ('e-', 'gamma'))
    """
    unique = np.unique(values)
    if len(unique) > 1 and (len(unique) <= n_classes or name == "pdg"):
        return (unique[1:] + unique[:-1]) / 2, tuple(_named(name, value) for value in unique)
    edges = np.unique(np.quantile(values, np.linspace(0, 1, n_classes + 1)))
    if len(edges) < 3:
        raise RangeError(
            f"the condition '{name}' does not divide into classes: nearly all of its values are "
            f"{values[0]:g}",
            remedy="name another condition",
            value=float(values[0]),
        )
    spans = (f"{name} from {low:.6g} to {high:.6g}" for low, high in pairwise(edges))
    return edges[1:-1], tuple(spans)


def _named(name: str, value: float) -> str:
    if name == "pdg":
        with suppress(MissingError):
            return find_particle(int(value)).name
    return f"{name} = {value:g}"
