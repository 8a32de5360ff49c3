r"""Give generated events weights that make them agree with full simulation: :func:`reweight`.

A classifier between both samples has the odds :math:`D/(1-D)` of an event of the reference, which
are the ratio of both densities where it is calibrated. Events are cut into halves; those of either
half get their weights from classifiers of the other one, five of them, each trained on four fifths
of it and calibrated on the last one (Platt), so that no event had a say in its own weight. The
closure test compares each half of the weighted candidate with the half of the reference that its
classifiers have not seen.

References:
    DCTRGAN: improving the precision of generative models with reweighting (Diefenbacher et al.,
    2020), https://arxiv.org/abs/2009.03796
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from phys_gan.data import Blocks, HitMapping, blocks, writing
from phys_gan.data.reading import open_events
from phys_gan.data.source import Paths
from phys_gan.detectors import Detector
from phys_gan.errors import ConfigError, DataError, MissingError
from phys_gan.events import Events, effective_number
from phys_gan.files import numbers_first
from phys_gan.metrics.distances import ks, ks_p_value
from phys_gan.metrics.features import feature_matrix, undefined_values
from phys_gan.metrics.samples import need_events, need_same_cells
from phys_gan.metrics.statistics import Floats, Weights, taken
from phys_gan.observables import measure, select
from phys_gan.randomness import stream
from phys_gan.validation import Options, compare_all
from phys_gan.work import Progress

CLASSIFIERS = ("trees", "high", "low", "low-normalised")
"""What weights can come from: boosted trees on all observables, networks on forms of the cells."""

MIN_EVENTS = 400
"""Events of each sample: a fifth of a half must calibrate."""

CLIP = 20.0
"""Largest weight, and the inverse of the smallest one."""

_ENOUGH = 0.1
_APART = (
    "The classifiers tell nearly all events apart: the samples hardly overlap, and no weights can "
    "make one of the other. Do not use these."
)
_FOLDS = 5
_FALSE = 0.01
_MEAN_KS = 0.8687
"""Mean of the Kolmogorov distribution, sqrt(pi/2) ln 2."""


@dataclass(frozen=True)
class Closure:
    """An observable before and after the weights, on events that the classifiers have not seen.

    Attributes:
        before: KS between candidate and reference, the mean of both halves.
        after: The same of the weighted candidate.
        floor: Mean of ``after`` for equal samples of these effective numbers.
        p_value: The smaller p-value of both halves before, times two.
    """

    before: float
    after: float
    floor: float
    p_value: float

    @property
    def differs(self) -> bool:
        """Whether the candidate differs at all without weights, at a rate of 1 %."""
        return self.p_value < _FALSE

    def as_dict(self) -> dict[str, float | bool]:
        """Return the fields for JSON."""
        return {
            "ks_before": self.before,
            "ks_after": self.after,
            "floor": self.floor,
            "p_value": self.p_value,
            "differs": self.differs,
        }


@dataclass(frozen=True)
class Reweighting:
    """What was done, and whether it closes.

    Attributes:
        out: The file with the weights.
        classifier: One of :data:`CLASSIFIERS`.
        n: Number of events.
        n_before: Their effective number before.
        n_effective: Their effective number with the weights.
        clip: Largest ratio of densities.
        n_clipped: Events whose ratio was beyond it or its inverse.
        largest: Largest weight, their mean being 1.
        closure: Observable to what the weights do to it, the worst before first.
        page: The report on the weighted sample beside the unweighted one, where wanted.
    """

    out: Path
    classifier: str
    n: int
    n_before: float
    n_effective: float
    clip: float
    n_clipped: int
    largest: float
    closure: dict[str, Closure]
    page: Path | None = None

    @property
    def hardly_overlap(self) -> bool:
        """Whether weights cannot make one sample of the other: few events are in both."""
        return self.n_effective < _ENOUGH * self.n_before or self.n_clipped > _ENOUGH * self.n

    def as_dict(self) -> dict[str, Any]:
        """Return everything of reweighting.json."""
        return {
            "classifier": self.classifier,
            "n": self.n,
            "n_effective_before": self.n_before,
            "n_effective": self.n_effective,
            "clip": self.clip,
            "n_clipped": self.n_clipped,
            "largest_weight": self.largest,
            "hardly_overlap": self.hardly_overlap,
            "closure": {name: closure.as_dict() for name, closure in self.closure.items()},
        }

    def summary(self) -> str:
        """Return what the weights cost and what they close, as a short table."""
        width = max([16, *map(len, self.closure)])
        off = [closure for closure in self.closure.values() if closure.differs]
        far = [closure for closure in off if closure.before > 2 * closure.floor]
        closed = sum(closure.after <= closure.before / 2 for closure in far)
        at_floor = sum(closure.after <= 1.5 * closure.floor for closure in off)
        lines = [
            f"{self.n:,} events with weights are worth {self.n_effective:,.0f} (before "
            f"{self.n_before:,.0f}); the largest weight is {self.largest:.3g}, and "
            f"{self.n_clipped:,} were clipped at {self.clip:g} or its inverse.",
            f"On halves not trained on, {len(off)} of {len(self.closure)} observables differ "
            f"without weights, and with them KS is at most 1.5 times its floor in {at_floor} of "
            f"these; of the {len(far)} whose KS was above twice the floor it falls to half or "
            f"less in {closed}.",
            *([_APART] if self.hardly_overlap else []),
            "",
            f"{'observable':<{width}} {'KS before':>10} {'after':>8} {'floor':>8}",
        ]
        for name, closure in self.closure.items():
            mark = "" if closure.differs else "   did not differ"
            lines.append(
                f"{name:<{width}} {closure.before:>10.4f} {closure.after:>8.4f} "
                f"{closure.floor:>8.4f}{mark}"
            )
        return "\n".join(lines)


def reweight(
    reference: Paths,
    candidate: Paths,
    out: str | Path,
    *,
    classifier: str = "trees",
    clip: float = CLIP,
    report: str | Path | None = None,
    options: Options | None = None,
    seed: int = 0,
    device: str = "cpu",
    detector: str | Path | Detector | None = None,
    format: str | None = None,
    mapping: str | Path | HitMapping | None = None,
    progress: Progress | None = None,
) -> Reweighting:
    """Write the candidate with weights that make it agree with the reference.

    Weights that the candidate has already are multiplied. Their sum stays what it was, and all
    else in the file too; it appears when it is complete.

    Arguments:
        reference: Events of full simulation, as in :func:`phys_gan.read`.
        candidate: Generated events; the file that is written has the format of the first one
            where its ending is the same, else the usual one of its ending.
        out: The file to write.
        classifier: One of :data:`CLASSIFIERS`.
        clip: Largest ratio of densities that an event may get, and the inverse of the smallest.
        report: Folder for a report on both samples, and for ``reweighting.json``.
        options: What is compared in this report; its seed is ``seed``.
        seed: Seed of halves and classifiers: equal input and seed give equal output.
        device: Where networks are trained.
        detector: As in :func:`phys_gan.read`, like ``format`` and ``mapping``.
        format: Format of the files that are read.
        mapping: Where hits are.
        progress: Called to show progress.

    Raises:
        ConfigError: ``out`` is one of the files to read, or ``clip`` is not above 1.
        DataError: A weight of either sample is negative.
        DetectorError: The detectors differ.
        MissingError: There is no such classifier.
        PhysGanError: As in :func:`phys_gan.read` and :func:`phys_gan.write`.
        RangeError: A sample has fewer than 400 events.
    """
    if classifier not in CLASSIFIERS:
        raise MissingError(
            f"there is no classifier '{classifier}'; available: {', '.join(CLASSIFIERS)}",
            value=classifier,
        )
    if not clip > 1:
        raise ConfigError(
            f"weights cannot be clipped at {clip:g}",
            remedy="choose a number above 1, such as 20",
            value=clip,
            constraint=1,
        )

    def opened(paths: Paths) -> Blocks:
        return blocks(paths, detector=detector, format=format, mapping=mapping)

    target = Path(out)
    sides = opened(reference), opened(candidate)
    for source in (source for side in sides for source in side.found.sources):
        if target.exists() and source.path.exists() and target.samefile(source.path):
            raise ConfigError(
                f"'{target}' is a file to read",
                remedy="write the weighted events into another file",
                value=str(target),
            )
    need_same_cells(sides[0].detector, sides[1].detector)
    own = [side.found.weights for side in sides]
    for name, side, weights in zip(("reference", "candidate"), sides, own, strict=True):
        need_events(name, side.n_events, MIN_EVENTS, " to reweight")
        if weights is not None and weights.min() < 0:
            raise DataError(
                f"{int((weights < 0).sum())} weights of the {name} are negative, and a density "
                "has no negative odds",
                remedy="leave them out with phys-gan convert --drop weights",
                value=float(weights.min()),
            )

    # One pass over each sample: its observables, and the inputs of a network.
    with threadpool_limits(1):
        tables, inputs = _measured(sides, classifier, progress)
        halves = _halves(sides[0].n_events, sides[1].n_events, seed)
        logits = np.empty(sides[1].n_events)
        for half in (0, 1):
            if progress is not None:
                progress("training classifiers", 1 + half)
            learned = tuple(rows != half for rows in halves)
            logits[halves[1] == half] = _log_odds(
                [table[rows] for table, rows in zip(inputs, learned, strict=True)],
                [taken(w, rows) for w, rows in zip(own, learned, strict=True)],
                inputs[1][halves[1] == half],
                classifier,
                stream(seed, f"reweighting/half {half}"),
                device,
            )
    ratios = np.exp(np.clip(logits, -np.log(clip), np.log(clip)))
    n_clipped = int(np.sum(np.abs(logits) > np.log(clip)))
    before = np.ones(len(ratios)) if own[1] is None else own[1]
    weights = before * ratios
    weights *= before.sum() / weights.sum()
    closure = _closure(tables, halves, (own[0], own[1]), weights)
    done = Reweighting(
        out=target,
        classifier=classifier,
        n=len(weights),
        n_before=effective_number(before),
        n_effective=effective_number(weights),
        clip=clip,
        n_clipped=n_clipped,
        largest=float(weights.max() / weights.mean()),
        closure=closure,
    )
    _write(sides[1], target, weights)
    if report is None:
        return done
    found = compare_all(
        opened(reference),
        {"unweighted": sides[1], "weighted": blocks(target, detector=sides[1].detector)},
        options=replace(options or Options(), seed=seed),
        report=progress,
    )
    with numbers_first(Path(report), "reweighting.json", done.as_dict()):
        page = found.save(report, report=progress)
    return replace(done, page=page)


def _measured(
    sides: Sequence[Blocks], classifier: str, progress: Progress | None
) -> tuple[list[dict[str, Floats]], list[NDArray[np.float32]]]:
    """Return the observables of both samples, and the inputs of the classifier, (n, F) each."""
    samples = [side.found.sample for side in sides]
    names = set(samples[0].conditions) & set(samples[1].conditions)
    chosen = select(sides[0].detector, sorted(names))
    energy = ["energy"] if "energy" in names else []
    make: Callable[[Events], NDArray[np.float32]] | None = None
    if classifier != "trees":
        from phys_gan.metrics.classifier import FORMS

        def make(events: Events) -> NDArray[np.float32]:
            return FORMS[classifier](events, energy)

    tables: list[dict[str, Floats]] = []
    inputs: list[NDArray[np.float32]] = []
    for side, name in zip(sides, ("reference", "candidate"), strict=True):
        parts, forms, n = [], [], 0
        for events in side:
            parts.append(measure(events, chosen))
            if make is not None:
                forms.append(make(events))
            n += len(events)
            if progress is not None:
                progress(f"measuring {name}", n)
        tables.append({key: np.concatenate([part[key] for part in parts]) for key in parts[0]})
        if make is not None:
            inputs.append(np.concatenate(forms))
    if make is None:
        keys = list(tables[0])
        fills = undefined_values(tables[0])
        inputs = [feature_matrix(table, keys, fills).astype(np.float32) for table in tables]
    return tables, inputs


def _halves(n: int, m: int, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the half, 0 or 1, of every event of both samples.

    Events with the same number are in the same half, so that a candidate that was generated at
    the incident energies of the reference does not show them to a classifier of the other half.
    """
    order = stream(seed, "reweighting/halves").permutation(max(n, m)) % 2
    return order[:n], order[:m]


