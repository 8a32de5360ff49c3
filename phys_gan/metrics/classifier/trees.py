"""Boosted trees as a judge: on observables and features of cells, cross-fitted.

:func:`two_sample_trees` scores every event once by trees that never saw it, says by which groups of
features they tell the samples apart, and from which energy of a cell on they no longer can.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from phys_gan.errors import RangeError
from phys_gan.events import Events
from phys_gan.metrics.classifier.inputs import CONDITIONS, CellFeatures, group_of, hits_of
from phys_gan.metrics.classifier.scores import (
    FOLDS,
    MIN_EVENTS,
    Calibration,
    EventWeights,
    Roc,
    Scores,
    auc,
    auc_with_error,
    calibration_curve,
    judge_cross_fitted,
    mean_roc,
    platt,
)
from phys_gan.metrics.result import Result
from phys_gan.metrics.samples import need_events, need_same_cells
from phys_gan.metrics.statistics import Floats, Weights, relative_weights
from phys_gan.observables import measure, select
from phys_gan.randomness import stream
from phys_gan.units import MEV
from phys_gan.work import MOST_THREADS

_N_TREES = 100
_TREES = {
    "max_leaf_nodes": 16,
    "max_bins": 63,
    "max_features": 0.2,
    "min_samples_leaf": 40,
    "l2_regularization": 10.0,
    "early_stopping": False,
}
"""Coarse bins and a fifth of the features in each node: faster, and they see no less."""

_N_AGAIN = 50
_FOLDS_AGAIN = 3
"""Trees on one group and beyond thresholds, which learn twice as fast, and the folds they judge."""

_LEARNED = 6.0
"""Number of trees times learning rate."""

MAX_EVENTS = 10_000
"""Most events of the reference, and half of the most of the candidate."""

_AGAIN = 2_500
"""Most events of each sample for the same."""

_SHUFFLES = 2
_MOST_THRESHOLDS = 5
_SOFTEST, _HARDEST = 0.01, 0.97
"""Fractions of the hits of the reference that thresholds take away."""

Table = NDArray[np.float32]


@dataclass(frozen=True)
class Importance:
    """How much a group of features gives away.

    Attributes:
        group: The features, in words.
        n_features: How many there are.
        drop: By how much the AUC falls when the group is shuffled among the events that are judged.
        error: Standard error of ``drop`` over the folds.
        alone: AUC of trees on this group alone; None where it was not asked for.
        best: The feature of the group with the AUC that is farthest from 1/2 by itself.
        means: Its mean in reference and candidate, where it is defined; NaN where it is nowhere.
    """

    group: str
    n_features: int
    drop: float
    error: float
    alone: float | None
    best: str
    means: tuple[float, float]

    @property
    def counts(self) -> bool:
        """Whether the loss of AUC is beyond chance, and worth a word."""
        return self.drop > max(3 * self.error, 0.002)

    @property
    def text(self) -> str:
        """What it says, in a sentence."""
        alone = "" if self.alone is None else f"alone {self.alone:.3f}; "
        first, second = ("not defined" if np.isnan(m) else f"{m:.3g}" for m in self.means)
        drop = f"{max(self.drop, 0):.3f} ± {self.error:.3f}"
        return (
            f"{self.group}: AUC falls by {drop} when they are shuffled; {alone}"
            f"most of all {self.best} (mean {first} in the reference, {second} here)"
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the fields for JSON, which has no NaN."""
        means = [None if np.isnan(mean) else mean for mean in self.means]
        return asdict(self) | {"means": means, "text": self.text}


