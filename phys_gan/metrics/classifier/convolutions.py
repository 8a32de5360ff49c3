"""A convolutional network on cells as a judge: residual towers on the grids of the layers.

Neighbouring layers of one shape are one volume, seen by convolutions in three dimensions. A
detector whose layers differ has a tower for each run of layers of one shape, and the features of
all towers are joined.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from phys_gan.detectors import Detector, PolarLayer
from phys_gan.units import MEV

_CHANNELS = 2
_KERNEL = 3
_POOLED = 4
"""Most cells along each axis of what is left of a volume at the end of a small tower."""

_SOFTEST = 0.02
"""Quantile of the hits at which the logarithm of a cell sets in."""


@dataclass(frozen=True)
class Volume:
    """A run of layers of one shape.

    Attributes:
        first: Flat index of the first cell.
        shape: Layers, and cells along both axes.
        periodic: Whether the second axis is closed.
    """

    first: int
    shape: tuple[int, int, int]
    periodic: bool


def volumes_of(detector: Detector) -> list[Volume]:
    """Return the runs of neighbouring layers of one shape.

    Example:
        >>> from phys_gan.detectors import load_detector
        >>> [volume.shape for volume in volumes_of(load_detector("calogan"))]
        [(1, 3, 96), (1, 12, 12), (1, 12, 6)]
        >>> volumes_of(load_detector("calochallenge-2"))
        [Volume(first=0, shape=(45, 16, 9), periodic=True)]
    """
    found, k = [], 0
    for _, run in groupby(detector.layers, key=lambda layer: (layer.kind, layer.shape)):
        layers = list(run)
        a, b = layers[0].shape
        # A ring of two cells has no direction in which to go round.
        periodic = isinstance(layers[0], PolarLayer) and a > 2
        found.append(Volume(detector.offsets[k], (len(layers), a, b), periodic))
        k += len(layers)
    return found


class Convolution(nn.Module):
    """A 3 x 3 x 3 convolution of (N, C, L, A, B) that keeps, or halves, the sizes of the axes.

    Axes of a single cell have no kernel. Beyond the ends is nothing, but a periodic A goes round.
    """

    def __init__(
        self,
        n_in: int,
        n_out: int,
        shape: Sequence[int],
        stride: Sequence[int],
        *,
        periodic: bool,
        kernel: int = _KERNEL,
    ) -> None:
        super().__init__()
        sizes = [kernel if cells > 1 else 1 for cells in shape]
        # Once round at most.
        if periodic:
            sizes[1] = min(sizes[1], 2 * (shape[1] // 2) + 1)
        self.periodic = periodic
        self.padding = [size // 2 for size in sizes]
        self.convolution = nn.Conv3d(n_in, n_out, sizes, tuple(stride), bias=False)  # type: ignore[arg-type]
        nn.init.kaiming_normal_(self.convolution.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, C', L', A', B')."""
        layers, a, b = self.padding
        if self.periodic and a:
            x = torch.cat([x[:, :, :, -a:], x, x[:, :, :, :a]], dim=3)
            a = 0
        y: Tensor = self.convolution(functional.pad(x, (b, b, a, a, layers, layers)))
        return y


