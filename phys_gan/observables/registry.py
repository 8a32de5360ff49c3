""":class:`Observable`: one number per event, how it is computed and binned, and who registers it.

:func:`observable` registers a function of :class:`~phys_gan.observables.sums.Showers`;
:func:`select` chooses those that exist for a detector; :func:`measure` computes them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from phys_gan.detectors import Detector, Layer, ShowerLayer
from phys_gan.errors import ConfigError, DataError, DetectorError, MissingError
from phys_gan.events import Events
from phys_gan.observables.sums import Numbers, Showers, map_blocks

# Bins


@dataclass(frozen=True)
class Binning:
    """A rule that turns reference values into bin edges.

    The range covers all but a fraction ``outside`` of the reference at either end, so that an
    outlier does not stretch it; the number of bins follows Rice's rule 2 n^(1/3) between 10
    and 50. Values on a lattice (numbers of cells) get bins of whole lattice steps.

    Arguments:
        scale: Bins of equal width on this scale. ``"auto"`` takes the logarithmic one when the
            middle 80 % of the positive values span more than a factor 30.
        low: Lower end; from the reference when None.
        high: Upper end; from the reference when None.
        outside: Fraction of the reference that may lie outside at either end; at least 5 events.
    """

    scale: Literal["linear", "log", "auto"] = "linear"
    low: float | None = None
    high: float | None = None
    outside: float = 0.002

    def edges(self, values: Numbers) -> Numbers:
        """Return bin edges for finite reference values, shape (n_bins + 1,)."""
        n_bins = int(np.clip(round(2 * len(values) ** (1 / 3)), 10, 50))
        values = np.sort(values)
        positive = values[np.searchsorted(values, 0.0, side="right") :]
        # Logarithmic bins.
        if self._is_log(values, positive):
            low, high = self._range(positive)
            high = max(high, low * 1.1)
            return np.geomspace(low, high + _margin(values, low, high), n_bins + 1)
        low, high = self._range(values)
        # Whole lattice steps: quantiles fall between lattice points, bins start half a step below.
        if step := _lattice_step(values):
            low = float(values[0] + step * np.floor((low - values[0]) / step))
            width = step * max(1, np.ceil((high - low) / step / n_bins))
            return _regular(low - step / 2, high + step / 2, width)
        # A single value in the middle of its bin.
        if high <= low:
            width = 1.0 if low.is_integer() else abs(low) / 10
            return np.array([low - width / 2, low + width / 2])
        # Bins of a round width.
        width = _round_up((high - low) / n_bins)
        return _regular(width * np.floor(low / width), high + _margin(values, low, high), width)

    def _is_log(self, values: Numbers, positive: Numbers) -> bool:
        if self.scale != "auto" or len(positive) < len(values) / 2:
            return self.scale == "log" and len(positive) > 0
        return _quantile(positive, 0.9) > 30 * _quantile(positive, 0.1)

    def _range(self, values: Numbers) -> tuple[float, float]:
        # A tail bin with too few reference entries compares sample sizes, not distributions.
        outside = min(0.1, max(self.outside, 5 / len(values)))
        return (
            _quantile(values, outside) if self.low is None else self.low,
            _quantile(values, 1 - outside) if self.high is None else self.high,
        )


def counts(values: Numbers, edges: Numbers) -> NDArray[np.int64]:
    """Count values in bins [low, high) with under- and overflow, shape (n_bins + 2,).

    The last bin is half-open too: a value at the last edge is overflow.
    """
    return np.bincount(np.searchsorted(edges, values, side="right"), minlength=len(edges) + 1)


def extended(edges: Numbers, values: Numbers) -> Numbers:
    """Continue regular bins until they cover 99 % of ``values``, half their number at most.

    A candidate beside the reference is then visible, not only counted as overflow.
    """
    if len(edges) < 3 or not len(values):
        return edges
    log = edges[0] > 0 and (edges[2] - edges[1]) > 1.001 * (edges[1] - edges[0])
    scale = np.log(edges) if log else edges
    width = (scale[-1] - scale[0]) / (len(edges) - 1)
    low, high = np.quantile(values, [0.005, 0.995])
    if log:
        low, high = np.log(max(low, edges[0] * 1e-9)), np.log(max(high, edges[0] * 1e-9))
    most = len(edges) // 2
    n_below = int(np.clip(np.ceil((scale[0] - low) / width), 0, most))
    n_above = int(np.clip(np.ceil((high - scale[-1]) / width), 0, most))
    below = scale[0] - width * np.arange(n_below, 0, -1)
    above = scale[-1] + width * np.arange(1, n_above + 1)
    if log:
        below, above = np.exp(below), np.exp(above)
    return np.concatenate([below, edges, above])


def _margin(ordered: Numbers, low: float, high: float) -> float:
    """Return what to add to the upper end, which bins exclude, where several values share it."""
    many = np.searchsorted(ordered, high, side="right") - np.searchsorted(ordered, high) > 1
    return 1e-6 * (high - low) if many else 0.0


def _quantile(ordered: Numbers, fraction: float) -> float:
    """Return a quantile of sorted values, interpolated between neighbours."""
    below, rest = divmod(fraction * (len(ordered) - 1), 1)
    low, high = ordered[[int(below), min(int(below) + 1, len(ordered) - 1)]]
    return float(low + rest * (high - low))


def _lattice_step(ordered: Numbers) -> float:
    """Return the step of the lattice of sorted values; 0 if they are not on one."""
    gaps = np.diff(ordered)
    gaps = gaps[gaps > 0]
    if not 1 <= len(gaps) < max(20, len(ordered) // 4):
        return 0.0
    gaps = gaps[gaps > 1e-9 * (ordered[-1] - ordered[0])]
    multiples = gaps / gaps.min()
    return float(gaps.min()) if np.all(np.abs(multiples - multiples.round()) < 0.01) else 0.0


def _round_up(width: float) -> float:
    """Return the next round width: 1, 2, 2.5, 4 or 5 times a power of ten."""
    steps = np.array([1.0, 2.0, 2.5, 4.0, 5.0, 10.0])
    power = 10.0 ** np.floor(np.log10(width))
    return float(power * steps[np.searchsorted(steps, width / power - 1e-9)])


def _regular(low: float, high: float, width: float) -> Numbers:
    n_bins = max(1, int(np.ceil((high - low) / width - 1e-9)))
    return np.asarray(low + width * np.arange(n_bins + 1), np.float64)


# Observables

Compute = Callable[[Showers], Numbers]


def _is_shower(layer: Layer) -> bool:
    return isinstance(layer, ShowerLayer)


def _any_detector(detector: Detector) -> bool:
    return True


@dataclass(frozen=True)
class Observable:
    """One number per event, and how to show it.

    Attributes:
        name: Name; ``{k}`` stands for the name of the layer in one that exists per layer.
        compute: Showers to values of shape (N,), or (N, n_layers) when per layer; NaN where the
            observable is not defined, such as the centre of an empty layer. Must be pure, because
            blocks of events are computed in several threads.
        label: LaTeX label for axes, with ``{k}`` as in the name.
        unit: Unit of the values; empty for pure numbers. ``{cell}`` stands for that of the cells.
        binning: Rule that turns reference values into bin edges.
        description: One sentence for captions.
        applies: Which layers it exists for.
        exists: Which detectors it exists for, where that does not follow from their layers.
        conditions: Conditions that it needs.
        essential: Whether it is compared also in a detector with many layers.
        min_layers: Smallest number of layers for which it is defined.
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
    exists: Callable[[Detector], bool] = _any_detector
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
        label, text = name.replace("_", " "), first_line(compute)
        return cls(name, compute, label, description=text or label, applies=lambda layer: True)


