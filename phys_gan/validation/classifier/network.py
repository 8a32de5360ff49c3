"""The multilayer perceptron that tells samples, or conditions, apart."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from phys_gan.validation.classifier.scaling import Scaling

__all__ = ["Network"]

_FARTHEST = 10.0
"""Standard deviations at which a scaled input ends; a cell hit once in training lies far out."""


class Network(nn.Module):
    """Scaled inputs, hidden layers with LeakyReLU, and linear outputs (logits).

    With three hidden layers of 2048 and one output this is the network of CaloChallenge.

    References:
        CaloChallenge 2022 (Krause et al., 2024), https://arxiv.org/abs/2410.21611

    Arguments:
        scaling: The map in front, fitted to the training events.
        hidden: Nodes of the hidden layers.
        n_outputs: Number of outputs.
        dropout: Probability that a hidden node is left out in training.

    Example:
        >>> import numpy as np
        >>> scaling = Scaling(np.zeros(5, np.float32), np.ones(5, np.float32))
        >>> network = Network(scaling, [8, 4], 1)
        >>> network(torch.ones(3, 5)).shape, network.features(torch.ones(3, 5)).shape
        (torch.Size([3, 1]), torch.Size([3, 4]))
    """

    mean: Tensor
    matrix: Tensor

    def __init__(
        self, scaling: Scaling, hidden: Sequence[int], n_outputs: int, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.register_buffer("mean", torch.from_numpy(scaling.mean))
        self.register_buffer("matrix", torch.from_numpy(scaling.matrix))
        sizes = [scaling.n_outputs, *hidden]
        layers: list[nn.Module] = []
        for before, behind in pairwise(sizes):
            layers += [nn.Linear(before, behind), nn.LeakyReLU()]
            if dropout:
                layers.append(nn.Dropout(dropout))
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(sizes[-1], n_outputs)

    def features(self, x: Tensor) -> Tensor:
        """Return the activations of the last hidden layer, shape (N, hidden[-1])."""
        x = x - self.mean
        x = x @ self.matrix if self.matrix.ndim == 2 else x * self.matrix
        features: Tensor = self.body(x.clamp(-_FARTHEST, _FARTHEST))
        return features

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (N, n_outputs) of inputs (N, F)."""
        logits: Tensor = self.head(self.features(x))
        return logits