@dataclass(frozen=True, eq=False)
class TreesResult:
    """Result of :func:`two_sample_trees`.

    Attributes:
        form: Name among the classifiers, ``"trees"``.
        conditions: Conditions that the trees saw.
        seed: Seed of folds and shuffles.
        auc: Area under the ROC curve, 0.5 for equal samples.
        roc: The mean ROC curve of the folds.
        calibration: Reliability of the probabilities as trained.
        recalibrated: The same after calibration on the other folds.
        importance: Groups of features, the most telling first.
        thresholds: Read-out threshold [MeV] applied to both samples, and the AUC beyond it.
        event_weights: Calibrated weights of all events.
        features: Names of the features, conditions first.
        values: Features of these events, shapes (n, F) and (m, F).
    """

    form: str
    conditions: tuple[str, ...]
    seed: int
    auc: Result
    roc: Roc
    calibration: Calibration
    recalibrated: Calibration
    importance: tuple[Importance, ...]
    thresholds: tuple[tuple[float, Result], ...]
    event_weights: EventWeights
    features: tuple[str, ...]
    values: tuple[Table, Table]

    @property
    def results(self) -> dict[str, Result]:
        """The metrics by name."""
        return {"auc": self.auc}

    @property
    def within_floor(self) -> bool:
        """Whether the trees cannot tell the samples apart."""
        return self.auc.within_floor

    @property
    def gives_away(self) -> list[str]:
        """What tells the samples apart, in sentences; nothing within the floor."""
        if self.within_floor:
            return []
        half = 0.5 + (self.auc.value - 0.5) / 2
        telling = [one for one in self.importance if one.counts or (one.alone or 0) > half]
        return [one.text for one in telling or self.importance[:1]]

    @property
    def trusted_from(self) -> float | None:
        """Lowest threshold [MeV] from which on all AUCs are within their floors; None without."""
        trusted = None
        for threshold, result in reversed(self.thresholds):
            if not result.within_floor:
                break
            trusted = threshold
        return trusted

    def as_dict(self) -> dict[str, Any]:
        """Return everything for JSON."""
        return {
            "form": self.form,
            "conditions": list(self.conditions),
            "n_features": len(self.features),
            "seed": self.seed,
            "auc": self.auc.as_dict(),
            "roc": self.roc.as_dict(),
            "calibration": self.calibration.as_dict(),
            "recalibrated": self.recalibrated.as_dict(),
            "importance": [one.as_dict() for one in self.importance],
            "gives_away": self.gives_away,
            "thresholds": [{"MeV": t, "auc": r.as_dict()} for t, r in self.thresholds],
            "event_weights": self.event_weights.as_dict(),
        }


def two_sample_trees(
    reference: Events,
    candidate: Events,
    *,
    values: tuple[Mapping[str, Floats], Mapping[str, Floats]] | None = None,
    max_events: int = MAX_EVENTS,
    explain: bool = True,
    seed: int = 0,
) -> TreesResult:
    r"""Judge by boosted trees on observables, features of cells and the conditions of both samples.

    Events are divided into five folds; events of equal conditions, such as a candidate that was
    generated at the energies of the reference, come into the same one. Each fold is scored by trees
    that learned from the other four, so that the AUC is that of all events. Both samples count the
    same in the loss, whatever their numbers: a candidate with more events teaches more.

    * **importance**: the loss of AUC when all features of a group are shuffled together among the
      events of a fold (Breiman, 2001). Groups that say the same replace each other, so that each
      loses little: beside it stands the AUC of trees on the group alone.
    * **thresholds**: cells of both samples that are not above a threshold are set to 0, and
      everything is done again (at most 2,500 events of each, three of the folds).

    Both are for samples outside the floor; of equal ones the groups are only shuffled. Weights
    enter the loss and the scores.

    References:
        Random forests (Breiman, 2001), https://doi.org/10.1023/A:1010933404324, sec. 10;
        LightGBM (Ke et al., 2017), of which scikit-learn's HistGradientBoostingClassifier is an
        implementation

    Arguments:
        reference: Events of full simulation, or whatever is taken as the truth.
        candidate: Events to judge, of the same detector.
        values: Observables of both, name to values (N,), where they are measured already.
        max_events: Most events of the reference; of the candidate it is twice as many.
        explain: Whether to ask for importance and thresholds.
        seed: Seed of everything: equal input and seed give equal output.

    Raises:
        DetectorError: The detectors differ.
        RangeError: Effectively fewer than 200 events of either sample can be used, or a weight is
            negative: trees need a positive number of events in every leaf.

    Example:
        >>> from phys_gan.detectors import load_detector
        >>> from phys_gan.simulation import simulate
        >>> both = [simulate(load_detector("calogan"), 300, seed=s, threads=1) for s in (1, 2)]
        >>> two_sample_trees(*both).within_floor
        True
    """
    need_same_cells(reference.detector, candidate.detector)
    rows, samples = [], []
    for name, events, most in (
        ("reference", reference, max_events),
        ("candidate", candidate, 2 * max_events),
    ):
        need_events(name, len(events), MIN_EVENTS, " for boosted trees")
        weights = relative_weights(name, events.weights, len(events), MIN_EVENTS)
        if weights is not None and weights.min() < 0:
            raise RangeError(
                f"the {name} has negative weights, and boosted trees cannot learn from them",
                remedy="leave them out (trees=False), or train a network",
                value=float(weights.min()),
                constraint=">= 0",
            )
        chosen = np.flatnonzero(np.ones(len(events)) if weights is None else weights)
        if len(chosen) > most:
            order = stream(seed, f"trees/{name}").permutation(len(chosen))
            chosen = chosen[np.sort(order[:most])]
        rows.append(chosen)
        samples.append(replace(events, weights=weights)[chosen])
    shared = tuple(name for name in samples[0].conditions if name in samples[1].conditions)
    measured = None
    if values is not None:
        measured = [
            {name: column[own] for name, column in of.items()}
            for of, own in zip(values, rows, strict=True)
        ]
    judge = _Judge.of((samples[0], samples[1]), shared, measured, seed)
    scores, drops = judge.cross_fit(explain=explain)
    judged = judge_cross_fitted(scores, judge.sizes)

    few = [sample[spaced(len(sample), _AGAIN)] for sample in samples]
    small = judge if max(judge.sizes) <= _AGAIN else judge.part(_AGAIN)
    alone = {} if judged.within_floor or not explain else small.alone()
    thresholds: list[tuple[float, Result]] = []
    if explain and not judged.within_floor and reference.detector.kind == "calorimeter":
        thresholds.append((0.0, judged if small is judge else small.auc()))
        for threshold in scan_points(samples[0]):
            beyond = above(few[0], threshold), above(few[1], threshold)
            thresholds.append((threshold, _Judge.of(beyond, shared, None, seed).auc()))

    # Each fold is calibrated by the scores of the others.
    mapped = []
    for k, fold in enumerate(scores):
        slope, offset = platt(Scores.join([s for i, s in enumerate(scores) if i != k]))
        mapped.append(fold.mapped(slope, offset))
    tested = [judge.rows(k) for k in range(FOLDS)]
    return TreesResult(
        form="trees",
        conditions=shared,
        seed=seed,
        auc=judged,
        roc=mean_roc(scores),
        calibration=calibration_curve(Scores.join(scores)),
        recalibrated=calibration_curve(Scores.join(mapped)),
        importance=judge.importance(drops, alone) if explain else (),
        thresholds=tuple(thresholds),
        event_weights=EventWeights.join(mapped, [(rows[0][a], rows[1][b]) for a, b in tested]),
        features=tuple(judge.names),
        values=(judge.table[: len(samples[0])], judge.table[len(samples[0]) :]),
    )