def _log_odds(
    inputs: Sequence[NDArray[np.float32]],
    weights: Sequence[Weights],
    wanted: NDArray[np.float32],
    classifier: str,
    generator: np.random.Generator,
    device: str,
) -> Floats:
    """Return the calibrated logarithm of the odds of the reference, shape (N,).

    Arguments:
        inputs: Inputs of reference and candidate to learn from.
        weights: Their weights.
        wanted: Inputs of the events to weight.
        classifier: One of :data:`CLASSIFIERS`.
        generator: Random numbers.
        device: Where networks are trained.
    """
    from phys_gan.metrics.classifier.scores import Scores, platt

    sizes = len(inputs[0]), len(inputs[1])
    table = np.concatenate(inputs)
    labels = np.repeat(np.array([0, 1], np.int64), sizes)
    # Both samples count the same.
    counted = np.concatenate(
        [
            (np.ones(size) if w is None else w) * (sum(sizes) / 2)
            / (size if w is None else w.sum())
            for size, w in zip(sizes, weights, strict=True)
        ]
    )  # fmt: skip
    order = generator.permutation(max(sizes)) % _FOLDS
    folds = np.concatenate([order[: sizes[0]], order[: sizes[1]]])
    held, found = np.empty(len(table)), np.zeros(len(wanted))
    for fold in range(_FOLDS):
        learn, test = folds != fold, folds == fold
        seed = int(generator.integers(2**31))
        fit = _trees if classifier == "trees" else _network
        predict = fit(table, labels, counted, learn, seed, device)
        held[test] = predict(table[test])
        found += predict(wanted) / _FOLDS
    side = labels == 1
    slope, offset = platt(
        Scores(
            held[~side],
            held[side],
            None if weights[0] is None else counted[~side],
            None if weights[1] is None else counted[side],
        )
    )
    return -(slope * found + offset)