OBSERVABLES: dict[str, Observable] = {}
"""All known observables in the order in which a report shows them."""


def observable(
    name: str,
    *,
    label: str,
    unit: str = "",
    binning: Binning | None = None,
    description: str = "",
    applies: Callable[[Layer], bool] = _is_shower,
    exists: Callable[[Detector], bool] = _any_detector,
    conditions: tuple[str, ...] = (),
    essential: bool = True,
    min_layers: int = 1,
) -> Callable[[Compute], Compute]:
    r"""Register a function of :class:`Showers` as an observable; options as in its attributes.

    A name with ``{k}`` declares one observable per layer: the function returns (N, n_layers).
    Without a ``description`` it is the first line of the function's docstring.

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
            description=description or first_line(compute),
            applies=applies,
            exists=exists,
            conditions=conditions,
            essential=essential,
            min_layers=min_layers,
        )
        return compute

    return register


def first_line(function: Callable[..., object]) -> str:
    """Return the first line of a function's docstring."""
    return (function.__doc__ or "").strip().split("\n")[0]


# Which of them are compared

MANY_LAYERS = 7
"""Above this number of layers only the essential observables are compared."""

Wanted = str | Observable | Compute
"""A chosen observable: a name, an :class:`Observable`, or a plain function of showers."""


