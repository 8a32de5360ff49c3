"""Figures of the average shower along its depth and its radius."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from phys_gan.detectors import Detector, PolarLayer, ShowerLayer
from phys_gan.report.panels import Bars, Panels, Points, head_room, log_where_needed
from phys_gan.report.style import Look
from phys_gan.validation.profiles import Profile, Profiles

__all__ = ["longitudinal_figure", "radial_figure"]

Averages = Sequence[tuple[Look, Profiles]]
"""The average shower of every candidate."""


def longitudinal_figure(detector: Detector, reference: Profiles, candidates: Averages) -> Figure:
    """Draw the mean energy per depth of every layer along the shower axis."""
    layers = [layer for layer in detector.layers if isinstance(layer, ShowerLayer)]
    edges, place = [layers[0].z[0]], []
    for layer in layers:
        if layer.z[0] > edges[-1] + 1e-9:
            edges.append(layer.z[0])
        place.append(len(edges) - 1)
        edges.append(layer.z[1])
    thickness = np.array([layer.thickness for layer in layers])

    def column(values: NDArray[np.float64]) -> NDArray[np.float64]:
        # Gaps between layers stay empty.
        result = np.zeros(len(edges) - 1)
        result[place] = values / thickness
        return result

    def points(profiles: Profiles) -> Points:
        return Points(column(profiles.depth.mean), column(profiles.depth.error))

    bars = Bars(np.array(edges), points(reference), [(k, points(p)) for k, p in candidates])
    panels = Panels(len(candidates))
    panels.draw(bars)
    log_where_needed(panels.main, bars, False, False)
    panels.legend(bars.looks, on_left=bars.high_on_the_right)
    panels.main.set_ylabel(rf"$\langle dE/dz\rangle$ [{detector.cell_unit}/mm]")
    panels.below.set_xlabel(r"depth $z$ [mm]")
    return panels.figure


def radial_figure(
    detector: Detector, reference: Profiles, candidates: Averages, layers: Sequence[int]
) -> Figure:
    """Draw the mean energy per area of the rings, summed over layers that share their rings."""
    layer = detector.layers[layers[0]]
    if not isinstance(layer, PolarLayer):
        raise TypeError("radial profiles exist for polar layers only")
    edges = np.array(layer.r)
    area = np.pi * (edges[1:] ** 2 - edges[:-1] ** 2)

    def points(profiles: Profiles) -> Points:
        joined = _add([profiles.radius[k] for k in layers])
        return Points(joined.mean / area, joined.error / area)

    bars = Bars(edges, points(reference), [(look, points(p)) for look, p in candidates])
    panels = Panels(len(candidates))
    panels.draw(bars)
    if np.any(bars.reference.values > 0):
        panels.main.set_yscale("log")
        head_room(panels.main, bars)
    panels.legend(bars.looks, on_left=bars.high_on_the_right)
    panels.main.set_ylabel(rf"$\langle dE/dA\rangle$ [{detector.cell_unit}/mm$^2$]")
    panels.below.set_xlabel(r"radius $r$ [mm]")
    return panels.figure


def _add(profiles: Sequence[Profile]) -> Profile:
    mean = np.sum([p.mean for p in profiles], axis=0)
    # Layers of a shower are correlated: the sum of the errors bounds the error of the sum.
    return Profile(mean, np.sum([p.error for p in profiles], axis=0))
