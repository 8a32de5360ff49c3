"""The registry of observables: what one is, how a user adds one, how they are computed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from phys_gan.detectors import Detector, Layer, ShowerLayer
from phys_gan.errors import ConfigError, DataError
from phys_gan.events import Events
from phys_gan.validation.observables.binning import Binning
from phys_gan.validation.observables.showers import Showers, map_blocks

__all__ = ["OBSERVABLES", "Compute", "Observable", "measure", "measure_block", "observable"]

Compute = Callable[[Showers], NDArray[np.float64]]


def _is_shower(layer: Layer) -> bool:
    return isinstance(layer, ShowerLayer)


def _any(detector: Detector) -> bool:
    return True


@dataclass(frozen=True)
class Observable:
    """One number per event, and how to show it.

    Attributes:
        name: Name; ``{k}`` stands for the name of the layer in one that exists per layer.
        compute: Showers to values of shape (N,), or (N, n_layers) when per layer; NaN where the
            observable is not defined, such as the centre of an empty layer. Blocks of events are
            computed in several threads: a pure function.
        label: LaTeX label for axes, with ``{k}`` as in the name.
        unit: Unit of the values; empty for pure numbers. ``{cell}`` stands for that of the cells.
        binning: Rule that turns reference values into bin edges.
        description: One sentence for captions.
        applies: Which layers it exists for.
        exists: Which detectors it exists for, where their layers alone do not tell.
        conditions: Conditions that it needs.
        essential: Whether it is compared also in a detector with many layers.
        min_layers: Number of layers that a detector must have for it to mean anything.
        layer: Number of the layer, once chosen.
        family: Name with ``{k}``, once chosen.
    """

    name: str
    compute: Compute
    label: str
    unit: str = ""
    binning: Binning = field(default_factory=Binning)
    description: str = ""
    applies: Callable[[Layer], bool] = _is_shower
    exists: Callable[[Detector], bool] = _any
    conditions: tuple[str, ...] = ()
    essential: bool = True
    min_layers: int = 1
    layer: int | None = None
    family: str = ""

    @property
    def axis_label(self) -> str:
        """Label with unit."""
        return f"{self.label} [{self.unit}]" if self.unit else self.label

    def in_layer(self, k: int, name: str) -> Observable:
        """Return the observable of layer k, called ``name``."""
        return replace(
            self,
            name=self.name.replace("{k}", name),
            label=self.label.replace("{k}", f"{{{name}}}"),
            description=self.description.replace("{k}", name),
            layer=k,
            family=self.name,
        )

    @classmethod
    def from_function(cls, compute: Compute) -> Observable:
        """Make an observable of a plain function: its name, and the first line of its docstring.

        It applies to any detector, images included.

        Raises:
            ConfigError: The function has no name, as a lambda has none.

        Example:
            >>> def all_hits(showers):
            ...     '''Number of cells above the threshold.'''
            ...     return showers.hits.sum(axis=1)
            >>> Observable.from_function(all_hits).label
            'all hits'
        """
        name = getattr(compute, "__name__", "")
        if not name.isidentifier():
            raise ConfigError(
                f"{compute!r} has no name to call an observable by",
                remedy="give Observable(name, function, label)",
                value=compute,
            )
        label, text = name.replace("_", " "), _first_line(compute)
        return cls(name, compute, label, description=text or label, applies=lambda layer: True)


OBSERVABLES: dict[str, Observable] = {}
"""All known observables in the order in which a report shows them."""


def observable(
    name: str,
    *,
    label: str,
    unit: str = "",
    binning: Binning | None = None,
    applies: Callable[[Layer], bool] | None = None,
    exists: Callable[[Detector], bool] | None = None,
    conditions: tuple[str, ...] = (),
    essential: bool = True,
    min_layers: int = 1,
) -> Callable[[Compute], Compute]:
    r"""Register a function of :class:`Showers` as an observable; its docstring describes it.

    A name with ``{k}`` declares one observable per layer: the function returns (N, n_layers).

    Raises:
        ConfigError: The name is taken.

    Example:
        >>> from phys_gan.validation import observable
        >>> @observable("hits", label=r"$N_\mathrm{hit}$")
        ... def number_of_hits(showers):
        ...     '''Number of cells above the threshold.'''
        ...     return showers.hits.sum(axis=1)
        >>> OBSERVABLES.pop("hits").description
        'Number of cells above the threshold.'
    """

    def register(compute: Compute) -> Compute:
        if name in OBSERVABLES:
            raise ConfigError(
                f"the observable '{name}' exists already", remedy="choose another name", value=name
            )
        OBSERVABLES[name] = Observable(
            name=name,
            compute=compute,
            label=label,
            unit=unit,
            binning=binning or Binning(),
            description=_first_line(compute),
            applies=applies or _is_shower,
            exists=exists or _any,
            conditions=conditions,
            essential=essential,
            min_layers=min_layers,
        )
        return compute

    return register


def measure(
    events: Events, observables: Sequence[Observable], *, threads: int | None = None
) -> dict[str, NDArray[np.float64]]:
    """Compute observables in blocks of events with bounded temporary memory.

    The values do not depend on the number of threads.

    Arguments:
        events: The events.
        observables: What to compute, from :func:`select`.
        threads: As in :func:`phys_gan.validation.observables.showers.map_blocks`.

    Returns:
        Name to values of shape (N,); NaN where not defined.

    Raises:
        DataError: The function of an observable returns an array of a wrong shape.
        MissingError: The events lack a condition that an observable needs.
    """
    values = {o.name: np.empty(len(events)) for o in observables}
    # Blocks have threads of their own, which those of BLAS would only stand in the way of.
    with threadpool_limits(1, user_api="blas"):
        for rows, block in map_blocks(events, lambda s: measure_block(s, observables), threads):
            for name, column in block.items():
                values[name][rows] = column
    return values


def measure_block(
    showers: Showers, observables: Sequence[Observable]
) -> dict[str, NDArray[np.float64]]:
    """Compute observables of one block of showers: name to values of shape (N,)."""
    done: dict[Compute, NDArray[np.float64]] = {}
    values = {}
    for o in observables:
        if o.compute not in done:
            done[o.compute] = _computed(o, showers)
        result = done[o.compute]
        # A copy, because a view would keep the values of all layers in memory.
        values[o.name] = result if o.layer is None else result[:, o.layer].copy()
    return values


def _computed(o: Observable, showers: Showers) -> NDArray[np.float64]:
    # NaN is how an observable says that it is not defined.
    with np.errstate(divide="ignore", invalid="ignore"):
        values = np.asarray(o.compute(showers), np.float64)
    n = len(showers)
    shape = (n,) if o.layer is None else (n, showers.detector.n_layers)
    if values.shape != shape:
        raise DataError(
            f"the observable '{o.name}' has values of shape {values.shape} for {n} showers, "
            f"not {shape}",
            remedy="return one value per event, and one per event and layer where the name has {k}",
            value=values.shape,
            constraint=shape,
        )
    return values


def _first_line(compute: Compute) -> str:
    return (compute.__doc__ or "").strip().split("\n")[0]
