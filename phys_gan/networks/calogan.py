"""The published CaloGAN, layer by layer, as the baseline.

References:
    CaloGAN: Simulating 3D High Energy Particle Showers in Multi-Layer Electromagnetic Calorimeters
    with Generative Adversarial Networks (Paganini, de Oliveira, Nachman, 2017),
    https://arxiv.org/abs/1712.10321; https://arxiv.org/abs/1705.02355
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from phys_gan.detectors import Detector, load_detector
from phys_gan.errors import ConfigError
from phys_gan.networks.architectures import register_discriminator, register_generator
from phys_gan.networks.base import Discriminator, Generator, HeadConfig, NetworkConfig, Sizes
from phys_gan.networks.blocks import MinibatchDiscrimination


class CaloganConfig(NetworkConfig):
    """Options of CaloGAN: none, it is the published network."""

    kind: Literal["calogan"] = "calogan"

    @property
    def references(self) -> tuple[str, ...]:
        """CaloGAN, and LAGAN whose streams it has."""
        return ("paganini2017calogan", "deoliveira2017lagan", "salimans2016improved")


def _require_calogan(detector: Detector, sizes: Sizes) -> list[tuple[int, int]]:
    shapes = [layer.shape for layer in detector.layers]
    if shapes != [layer.shape for layer in load_detector("calogan").layers]:
        raise ConfigError(
            f"the network 'calogan' is made for layers of 3x96, 12x12 and 12x6 cells, not for "
            f"'{detector.name}'",
            remedy="choose network.kind = 'compact', which takes any detector",
            value=shapes,
        )
    if sizes.n_globals or sizes.n_conditions != 1:
        raise ConfigError(
            "the network 'calogan' generates plain energies",
            remedy="choose encoding.kind = 'absolute' with it",
        )
    return shapes


class LocallyConnected2d(nn.Module):
    """Convolve with weights that are not shared between positions ('valid' padding).

    References:
        Learning Particle Physics by Example: Location-Aware Generative Adversarial Networks for
        Physics Synthesis (de Oliveira et al., 2017), https://arxiv.org/abs/1701.05927

    ``size``, ``kernel`` and ``stride`` are along rows and columns; each output channel and position
    has a bias of its own.
    """

    def __init__(
        self,
        size: tuple[int, int],
        c_in: int,
        c_out: int,
        kernel: tuple[int, int],
        stride: tuple[int, int] = (1, 1),
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride
        rows, columns = ((n - k) // s + 1 for n, k, s in zip(size, kernel, stride, strict=True))
        self.out_size: tuple[int, int] = (rows, columns)
        n_positions = rows * columns
        fan_in = c_in * kernel[0] * kernel[1]
        self.weight = nn.Parameter(torch.empty(n_positions, fan_in, c_out))
        nn.init.normal_(self.weight, std=(2 / (fan_in + c_out)) ** 0.5)
        self.bias = nn.Parameter(torch.zeros(n_positions, c_out)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, c_in, rows, columns) to (N, c_out, *out_size)."""
        patches = functional.unfold(x, self.kernel, stride=self.stride)
        y = torch.einsum("nfp,pfo->npo", patches, self.weight)
        if self.bias is not None:
            y = y + self.bias
        image: Tensor = y.transpose(1, 2).unflatten(2, self.out_size)
        return image


class _Stream(nn.Module):
    """LAGAN's generator for one layer of the calorimeter (arXiv:1701.05927)."""

    def __init__(self, shape: tuple[int, int], latent: int) -> None:
        super().__init__()
        rows, columns = shape
        self.size = (rows + 2, columns + 2)
        self.dense = nn.Linear(latent, self.size[0] * self.size[1] * 36)
        self.convolution = nn.Conv2d(36, 16, 2)
        nn.init.kaiming_uniform_(self.convolution.weight, nonlinearity="relu")
        self.norm = nn.BatchNorm2d(16, momentum=0.01, eps=1e-3)
        self.first = LocallyConnected2d(self.size, 16, 6, (2, 2))
        self.second = LocallyConnected2d(self.first.out_size, 6, 1, (2, 2), bias=False)

    def forward(self, h: Tensor) -> Tensor:
        """Map h (N, latent) to an image (N, 1, rows, columns)."""
        x = self.dense(h).unflatten(1, (36, *self.size))
        x = self.norm(functional.leaky_relu(self.convolution(_pad_same(x)), 0.3))
        x = functional.leaky_relu(self.first(x), 0.3)
        image: Tensor = self.second(x)
        return image


class _Attention(nn.Module):
    """Average a layer with the one in front of it, with weights for each cell."""

    def __init__(self, shape: tuple[int, int]) -> None:
        super().__init__()
        self.weights = LocallyConnected2d((shape[0] + 2, shape[1] + 2), 2, 2, (3, 3))
        if self.weights.bias is not None:
            with torch.no_grad():
                self.weights.bias[:, 1] = -10.0

    def forward(self, own: Tensor, carried: Tensor) -> Tensor:
        """Mix two images (N, 1, rows, columns)."""
        both = torch.cat([own, carried], dim=1)
        weights = torch.softmax(self.weights(functional.pad(both, (1, 1, 1, 1))), dim=1)
        return (both * weights).sum(1, keepdim=True)