def above(events: Events, threshold: float) -> Events:
    """Return events whose cells are 0 unless above a threshold [MeV]."""
    limit = np.float32(threshold / MEV.get(events.detector.cell_unit, 1.0))
    cells = np.where(events.cells > limit, events.cells, np.float32(0))
    return replace(events, cells=cells, overflow=None)


def scan_points(reference: Events) -> list[float]:
    """Return the powers of ten [MeV] that take away from 1 to 97 % of the hits, at most five.

    Example:
        >>> from phys_gan.detectors import load_detector
        >>> from phys_gan.simulation import simulate
        >>> scan_points(simulate(load_detector("calogan"), 100, threads=1))
        [1.0, 10.0, 100.0, 1000.0]
    """
    hits = hits_of(reference)
    if not len(hits):
        return []
    low, high = np.log10(np.quantile(hits, [_SOFTEST, _HARDEST]))
    powers = np.arange(np.ceil(low), np.floor(high) + 1)
    if len(powers) > _MOST_THRESHOLDS:
        powers = powers[np.linspace(0, len(powers) - 1, _MOST_THRESHOLDS).round().astype(int)]
    return [float(10.0**power) for power in powers]


def spaced(n: int, most: int) -> NDArray[np.intp]:
    """Return at most so many of n events, evenly spaced: events may come in order of energy."""
    return np.linspace(0, n - 1, min(n, most)).round().astype(np.intp)