_Predict = Callable[[NDArray[np.float32]], Floats]


def _trees(
    table: NDArray[np.float32],
    labels: NDArray[np.int64],
    weights: Floats,
    learn: NDArray[np.bool_],
    seed: int,
    device: str,
) -> _Predict:
    """Fit boosted trees; a fifth of what they learn from says when to stop."""
    # It takes a second to import.
    from sklearn.ensemble import HistGradientBoostingClassifier

    model = HistGradientBoostingClassifier(
        learning_rate=0.1,
        max_iter=200,
        max_bins=128,
        max_leaf_nodes=12,
        min_samples_leaf=40,
        l2_regularization=1.0,
        early_stopping=True,
        validation_fraction=0.2,
        n_iter_no_change=10,
        random_state=seed,
    )
    model.fit(table[learn], labels[learn], sample_weight=weights[learn])
    return lambda inputs: np.asarray(model.decision_function(inputs), np.float64)


def _network(
    table: NDArray[np.float32],
    labels: NDArray[np.int64],
    weights: Floats,
    learn: NDArray[np.bool_],
    seed: int,
    device: str,
) -> _Predict:
    """Train the network of classifier tests; a fifth of what it learns from chooses the epoch."""
    from phys_gan.metrics.classifier import PRESETS
    from phys_gan.metrics.classifier.training import Parts, predict, to_device, train

    rows = stream(seed, "reweighting/network").permutation(np.flatnonzero(learn))
    cut = len(rows) // 5
    parts = Parts(rows[cut:], rows[:cut], rows[:0])
    settings = PRESETS["quick"]
    network = train(
        table,
        labels,
        2,
        parts,
        [settings.width] * (settings.layers + 1),
        settings,
        seed=seed,
        device=to_device(device),
        weights=weights,
    )
    return lambda inputs: predict(network, inputs)[:, 0]


