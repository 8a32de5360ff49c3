"""A classifier of the reference's own conditions, whose last hidden layer serves as features.

Classes are the values of a condition or its quantile bins (:func:`divide`);
:func:`train_condition_classifier` learns to tell them from the cells alone.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from torch import Tensor

from phys_gan.detectors import Detector
from phys_gan.errors import DetectorError, MissingError, RangeError
from phys_gan.events import Events
from phys_gan.metrics.classifier.scores import MIN_EVENTS
from phys_gan.metrics.classifier.training import (
    QUICK,
    Network,
    Report,
    Settings,
    predict,
    silent,
    split,
    to_device,
    train,
)
from phys_gan.metrics.samples import need_events
from phys_gan.metrics.statistics import Floats
from phys_gan.randomness import stream
from phys_gan.units import find_particle

_N_FEATURES = 64
"""Nodes of the last hidden layer."""

_OF_IMAGES = ("half_light_radius", "flux_radius", "flux")
"""Sizes first: to tell them from pixels takes more than a sum."""

_ROWS = 8192
"""Events that are classified at a time."""

_QUICK = replace(QUICK, layers=2, width=256, dropout=0.3, epochs=60, whiten=False)


@dataclass(frozen=True, eq=False)
class ConditionClassifier:
    """Tell from the cells alone which condition an event was simulated for.

    Its features take the place of those of Inception-v3 in the Fréchet and kernel distances, its
    probabilities that of the classes of ImageNet in the Inception score.

    Attributes:
        condition: Name of the condition.
        classes: What the classes are, in the order of the probabilities.
        edges: Inner edges between classes of increasing values, shape (n_classes - 1,).
        accuracy: Fraction of test events of the reference in the right class.
        chance: Fraction of test events in the most frequent class.
        detector: The detector.
        scale: Energy at which the logarithm of a cell sets in, in the unit of the cells.
        network: The trained network.
    """

    condition: str
    classes: tuple[str, ...]
    edges: Floats
    accuracy: float
    chance: float
    detector: Detector
    scale: float
    network: Network

    @property
    def name(self) -> str:
        """Name for reports."""
        return "conditions"

    def features(self, events: Events) -> Floats:
        """Return activations of the last hidden layer, shape (N, 64).

        Raises:
            DetectorError: The events belong to another detector.
        """
        return self._outputs(events, Network.features)

    __call__ = features

    def probabilities(self, events: Events) -> Floats:
        """Return the probability of each class, shape (N, n_classes); each row sums to 1.

        Raises:
            DetectorError: The events belong to another detector.
        """
        logits = self._outputs(events, Network.forward)
        if logits.shape[1] == 1:
            # Of two classes only one has a logit.
            logits = np.concatenate([np.zeros_like(logits), logits], axis=1)
        return np.asarray(softmax(logits, axis=1), np.float64)

    def _outputs(self, events: Events, output: Callable[[Network, Tensor], Tensor]) -> Floats:
        if not events.detector.same_cells(self.detector):
            raise DetectorError(
                f"the classifier was trained on events of '{self.detector.name}', not of "
                f"'{events.detector.name}'",
                remedy="train one on events of that detector",
            )
        # In blocks, because the logarithms of many cells are as large as the cells.
        blocks = [
            predict(self.network, log_cells(events[start : start + _ROWS], self.scale), output)
            for start in range(0, max(len(events), 1), _ROWS)
        ]
        return np.concatenate(blocks)


def train_condition_classifier(
    reference: Events,
    *,
    condition: str | None = None,
    n_classes: int = 10,
    settings: Settings = _QUICK,
    seed: int = 0,
    device: str = "cpu",
    report: Report | None = None,
) -> ConditionClassifier:
    r"""Train a classifier of the conditions of the reference.

    It sees only cells and layers, as :math:`\log_{10}(1 + E/E_0)` with the median energy
    :math:`E_0` of a hit, never a condition. Classes are the values of the condition where there
    are at most ``n_classes``, else its quantile bins, equally filled. 60 % of the events are
    learned from, 20 % choose the epoch, 20 % measure the accuracy. Weights are not used.

    Arguments:
        reference: Events of full simulation.
        condition: Which one; by default ``pdg`` where it has several values, else ``energy``, or of
            galaxies ``half_light_radius``, ``flux_radius`` or ``flux``, the first that there is.
        n_classes: Most classes.
        settings: Of the training; the last hidden layer has 64 nodes whatever the width.
        seed: Seed of everything.
        device: ``"cpu"``, ``"cuda"``, ``"cuda:1"``.
        report: Called with the epochs done and the epochs in all.

    Raises:
        MissingError: The events have no such condition.
        RangeError: There are fewer than 200 events, or the condition has a single value.
        ConfigError: There is no such device.

    Example:
        >>> from phys_gan.detectors import load_detector
        >>> from phys_gan.simulation import simulate
        >>> events = simulate(load_detector("calogan"), 300, threads=1)
        >>> classifier = train_condition_classifier(events, n_classes=3)
        >>> classifier.features(events).shape, classifier.probabilities(events).shape
        ((300, 64), (300, 3))
    """
    need_events("reference", len(reference), MIN_EVENTS, " for a classifier of its conditions")
    where = to_device(device)
    name = condition or choose_condition(reference)
    if settings.max_events is not None and len(reference) > settings.max_events:
        order = stream(seed, "classifier/events").permutation(len(reference))
        reference = reference[np.sort(order[: settings.max_events])]
    values = reference.condition(name)
    edges, classes = divide(name, values, n_classes)
    labels = np.searchsorted(edges, values, side="right").astype(np.int64)
    # A few hundred events determine the median hit well enough.
    sizes = np.abs(reference.cells[:1000])
    hits = sizes[sizes > reference.detector.threshold]
    scale = float(np.median(hits)) if len(hits) else 1.0
    inputs, parts = log_cells(reference, scale), split(len(reference), 0, seed)
    network = train(
        inputs,
        labels,
        len(classes),
        parts,
        [*[settings.width] * settings.layers, _N_FEATURES],
        settings,
        seed=int(stream(seed, "classifier/conditions").integers(2**62)),
        device=where,
        report=report or silent,
    )
    untested = ConditionClassifier(
        name, classes, edges, np.nan, np.nan, reference.detector, scale, network
    )
    guessed = untested.probabilities(reference[parts.test]).argmax(axis=1)
    truth = labels[parts.test]
    return replace(
        untested,
        accuracy=float(np.mean(guessed == truth)),
        chance=float(np.bincount(truth).max() / len(truth)),
    )


def log_cells(events: Events, scale: float) -> NDArray[np.float32]:
    r"""Return :math:`\pm\log_{10}(1 + |E|/E_0)` of cells and layers, (N, n_cells + n_layers).

    What is not above the read-out threshold counts as 0: simulation and generator need not agree
    on what no detector reads. Pixels and coordinates keep their sign and have no threshold. The
    scale E_0 has the unit of the cells.
    """
    detector = events.detector
    cells = events.cells
    if detector.kind == "calorimeter":
        cells = np.where(cells > detector.threshold, cells, np.float32(0))
    starts = np.array(detector.offsets[:-1])
    inputs = np.concatenate([cells, np.add.reduceat(cells, starts, axis=1)], axis=1)
    logarithms = np.log10(1 + np.abs(inputs) / np.float32(scale))
    return np.asarray(np.copysign(logarithms, inputs), np.float32)


def choose_condition(events: Events) -> str:
    """Return ``pdg`` where it has several values, else ``energy``; of galaxies a size, else flux.

    Raises:
        MissingError: There is none of them.
    """
    if "pdg" in events.conditions and np.ptp(events.conditions["pdg"]) > 0:
        return "pdg"
    known = ("energy", *(_OF_IMAGES if events.detector.is_image else ()))
    chosen = next((name for name in known if name in events.conditions), None)
    if chosen is not None:
        return str(chosen)
    wanted = "size or flux" if events.detector.is_image else "incident energy"
    raise MissingError(
        f"the events have neither several kinds of particles nor a known {wanted}; available: "
        f"{', '.join(events.conditions) or 'none'}",
        remedy="name a condition to classify",
    )


def divide(name: str, values: Floats, n_classes: int) -> tuple[Floats, tuple[str, ...]]:
    """Divide the values of a condition into classes.

    Each value is a class where there are at most ``n_classes``, and always for kinds of particles,
    whose numbers have no order; otherwise the classes are quantile bins.

    Returns:
        The inner edges between classes of increasing values, and what the classes are.

    Raises:
        RangeError: The values do not divide.

    Example:
        >>> divide("pdg", np.array([11.0, 22.0, 22.0]), 10)
        (array([16.5]), ('e-', 'gamma'))
    """
    unique = np.unique(values)
    if len(unique) > 1 and (len(unique) <= n_classes or name == "pdg"):
        return (unique[1:] + unique[:-1]) / 2, tuple(_named(name, value) for value in unique)
    edges = np.unique(np.quantile(values, np.linspace(0, 1, n_classes + 1)))
    if len(edges) < 3:
        raise RangeError(
            f"the condition '{name}' does not divide into classes: nearly all of its values are "
            f"{values[0]:g}",
            remedy="name another condition",
            value=float(values[0]),
        )
    spans = (f"{name} from {low:.6g} to {high:.6g}" for low, high in pairwise(edges))
    return edges[1:-1], tuple(spans)


def _named(name: str, value: float) -> str:
    if name == "pdg":
        with suppress(MissingError):
            return find_particle(int(value)).name
    return f"{name} = {value:g}"
