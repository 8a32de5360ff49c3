"""The registry of observables: what one is, which exist for a detector, how they are computed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from phys_gan.detectors import Detector, Layer
from phys_gan.errors import ConfigError, DetectorError, MissingError
from phys_gan.events import Events
from phys_gan.validation.observables.binning import Binning
from phys_gan.validation.observables.showers import Showers, blocks

__all__ = ["MANY_LAYERS", "OBSERVABLES", "Observable", "measure", "observable", "select"]

MANY_LAYERS = 7
"""Above this number of layers only the essential per-layer observables are compared."""

Compute = Callable[[Showers], NDArray[np.float64]]


def _is_shower(layer: Layer) -> bool:
    return layer.kind != "image"


@dataclass(frozen=True)
class Observable:
    """One number per event, and how to show it.

    Attributes:
        name: Name; ``{k}`` stands for the name of the layer in one that exists per layer.
        compute: Showers to values of shape (N,), or (N, n_layers) when per layer; NaN where the
            observable is not defined, such as the centre of an empty layer.
        label: LaTeX label for axes, with ``{k}`` as in the name.
        unit: Unit of the values; empty for pure numbers.
        binning: Rule that turns reference values into bin edges.
        description: One sentence for captions.
        applies: Which layers it exists for.
        conditions: Conditions that it needs.
        essential: Whether it is compared in every layer of a detector with many layers.
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
    conditions: tuple[str, ...] = ()
    essential: bool = True
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


OBSERVABLES: dict[str, Observable] = {}
"""All known observables in the order in which a report shows them."""


def observable(
    name: str,
    *,
    label: str,
    unit: str = "",
    binning: Binning | None = None,
    applies: Callable[[Layer], bool] | None = None,
    conditions: tuple[str, ...] = (),
    essential: bool = True,
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
            description=(compute.__doc__ or "").strip().split("\n")[0],
            applies=applies or _is_shower,
            conditions=conditions,
            essential=essential,
        )
        return compute

    return register


def select(
    detector: Detector,
    conditions: Sequence[str] = ("energy",),
    names: Sequence[str | Observable] | None = None,
) -> list[Observable]:
    """Choose the observables that exist for a detector, one entry per layer where they have one.

    By default all of the registry; of a detector with more than 7 layers only the essential ones
    per layer (energy fraction, width and sparsity, which every known failure of a generator
    reaches), because ten observables in 45 layers are a report that nobody reads.

    Arguments:
        detector: The detector.
        conditions: Names of the conditions that both samples have.
        names: Names (``"E_tot/E_inc"``, ``"EC_x_0"``, ``"EC_x_{k}"`` for all layers), or own
            observables; all registered ones when None.

    Raises:
        MissingError: A name is not known for this detector.
        DetectorError: No observable exists for this detector.
    """
    known: dict[str, list[Observable]] = {}
    for definition in OBSERVABLES.values():
        known[definition.name] = _expand(definition, detector, conditions)
    if names is None:
        many = detector.n_layers > MANY_LAYERS
        chosen = [o for found in known.values() for o in found if o.essential or not many]
        if not chosen:
            raise DetectorError(
                f"there are no observables for the detector '{detector.name}'",
                remedy="give own ones, made with phys_gan.validation.Observable",
            )
        return chosen
    single = {o.name: [o] for found in known.values() for o in found}
    chosen = []
    for name in names:
        if isinstance(name, Observable):
            chosen += _expand(name, detector, conditions)
            continue
        found = single.get(name) or known.get(name)
        if not found:
            raise MissingError(
                f"'{name}' is not an observable of the detector '{detector.name}'; available: "
                f"{', '.join(single)}",
                value=name,
            )
        chosen += found
    return chosen


def measure(events: Events, observables: Sequence[Observable]) -> dict[str, NDArray[np.float64]]:
    """Compute observables in blocks of events with bounded temporary memory.

    Returns:
        Name to values of shape (N,); NaN where not defined.
    """
    values = {o.name: np.empty(len(events)) for o in observables}
    for rows, showers in blocks(events):
        for name, result in measure_block(showers, observables).items():
            values[name][rows] = result
    return values


def measure_block(
    showers: Showers, observables: Sequence[Observable]
) -> dict[str, NDArray[np.float64]]:
    """Compute observables of one block of showers: name to values of shape (N,)."""
    done: dict[Compute, NDArray[np.float64]] = {}
    values = {}
    for o in observables:
        if o.compute not in done:
            done[o.compute] = o.compute(showers)
        result = done[o.compute]
        values[o.name] = result if o.layer is None else result[:, o.layer]
    return values


def _expand(
    definition: Observable, detector: Detector, conditions: Sequence[str]
) -> list[Observable]:
    if not set(definition.conditions) <= set(conditions):
        return []
    if "{k}" not in definition.name:
        return [definition] if all(map(definition.applies, detector.layers)) else []
    names = [layer.name for layer in detector.layers]
    unique = all(names) and len(set(names)) == len(names)
    return [
        definition.in_layer(k, layer.name if unique else str(k))
        for k, layer in enumerate(detector.layers)
        if definition.applies(layer)
    ]