def _closure(
    tables: Sequence[dict[str, Floats]],
    halves: Sequence[NDArray[np.int64]],
    own: tuple[Weights, Weights],
    weights: Floats,
) -> dict[str, Closure]:
    """Compare each half of both samples before and after the weights, the worst before first."""
    found = {}
    for name in tables[0]:
        before, after, floors, p_values = [], [], [], []
        for half in (0, 1):
            rows = [
                (side == half) & np.isfinite(table[name])
                for side, table in zip(halves, tables, strict=True)
            ]
            values = [table[name][chosen] for table, chosen in zip(tables, rows, strict=True)]
            plain = taken(own[0], rows[0]), taken(own[1], rows[1])
            heavy = weights[rows[1]]
            sizes = [
                len(x) if w is None else effective_number(w)
                for x, w in zip(values, plain, strict=True)
            ]
            if min(*sizes, effective_number(heavy) if len(heavy) else 0) < 20:
                continue
            before.append(ks(values[0], values[1], plain))
            after.append(ks(values[0], values[1], (plain[0], heavy)))
            floors.append(_MEAN_KS * np.sqrt(1 / sizes[0] + 1 / effective_number(heavy)))
            p_values.append(ks_p_value(before[-1], *sizes))
        if before:
            found[name] = Closure(
                float(np.mean(before)),
                float(np.mean(after)),
                float(np.mean(floors)),
                min(1.0, 2 * min(p_values)),
            )
    return dict(sorted(found.items(), key=lambda item: -item[1].before))


def _write(candidate: Blocks, target: Path, weights: Floats) -> None:
    """Write all events of the candidate with their weights, block by block."""
    first = candidate.found.sources[0]
    name = None
    if first.path.suffix == target.suffix:
        with open_events(first, candidate.how) as (_, layout):
            name = layout.name
    sample = replace(candidate.found.sample, weights=np.ones(len(candidate.found.sample)))
    with writing(target, sample, name) as add:
        start = 0
        for events in candidate:
            add(replace(events, weights=weights[start : start + len(events)]))
            start += len(events)