@register_generator(CaloganConfig)
class CaloganGenerator(Generator):
    """Three LAGAN streams with attention from layer to layer; 29 726 376 parameters.

    The latents are multiplied by E / 100 GeV. The count includes the moving statistics of the
    batch normalisations, as the published one does.

    Raises:
        ConfigError: The detector has other cells, or the encoding is not 'absolute'.
    """

    latent = 1024

    def __init__(self, detector: Detector, sizes: Sizes, config: CaloganConfig) -> None:
        super().__init__()
        shapes = _require_calogan(detector, sizes)
        self.streams = nn.ModuleList(_Stream(shape, self.latent) for shape in shapes)
        self.attention = nn.ModuleList(_Attention(shape) for shape in shapes[1:])

    def forward(self, z: Tensor, c: Tensor) -> Tensor:
        """Map z (N, 1024) and E / 100 GeV (N, 1) to cell energies (N, 504) [GeV]."""
        h = z * c
        first, second, third = (stream(h) for stream in self.streams)
        carried = functional.avg_pool2d(functional.interpolate(first, scale_factor=(4, 1)), (1, 8))
        second = self.attention[0](second, carried)
        third = self.attention[1](third, functional.avg_pool2d(second, (1, 2)))
        return functional.relu(torch.cat([image.flatten(1) for image in (first, second, third)], 1))


class _LayerFeatures(nn.Module):
    """The discriminator of one layer: locally connected, with minibatch features."""

    def __init__(self, shape: tuple[int, int]) -> None:
        super().__init__()
        self.shape = shape
        self.convolution = nn.Conv2d(1, 64, 2)
        size = shape
        blocks: list[nn.Module] = []
        steps: list[tuple[int, int, tuple[int, int], tuple[int, int]]] = [
            (64, 16, (3, 3), (1, 2)),
            (16, 8, (2, 2), (1, 1)),
            (8, 8, (2, 2), (1, 2)),
        ]
        for c_in, c_out, kernel, stride in steps:
            local = LocallyConnected2d((size[0] + 2, size[1] + 2), c_in, c_out, kernel, stride)
            blocks += [
                nn.ZeroPad2d(1),
                local,
                nn.LeakyReLU(0.3),
                nn.BatchNorm2d(c_out, momentum=0.01, eps=1e-3),
            ]
            size = local.out_size
        self.blocks = nn.Sequential(*blocks)
        n_features = 8 * size[0] * size[1]
        self.variety = MinibatchDiscrimination(n_features)
        self.hit_variety = MinibatchDiscrimination(1)
        self.n_out = n_features + 10 + 1 + 10

    def forward(self, image: Tensor) -> Tensor:
        """Map an image (N, rows * columns) [GeV] to features (N, n_out)."""
        x = functional.leaky_relu(
            self.convolution(_pad_same(image.unflatten(1, (1, *self.shape)))), 0.3
        )
        x = self.blocks(x).flatten(1)
        # The published count of cells > 0 has no gradient; this one does, with 1 MeV as scale.
        hits = (image / (image + 1e-3)).mean(1, keepdim=True)
        variety = torch.tanh(self.variety(x))
        return torch.cat([x, variety, hits, torch.tanh(self.hit_variety(hits))], dim=1)


@register_discriminator(CaloganConfig)
class CaloganDiscriminator(Discriminator):
    """Locally connected networks for each layer; the total energy against the incident one.

    Raises:
        ConfigError: The detector has other cells, the encoding is not 'absolute', or the head wants
            conditions concatenated, with which the total energy is compared in any case.
    """

    def __init__(
        self, detector: Detector, sizes: Sizes, config: CaloganConfig, head: HeadConfig
    ) -> None:
        if "concatenation" in head.conditioning or head.pack > 1:
            raise ConfigError(
                "the discriminator 'calogan' compares the energy of one event with its condition",
                remedy="choose method.conditioning = [] or ['projection'], and no packing",
            )
        eyes = [_LayerFeatures(shape) for shape in _require_calogan(detector, sizes)]
        n_features = sum(eye.n_out for eye in eyes) + len(eyes) + 3 + 10
        super().__init__(n_features, sizes.n_conditions, head)
        self.offsets = detector.offsets
        self.eyes = nn.ModuleList(eyes)
        self.energy_variety = MinibatchDiscrimination(len(self.eyes))

    def features(self, x: Tensor, c: Tensor) -> Tensor:
        """Map cell energies (N, 504) [GeV] and E / 100 GeV (N, 1) to features."""
        images = [x[:, a:b] for a, b in zip(self.offsets[:-1], self.offsets[1:], strict=True)]
        layers = torch.stack([image.sum(1) for image in images], dim=1)
        total = layers.sum(1, keepdim=True)
        miss = (total - 100 * c).abs()
        features = [eye(image) for eye, image in zip(self.eyes, images, strict=True)]
        features += [layers / 10, total / 100, miss, 10 * (miss > 5).to(x.dtype)]
        features.append(torch.tanh(self.energy_variety(layers)))
        return torch.cat(features, dim=1)


def _pad_same(x: Tensor) -> Tensor:
    """Pad for a 2 x 2 kernel as Keras' 'same' does: right and bottom only."""
    return functional.pad(x, (0, 1, 0, 1))
