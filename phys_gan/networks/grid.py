"""Layers of one shape as the channels of an image, for networks of convolutions."""

from __future__ import annotations

from dataclasses import dataclass

from phys_gan.detectors import AxisLayer, Detector, PolarLayer
from phys_gan.errors import ConfigError

__all__ = ["Grid", "Size"]

Size = tuple[int, int]


@dataclass(frozen=True)
class Grid:
    """The cells of an event as an image, one channel per layer.

    Attributes:
        channels: Layers.
        size: Rows and columns.
        periodic: Whether the last row is a neighbour of the first, as segments in alpha are.

    Example:
        >>> from phys_gan.detectors import load_detector
        >>> Grid.of(load_detector("calochallenge-2")).sizes
        ((4, 3), (8, 5), (16, 9))
    """

    channels: int
    size: Size
    periodic: bool = False

    @classmethod
    def of(cls, detector: Detector) -> Grid:
        """Return the grid of a detector.

        Raises:
            ConfigError: Its layers differ in shape, or it is no grid of cells at all.
        """
        shapes = {layer.shape for layer in detector.layers}
        if len(shapes) > 1 or isinstance(detector.layers[0], AxisLayer):
            raise ConfigError(
                f"convolutions need layers of one shape, which '{detector.name}' has not",
                remedy="choose network.kind = 'compact' for showers, 'mlp' for toys",
                value=sorted(shapes),
            )
        periodic = all(isinstance(layer, PolarLayer) for layer in detector.layers)
        return cls(detector.n_layers, shapes.pop(), periodic)

    @property
    def n_cells(self) -> int:
        """Cells of an event."""
        return self.channels * self.size[0] * self.size[1]

    @property
    def sizes(self) -> tuple[Size, ...]:
        """Sizes from the coarsest to the full one, each about twice the one before."""
        sizes = [self.size]
        while max(sizes[-1]) > 4:
            rows, columns = sizes[-1]
            sizes.append((-(-rows // 2), -(-columns // 2)))
        return tuple(reversed(sizes))

    def widths(self, width: int, most: int) -> tuple[int, ...]:
        """Return channels for each of the sizes: ``width`` at the full one, doubling downwards."""
        return tuple(min(width << k, most) for k in reversed(range(len(self.sizes))))