class Block(nn.Module):
    """Two convolutions with batch norm, and a way past them.

    References:
        Deep residual learning for image recognition (He et al., 2016),
        https://arxiv.org/abs/1512.03385
    """

    def __init__(
        self, n_in: int, n_out: int, shape: Sequence[int], stride: Sequence[int], *, periodic: bool
    ) -> None:
        super().__init__()
        after = [-(-cells // step) for cells, step in zip(shape, stride, strict=True)]
        self.body = nn.Sequential(
            Convolution(n_in, n_out, shape, stride, periodic=periodic),
            nn.BatchNorm3d(n_out),
            nn.ReLU(),
            Convolution(n_out, n_out, after, (1, 1, 1), periodic=periodic and after[1] > 2),
            nn.BatchNorm3d(n_out),
        )
        self.past: nn.Module = nn.Identity()
        if n_in != n_out or tuple(stride) != (1, 1, 1):
            self.past = nn.Sequential(
                nn.Conv3d(n_in, n_out, 1, tuple(stride), bias=False),  # type: ignore[arg-type]
                nn.BatchNorm3d(n_out),
            )

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, C', L', A', B')."""
        y: Tensor = functional.relu(self.body(x) + self.past(x))
        return y


class Tower(nn.Module):
    """A residual network on one volume, from (N, 2, L, A, B) to features (N, F).

    Every stage but the first halves the axes of more than 4 cells.

    Arguments:
        volume: The volume.
        planes: Channels of each stage.
        blocks: Blocks of each stage.
        mean: Whether each channel is averaged over the volume at the end, as published, else over
            at most 4 x 4 x 4 parts of it, which keeps where things are.
    """

    def __init__(self, volume: Volume, planes: Sequence[int], blocks: int, *, mean: bool) -> None:
        super().__init__()
        shape = list(volume.shape)
        periodic = volume.periodic
        layers: list[nn.Module] = [
            Convolution(_CHANNELS, planes[0], shape, (1, 1, 1), periodic=periodic),
            nn.BatchNorm3d(planes[0]),
            nn.ReLU(),
        ]
        before = planes[0]
        for stage, channels in enumerate(planes):
            for block in range(blocks):
                halves = stage > 0 and block == 0
                stride = [2 if halves and cells > _POOLED else 1 for cells in shape]
                layers.append(Block(before, channels, shape, stride, periodic=periodic))
                shape = [-(-cells // step) for cells, step in zip(shape, stride, strict=True)]
                periodic = periodic and shape[1] > 2
                before = channels
        pooled = (1, 1, 1) if mean else tuple(min(cells, _POOLED) for cells in shape)
        layers += [nn.AdaptiveAvgPool3d(pooled), nn.Flatten()]
        self.body = nn.Sequential(*layers)
        self.n_features = before * int(np.prod(pooled))

    def forward(self, x: Tensor) -> Tensor:
        """Return features (N, F)."""
        features: Tensor = self.body(x)
        return features


class ConvolutionalNetwork(nn.Module):
    r"""Logits of being a candidate, from conditions and cells.

    Every cell enters as :math:`\log_{10}(1 + E / E_0)`, with :math:`E_0` the softest 2 % of the
    hits, and as hit or not; pixels keep their sign. Conditions are standardised by a batch norm and
    joined to the features of all towers before the last layers. With ``mean`` and four stages of
    two blocks this is the ResNet-18 of CaloChallenge but for its first kernel, and for layers of
    unequal shape.

    References:
        CaloChallenge 2022 (Krause et al., 2024), https://arxiv.org/abs/2410.21611

    Arguments:
        detector: The detector.
        n_conditions: Columns before the cells.
        scale: :math:`E_0`, in the unit of the inputs.
        planes: Channels of each stage.
        blocks: Blocks of each stage.
        mean: As in :class:`Tower`.

    Example:
        >>> from phys_gan.detectors import load_detector
        >>> network = ConvolutionalNetwork(load_detector("calogan"), 1, 0.1, (4, 8), 1, mean=False)
        >>> network(torch.ones(3, 505)).shape
        torch.Size([3, 1])
    """

    scale: Tensor

    def __init__(
        self,
        detector: Detector,
        n_conditions: int,
        scale: float,
        planes: Sequence[int],
        blocks: int,
        *,
        mean: bool,
    ) -> None:
        super().__init__()
        self.register_buffer("scale", torch.tensor(scale))
        self.volumes = volumes_of(detector)
        self.n_conditions = n_conditions
        towers = [Tower(volume, planes, blocks, mean=mean) for volume in self.volumes]
        self.towers = nn.ModuleList(towers)
        n_features = sum(tower.n_features for tower in towers)
        self.norm = nn.BatchNorm1d(n_conditions) if n_conditions else None
        width = max(planes)
        self.head = nn.Sequential(
            nn.Linear(n_features + n_conditions, width), nn.ReLU(), nn.Linear(width, 1)
        )

    @property
    def whitens(self) -> bool:
        """Never: cells keep their places."""
        return False

    @property
    def device(self) -> torch.device:
        """Where it is."""
        return self.scale.device

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (N, 1) of inputs (N, conditions + cells)."""
        conditions, cells = x[:, : self.n_conditions], x[:, self.n_conditions :]
        logs = torch.log10(1 + cells.abs() / self.scale) * cells.sign()
        channels = torch.stack([logs, (cells != 0).to(x.dtype)], dim=1)
        features = []
        for volume, tower in zip(self.volumes, self.towers, strict=True):
            n_cells = int(np.prod(volume.shape))
            part = channels[:, :, volume.first : volume.first + n_cells]
            features.append(tower(part.reshape(len(x), _CHANNELS, *volume.shape)))
        if self.norm is not None:
            features.append(self.norm(conditions))
        logits: Tensor = self.head(torch.cat(features, dim=1))
        return logits


def softest(inputs: NDArray[np.float32], n_conditions: int, detector: Detector) -> float:
    """Return where the logarithm of a cell sets in: the softest 2 % of the hits of some events."""
    sizes = np.abs(inputs[:2000, n_conditions:])
    hits = sizes[sizes > 0]
    if not len(hits):
        return MEV.get(detector.cell_unit, 1.0)
    return float(np.quantile(hits, _SOFTEST))