def select(
    detector: Detector,
    conditions: Sequence[str] = ("energy",),
    names: Sequence[Wanted] | None = None,
) -> list[Observable]:
    """Choose the observables that exist for a detector, one entry per layer where they have one.

    By default all that are registered; for a detector with more than 7 layers only the essential
    ones (per layer the energy fraction, the width and the sparsity, one of which every known
    failure of a generator changes), because ten observables in 45 layers make no readable report.

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
    known = {o.name: _expand(o, detector, conditions) for o in OBSERVABLES.values()}
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
    result: dict[str, Observable] = {}
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
        for o in found:
            if result.setdefault(o.name, o).compute is not o.compute:
                raise ConfigError(
                    f"two different observables are called '{o.name}'",
                    remedy="give one of them another name",
                    value=o.name,
                )
    return list(result.values())


def _expand(o: Observable, detector: Detector, conditions: Sequence[str]) -> list[Observable]:
    """Return an observable of each layer that it applies to, or the one of the whole detector."""
    if not set(o.conditions) <= set(conditions):
        return []
    if detector.n_layers < o.min_layers or not o.exists(detector):
        return []
    o = replace(o, unit=o.unit.replace("{cell}", detector.cell_unit))
    if "{k}" not in o.name:
        return [o] if all(map(o.applies, detector.layers)) else []
    names = [layer.name for layer in detector.layers]
    unique = all(names) and len(set(names)) == len(names)
    return [
        o.in_layer(k, layer.name if unique else str(k))
        for k, layer in enumerate(detector.layers)
        if o.applies(layer)
    ]


# Their values


def measure(
    events: Events, observables: Sequence[Observable], *, threads: int | None = None
) -> dict[str, Numbers]:
    """Compute observables in blocks of events with bounded temporary memory.

    The values do not depend on the number of threads.

    Arguments:
        events: The events.
        observables: What to compute, from :func:`select`.
        threads: As in :func:`phys_gan.observables.sums.map_blocks`.

    Returns:
        Name to values of shape (N,); NaN where not defined.

    Raises:
        DataError: The function of an observable returns an array of a wrong shape.
        MissingError: The events lack a condition that an observable needs.
    """
    values = {o.name: np.empty(len(events)) for o in observables}
    # Blocks have threads of their own, with which those of BLAS would compete.
    with threadpool_limits(1, user_api="blas"):
        for rows, block in map_blocks(events, lambda s: measure_block(s, observables), threads):
            for name, column in block.items():
                values[name][rows] = column
    return values


def measure_block(showers: Showers, observables: Sequence[Observable]) -> dict[str, Numbers]:
    """Compute observables of one block of showers: name to values of shape (N,)."""
    computed: dict[Compute, Numbers] = {}
    values = {}
    for o in observables:
        if o.compute not in computed:
            computed[o.compute] = _computed(o, showers)
        result = computed[o.compute]
        # A copy, because a view would keep the values of all layers in memory.
        values[o.name] = result if o.layer is None else result[:, o.layer].copy()
    return values


def _computed(o: Observable, showers: Showers) -> Numbers:
    # Undefined values are NaN, without a warning.
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
