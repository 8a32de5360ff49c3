"""Inception score for any classifier: whether events are clear, and all classes there."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import entr

from phys_gan.errors import DataError
from phys_gan.randomness import stream
from phys_gan.validation.multivariate.estimate import Estimate
from phys_gan.validation.multivariate.weighting import as_weighted

__all__ = ["inception_score"]

_TOLERANCE = 1e-3


def inception_score(
    probabilities: ArrayLike,
    *,
    seed: int,
    splits: int = 1,
    replicas: int = 100,
    weights: ArrayLike | None = None,
) -> Estimate:
    r"""Return :math:`\exp(E_x\, KL(p(y|x) \,\|\, p(y)))` of a classifier's predictions.

    Salimans et al., arXiv:1606.03498, sec. 4: 1 when the classifier says the same of all events,
    the number of classes when it is sure of each and all classes are equally frequent. With
    Inception-v3 on images this is the Inception score; with a classifier of the reference's
    conditions (bins of incident energy, particles) its analogue. There is no reference in it:
    compare it with the score of as many reference events. With weights both means over the events
    are weighted; a class whose share negative weights make negative counts as absent.

    Arguments:
        probabilities: Class probabilities, shape (n, n_classes), rows of sum 1.
        seed: Seed of the splits and of the bootstrap.
        splits: Random parts whose scores are averaged. The usual 10 are there for an error, and
            lower the score of few events; the bootstrap needs no parts.
        replicas: Bootstrap replicas of the events for the error.
        weights: Weights of the events, shape (n,), of any sign and scale.

    Raises:
        DataError: Values are negative or not finite, rows do not sum to 1, there are fewer events
            than splits, or there is not one finite weight per event.
        RangeError: The weights leave not a single event.
    """
    (sample,) = as_weighted(1, probability=(probabilities, weights))
    p, w = sample.features, sample.weights
    if p.min() < 0 or np.abs(p.sum(axis=1) - 1).max() > _TOLERANCE:
        raise DataError(
            f"probabilities must not be negative and sum to 1 per event, not up to "
            f"{p.sum(axis=1).max():g}",
            remedy="give the output of a softmax",
            value=float(p.sum(axis=1).max()),
        )
    if len(p) < splits:
        raise DataError(
            f"{len(p)} events cannot be cut into {splits} parts", remedy="choose fewer splits"
        )
    generator = stream(seed, "validation/inception-score")
    parts = np.array_split(generator.permutation(len(p)), splits)
    own = entr(p).sum(axis=1)
    means = []
    for part in parts:
        counts = None if w is None else w[part]
        means.append(
            [np.average(values, axis=0, weights=counts) for values in (p[part], own[part])]
        )
    value = float(np.mean([_score(marginal, float(entropy)) for marginal, entropy in means]))
    scores = []
    for _ in range(replicas):
        shares = np.bincount(generator.integers(0, len(p), len(p)), minlength=len(p)) / len(p)
        if w is not None:
            shares = shares * w / (shares @ w)
        scores.append(_score(shares @ p, float(shares @ own)))
    return Estimate(value, float(np.std(scores, ddof=1)))


def _score(marginal: NDArray[np.float64], own: float) -> float:
    """Return the exponential of the mutual information: entropy of the mean less mean entropy."""
    return float(np.exp(entr(np.maximum(marginal, 0)).sum() - own))
