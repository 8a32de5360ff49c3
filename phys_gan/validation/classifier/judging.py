"""From the logits of repeated trainings to metrics with errors, floors and verdicts."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from phys_gan.validation.classifier import scores
from phys_gan.validation.classifier.calibration import Calibration, calibration_curve
from phys_gan.validation.classifier.outcome import Roc
from phys_gan.validation.classifier.training import FOLDS
from phys_gan.validation.classifier.trials import Logits
from phys_gan.validation.statistics.result import Result, against_floor

__all__ = ["judge_accuracy", "judge_auc", "judge_jsd", "mean_roc", "reliability"]

Score = Callable[..., tuple[float, float]]
"""Logits of both samples and their weights, to a value and its error."""

_SIGMAS = 3.0
"""As in :func:`against_floor`; of equal samples fewer than 1 in 740 are beyond."""

_SHARED = 1 / 3
"""Largest correlation between the scores of two trainings on equal samples.

Their tests share no event, but either may have learned from the other's test. For a linear
classifier on three fifths of the events this correlates their scores by 1/3, or by 0 where the
one's test is the other's validation; for networks 0 to 0.1 was found by simulation.
"""


def judge_auc(trials: Sequence[Logits], sizes: tuple[int, int]) -> Result:
    """Return the mean AUC of trainings against its known floor.

    Arguments:
        trials: Logits of the test events of each training.
        sizes: Events of the reference and of the candidate that the trainings had in all.
    """
    single = (
        _rms([scores.auc_spread_of(*trial) for trial in trials])
        if trials[0].reference_weights is not None
        else scores.auc_spread(*_smallest(trials))
    )
    return _against_known(*_mean(scores.auc_with_error, trials), single, len(trials), sizes)


def judge_accuracy(trials: Sequence[Logits], sizes: tuple[int, int]) -> Result:
    """Return the mean accuracy; between equal samples it is at most a binomial one of 1/2."""
    single = (
        _rms([scores.accuracy_spread(*trial) for trial in trials])
        if trials[0].reference_weights is not None
        else 0.5 / float(np.sqrt(sum(_smallest(trials))))
    )
    return _against_known(*_mean(scores.accuracy, trials), single, len(trials), sizes)


def judge_jsd(trials: Sequence[Logits], halves: Sequence[Logits], sizes: tuple[int, int]) -> Result:
    """Return the mean divergence against that of reference halves, where it is positive.

    Fewer events make a classifier more wrong than ignorance, and its divergence negative. Between
    equal samples the expectation is not above 0 for any number of events, so 0 is the lowest
    floor that is fair to a candidate with more events than the halves.
    """
    floors = [max(0.0, scores.jsd(*trial)[0]) for trial in halves]
    return against_floor(*_mean(scores.jsd, trials), floors, *sizes)


def mean_roc(trials: Sequence[Logits]) -> Roc:
    """Return the mean ROC curve, averaged at fixed false positive rates."""
    curves = [scores.roc(*trial) for trial in trials]
    heights = np.stack([true for _, true in curves])
    return Roc(curves[0][0], heights.mean(axis=0), _spread(heights))


def reliability(trials: Sequence[Logits]) -> Calibration:
    """Return the calibration curve of the test events of all trainings."""
    return calibration_curve(*Logits.join(trials))


def _against_known(
    value: float, error: float, single: float, n_trials: int, sizes: tuple[int, int]
) -> Result:
    """Judge a mean of trainings against a floor of 1/2 that spreads by ``single`` for one."""
    # Beyond five trainings the same events are tested again.
    independent = min(n_trials, FOLDS)
    spread = single * ((1 + (independent - 1) * _SHARED) / independent) ** 0.5
    limit = 0.5 + _SIGMAS * spread
    p_value = float(norm.sf((value - 0.5) / spread))
    return Result(value, error, 0.5, spread, limit, *sizes, value <= limit, p_value)


def _mean(score: Score, trials: Sequence[Logits]) -> tuple[float, float]:
    """Return the mean of a score and its error.

    The error is the larger of the standard deviation over trainings, which three of them know
    within a factor of two, and of the statistical error on the test events of one of them.
    """
    values, errors = np.array([score(*trial) for trial in trials]).T
    return float(values.mean()), max(float(_spread(values)), float(errors.mean()))


def _spread(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the standard deviation over the first axis; 0 for a single entry."""
    return np.asarray(values.std(axis=0, ddof=1) if len(values) > 1 else 0 * values[0], np.float64)


def _rms(values: Sequence[float]) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


def _smallest(trials: Sequence[Logits]) -> tuple[int, int]:
    """Return the numbers of test events of both samples."""
    return min(len(t.reference) for t in trials), min(len(t.candidate) for t in trials)
