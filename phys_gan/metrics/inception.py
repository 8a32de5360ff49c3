"""Features of Inception-v3 for images, and the Inception score of any classifier.

The features need torch-fidelity and its file of weights.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import entr

from phys_gan.errors import DataError, DetectorError, MissingError
from phys_gan.events import Events
from phys_gan.metrics.samples import as_weighted
from phys_gan.metrics.statistics import Estimate, Floats
from phys_gan.randomness import stream

WEIGHTS = "weights-inception-2015-12-05-6726825d.pth"
"""Name of the file of weights that torch-fidelity converted from the original network."""

_BATCH = 64
_OUTSIDE = 0.001


@dataclass(frozen=True)
class InceptionFeatures:
    """Take the 2048 features of the last pooling layer of Inception-v3, those of the FID.

    Szegedy et al., arXiv:1512.00567; Heusel et al., arXiv:1706.08500. Pixels are cut to a range
    of the reference and scaled to grey levels from 0 to 255. Nothing is downloaded: the weights
    must lie in the hub folder of torch, or be given. torch-fidelity unpickles that file: take it
    from a source that you trust.

    Attributes:
        low: Pixel value that becomes black, in the unit of the detector.
        high: Pixel value that becomes white.
        weights: File of the weights.
        name: Name for reports.
    """

    low: float
    high: float
    weights: Path
    name: str = "inception"

    @classmethod
    def fit(cls, reference: Events, weights: str | Path | None = None) -> InceptionFeatures:
        """Take the range of the grey levels from the reference: all but 0.1 % at either end.

        Arguments:
            reference: Images.
            weights: File of the weights; by default in the hub folder of torch.

        Raises:
            DetectorError: The events are not images.
            MissingError: torch-fidelity or the file of weights is not there.
        """
        if not reference.detector.is_image:
            raise DetectorError(
                f"Inception-v3 needs images, but '{reference.detector.name}' is not an image",
                remedy="take the features 'observables'",
            )
        path = find_weights(weights)
        low, high = np.quantile(reference.cells, [_OUTSIDE, 1 - _OUTSIDE]).tolist()
        return cls(low, high if high > low else low + 1.0, path)

    def __call__(self, events: Events) -> Floats:
        """Return the features, shape (N, 2048)."""
        import torch

        features = []
        with torch.inference_mode():
            for start in range(0, len(events), _BATCH):
                grey = self._grey(events.layer(0)[start : start + _BATCH])
                images = torch.from_numpy(grey)[:, None].expand(-1, 3, -1, -1)
                features.append(self._network(images)[0].double().numpy())
        return np.concatenate(features)

    @cached_property
    def _network(self) -> Any:
        # An extra that may not be installed, which fit() has checked.
        create = importlib.import_module("torch_fidelity.utils").create_feature_extractor
        return create(
            "inception-v3-compat",
            ["2048"],
            cuda=False,
            verbose=False,
            feature_extractor_weights_path=str(self.weights),
        )

    def _grey(self, pixels: NDArray[np.float32]) -> NDArray[np.uint8]:
        scaled = (pixels - self.low) / (self.high - self.low)
        return np.asarray(np.rint(255 * np.clip(scaled, 0, 1)), np.uint8)


def find_weights(weights: str | Path | None = None) -> Path:
    """Return the file of the weights.

    Arguments:
        weights: The file; by default it lies in the hub folder of torch.

    Raises:
        MissingError: torch-fidelity or the file of weights is not there.
    """
    if find_spec("torch_fidelity") is None:
        raise MissingError(
            "the features of Inception-v3 need torch-fidelity, which is not installed",
            remedy="install phys_gan[inception], or take the features 'observables'",
        )
    if weights is None:
        import torch

        path = Path(torch.hub.get_dir()) / "checkpoints" / WEIGHTS
    else:
        path = Path(weights)
    if not path.is_file():
        raise MissingError(
            f"the weights of Inception-v3 are not at '{path}'",
            remedy=f"put torch-fidelity's file {WEIGHTS} there, or take the features 'observables'",
            value=str(path),
        )
    return path


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

    Salimans et al., arXiv:1606.03498, sec. 4: 1 when the classifier treats all events alike,
    the number of classes when it is sure of each and all classes are equally frequent. With
    Inception-v3 on images this is the Inception score; with a classifier of the reference's
    conditions (bins of incident energy, particles) its analogue. There is no reference in it:
    compare it with the score of as many reference events. With weights both means over the events
    are weighted; a class whose fraction negative weights make negative counts as absent.

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
    entropies = entr(p).sum(axis=1)
    parts = []
    for rows in np.array_split(generator.permutation(len(p)), splits):
        counts = None if w is None else w[rows]
        marginal, entropy = (np.average(v[rows], axis=0, weights=counts) for v in (p, entropies))
        parts.append(_score(marginal, float(entropy)))
    replicated = []
    for _ in range(replicas):
        drawn = np.bincount(generator.integers(0, len(p), len(p)), minlength=len(p)) / len(p)
        if w is not None:
            drawn = drawn * w / (drawn @ w)
        replicated.append(_score(drawn @ p, drawn @ entropies))
    return Estimate(float(np.mean(parts)), float(np.std(replicated, ddof=1)))


def _score(marginal: Floats, entropy: float) -> float:
    """Return the exponential of the mutual information: entropy of the mean less mean entropy."""
    return float(np.exp(entr(np.maximum(marginal, 0)).sum() - entropy))
