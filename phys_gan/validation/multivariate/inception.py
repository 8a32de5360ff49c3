"""Features of Inception-v3 for images, where torch-fidelity and its weights are installed."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phys_gan.errors import DetectorError, MissingError
from phys_gan.events import Events

__all__ = ["WEIGHTS", "InceptionFeatures", "find_weights"]

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

    def __call__(self, events: Events) -> NDArray[np.float64]:
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
        # An extra that may not be installed: fit() has said so before.
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