def fold_numbers(
    conditions: tuple[Floats, Floats], sizes: tuple[int, int], seed: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the fold of each event of both samples: the same where conditions are equal.

    An energy that was seen in training under the other label would mislead the trees. Where many
    events share a condition, such as a few beam energies, that cannot be, and nothing is learned
    from it: both samples are divided at random, the same way where they have equal numbers.

    Arguments:
        conditions: Conditions of both samples, shapes (n, C) and (m, C).
        sizes: n and m.
        seed: Seed of the order.
    """
    n, m = sizes
    random = stream(seed, "trees/folds")
    order = random.permutation(n), random.permutation(m) if m != n else None
    if conditions[0].shape[1]:
        # Single precision: files may have rounded the energies of one sample.
        both = np.concatenate(conditions).astype(np.float32)
        _, place = np.unique(both, axis=0, return_inverse=True)
        n_different = int(place.max()) + 1
        if 2 * n_different >= max(n, m):
            folds = random.permutation(n_different)[place.reshape(-1)] % FOLDS
            return folds[:n], folds[n:]
    first = np.empty(n, np.intp)
    first[order[0]] = np.arange(n) % FOLDS
    if order[1] is None:
        return first, first
    second = np.empty(m, np.intp)
    second[order[1]] = np.arange(m) % FOLDS
    return first, second


@dataclass(frozen=True, eq=False)
class _Judge:
    """Both samples as features, reference first, and their folds.

    Attributes:
        table: Features, shape (n + m, F).
        names: Names of the features.
        groups: Their groups.
        sizes: n and m.
        folds: Fold of each event, shape (n + m,).
        weights: Weights, shape (n + m,), of equal sums over both samples; None where all are 1.
        seed: Seed of the shuffles.
    """

    table: Table
    names: list[str]
    groups: list[str]
    sizes: tuple[int, int]
    folds: NDArray[np.intp]
    weights: Weights
    seed: int

    @classmethod
    def of(
        cls,
        samples: tuple[Events, Events],
        shared: Sequence[str],
        values: Sequence[Mapping[str, Floats]] | None,
        seed: int,
    ) -> _Judge:
        """Measure both samples."""
        detector = samples[0].detector
        if values is None:
            values = [measure(s, select(detector, list(shared))) for s in samples]
        # The incident energy is there by its logarithm, and points say all by their coordinates.
        wanted = [o for o in values[0] if o in values[1] and o != "E_inc"]
        wanted = [] if detector.is_toy else wanted
        features = CellFeatures.fit(samples[0])
        tables, names, groups = [], [], []
        conditions = []
        for sample, of in zip(samples, values, strict=True):
            cells, cell_names, cell_groups = features(sample)
            given = np.empty((len(sample), len(shared)))
            for i, name in enumerate(shared):
                column = sample.condition(name)
                given[:, i] = np.log10(column) if name == "energy" else column
            own = np.stack([of[name] for name in wanted], axis=1) if wanted else given[:, :0]
            own = np.where(np.isfinite(own), own, np.nan)
            tables.append(np.concatenate([given, own, cells], axis=1, dtype=np.float32))
            conditions.append(given)
            names = [*shared, *wanted, *cell_names]
            kinds = [group_of(name, detector) for name in wanted]
            groups = [*[CONDITIONS] * len(shared), *kinds, *cell_groups]
        n, m = len(samples[0]), len(samples[1])
        weights = None
        if n != m or any(sample.weights is not None for sample in samples):
            weights = Scores(
                np.zeros(n), np.zeros(m), samples[0].weights, samples[1].weights
            ).balanced_weights
        folds = fold_numbers((conditions[0], conditions[1]), (n, m), seed)
        return cls(
            np.concatenate(tables), names, groups, (n, m), np.concatenate(folds), weights, seed
        )

    def part(self, most: int) -> _Judge:
        """Return evenly spaced events of both samples, at most so many."""
        n, m = self.sizes
        chosen = np.concatenate([spaced(n, most), n + spaced(m, most)])
        sizes = min(n, most), min(m, most)
        weights = None if self.weights is None else self.weights[chosen]
        return replace(
            self,
            table=self.table[chosen],
            folds=self.folds[chosen],
            sizes=sizes,
            weights=weights,
        )

    def rows(self, fold: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return the events of a fold, numbered in each sample."""
        chosen = np.flatnonzero(self.folds == fold)
        n = self.sizes[0]
        return chosen[chosen < n], chosen[chosen >= n] - n

    def auc(self) -> Result:
        """Return the AUC of fewer trees on all features, of some folds."""
        scores, _ = self.cross_fit(trees=_N_AGAIN, folds=_FOLDS_AGAIN)
        return judge_cross_fitted(scores, self.sizes)

    def cross_fit(
        self,
        columns: NDArray[np.intp] | None = None,
        *,
        explain: bool = False,
        trees: int = _N_TREES,
        folds: int = FOLDS,
    ) -> tuple[list[Scores], Floats]:
        """Return the scores of the first folds, and the loss of AUC without each group, (K, G)."""
        # Not in threads of ours: scikit-learn changes the filters of warnings while it fits.
        openmp = ThreadpoolController().select(user_api="openmp")
        threads = min([MOST_THREADS, *(library["num_threads"] for library in openmp.info())])
        with openmp.limit(limits=threads):
            found = [
                self._fold(fold, columns=columns, explain=explain, trees=trees)
                for fold in range(folds)
            ]
        return [scores for scores, _ in found], np.array([drops for _, drops in found])

    def _fold(
        self, fold: int, *, columns: NDArray[np.intp] | None, explain: bool, trees: int
    ) -> tuple[Scores, list[float]]:
        """Fit to all but one fold, and score that."""
        # It takes a second to import.
        from sklearn.ensemble import HistGradientBoostingClassifier

        table = self.table if columns is None else self.table[:, columns]
        learned = self.folds != fold
        # scikit-learn has no bins for what is never defined.
        table = np.where(np.isfinite(table[learned]).any(axis=0), table, np.float32(0))
        labels = np.arange(len(table)) >= self.sizes[0]
        weights = None if self.weights is None else self.weights[learned]
        model = HistGradientBoostingClassifier(
            max_iter=trees,
            learning_rate=_LEARNED / trees,
            random_state=int(stream(self.seed, f"trees/fit {fold}").integers(2**31)),
            **_TREES,
        )
        model.fit(table[learned], labels[learned], sample_weight=weights)
        tested, side = table[~learned], labels[~learned]
        own = None if self.weights is None else self.weights[~learned]

        def scored(inputs: Table) -> Scores:
            logits = model.decision_function(inputs)
            parts = [logits[~side], logits[side]]
            if own is not None:
                parts += [own[~side], own[side]]
            return Scores(*parts)

        scores = scored(tested)
        drops = []
        if explain:
            value = auc_with_error(scores)[0]
            random = stream(self.seed, f"trees/shuffles {fold}")
            for group in dict.fromkeys(self.groups):
                here = np.array([g == group for g in self.groups])
                lost = []
                for _ in range(_SHUFFLES):
                    shuffled = tested.copy()
                    shuffled[:, here] = tested[random.permutation(len(tested))][:, here]
                    lost.append(value - auc_with_error(scored(shuffled))[0])
                drops.append(float(np.mean(lost)))
        return scores, drops

    def alone(self) -> dict[str, float]:
        """Return the AUC of trees on each group alone."""
        found = {}
        for group in dict.fromkeys(self.groups):
            columns = np.flatnonzero([g == group for g in self.groups])
            scores, _ = self.cross_fit(columns, trees=_N_AGAIN, folds=_FOLDS_AGAIN)
            found[group] = float(np.mean([auc_with_error(fold)[0] for fold in scores]))
        return found

    def importance(self, drops: Floats, alone: Mapping[str, float]) -> tuple[Importance, ...]:
        """Describe the groups, the most telling first; ``drops`` has shape (K, G)."""
        few = self.part(_AGAIN)
        n = few.sizes[0]
        weights = few.weights
        found = []
        for group, lost in zip(dict.fromkeys(self.groups), drops.T, strict=True):
            columns = np.flatnonzero([g == group for g in self.groups])
            best, farthest = int(columns[0]), -1.0
            for column in columns.tolist():
                away = abs(_single_auc(few.table[:, column], n) - 0.5)
                if away > farthest:
                    best, farthest = column, away
            means = []
            for part in (slice(0, n), slice(n, None)):
                values = few.table[part, best].astype(np.float64)
                w = np.ones(len(values)) if weights is None else weights[part]
                w = np.where(np.isfinite(values), w, 0)
                total = w.sum()
                means.append(float(np.nan_to_num(values) @ w / total) if total else float("nan"))
            found.append(
                Importance(
                    group,
                    len(columns),
                    float(lost.mean()),
                    float(lost.std(ddof=1) / len(lost) ** 0.5),
                    alone.get(group),
                    self.names[best],
                    (means[0], means[1]),
                )
            )
        return tuple(
            sorted(found, key=lambda one: (-one.drop if one.counts else 0.0, -(one.alone or 0)))
        )


def _single_auc(values: Table, n: int) -> float:
    """Return the AUC of one feature whose first n values are of the reference; 1/2 of too few."""
    first, second = (part[np.isfinite(part)] for part in (values[:n], values[n:]))
    if len(first) < 2 or len(second) < 2:
        return 0.5
    return auc(first, second)
