"""Which observables are compared: those that exist for a detector, and those of the user."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from phys_gan.detectors import Detector
from phys_gan.errors import ConfigError, DetectorError, MissingError
from phys_gan.validation.observables.registry import OBSERVABLES, Compute, Observable

__all__ = ["MANY_LAYERS", "Wanted", "select"]

MANY_LAYERS = 7
"""Above this number of layers only the essential observables are compared."""

Wanted = str | Observable | Compute
"""How a user asks for an observable: by name, as an own one, as a plain function of showers."""


def select(
    detector: Detector,
    conditions: Sequence[str] = ("energy",),
    names: Sequence[Wanted] | None = None,
) -> list[Observable]:
    """Choose the observables that exist for a detector, one entry per layer where they have one.

    By default all of the registry; of a detector with more than 7 layers only the essential ones
    (per layer the energy fraction, the width and the sparsity, which every known failure of a
    generator reaches), because ten observables in 45 layers are a report that nobody reads.

    Arguments:
        detector: The detector.
        conditions: Names of the conditions that both samples have.
        names: Names (``"E_tot/E_inc"``, ``"EC_x_0"``, ``"EC_x_{k}"`` for all layers), own
            observables, or plain functions of showers, which become observables called like the
            function; all registered ones when None.

    Raises:
        MissingError: A name is not known for this detector.
        DetectorError: No observable exists for this detector.
        ConfigError: A function has no name, or two different observables have the same one.

    Example:
        >>> from phys_gan.detectors import load_detector
        >>> def front(showers):
        ...     return showers.layer_energy[:, 0]
        >>> [o.name for o in select(load_detector("calogan"), names=["depth", front])]
        ['depth', 'front']
    """
    known = {
        definition.name: _expand(definition, detector, conditions)
        for definition in OBSERVABLES.values()
    }
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
        if isinstance(name, str):
            found = single.get(name) or known.get(name)
            if not found:
                raise MissingError(
                    f"'{name}' is not an observable of the detector '{detector.name}'; available: "
                    f"{', '.join(single)}",
                    value=name,
                )
        else:
            own = name if isinstance(name, Observable) else Observable.from_function(name)
            found = _expand(own, detector, conditions)
        chosen += found
    return _distinct(chosen)


def _expand(
    definition: Observable, detector: Detector, conditions: Sequence[str]
) -> list[Observable]:
    if not set(definition.conditions) <= set(conditions):
        return []
    if detector.n_layers < definition.min_layers or not definition.exists(detector):
        return []
    definition = replace(definition, unit=definition.unit.replace("{cell}", detector.cell_unit))
    if "{k}" not in definition.name:
        return [definition] if all(map(definition.applies, detector.layers)) else []
    names = [layer.name for layer in detector.layers]
    unique = all(names) and len(set(names)) == len(names)
    return [
        definition.in_layer(k, layer.name if unique else str(k))
        for k, layer in enumerate(detector.layers)
        if definition.applies(layer)
    ]


def _distinct(chosen: Sequence[Observable]) -> list[Observable]:
    """Leave out what was asked for twice."""
    result: dict[str, Observable] = {}
    for o in chosen:
        if result.setdefault(o.name, o).compute is not o.compute:
            raise ConfigError(
                f"two different observables are called '{o.name}'",
                remedy="give one of them another name",
                value=o.name,
            )
    return list(result.values())
