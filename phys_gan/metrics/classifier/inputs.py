"""Inputs of a classifier: the three forms of CaloChallenge, and those of users."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from phys_gan.detectors import Detector, PolarLayer
from phys_gan.errors import DetectorError, MissingError
from phys_gan.events import Events
from phys_gan.observables.sums import blocks
from phys_gan.units import MEV

Form = Callable[[Events, Sequence[str]], NDArray[np.float32]]
"""Events and the names of the conditions to show, to inputs of shape (N, n_inputs)."""

_SMALL = 1e-8
"""Energy [MeV] that keeps the logarithm of an empty layer finite: it becomes -8."""

_LENGTH = 100.0
"""Unit of centres and widths [mm]."""


def low(events: Events, conditions: Sequence[str] = ("energy",)) -> NDArray[np.float32]:
    r"""Return :math:`[\log_{10} E_\mathrm{inc},\ E_i / E_\mathrm{inc}]`, shape (N, 1 + n_cells).

    Energies are in MeV. Without incident energy the cells stay in MeV (pixels in their own unit).

    References:
        CaloChallenge 2022 (Krause et al., 2024), https://arxiv.org/abs/2410.21611

    Arguments:
        events: The events.
        conditions: Conditions to show: ``energy`` as its logarithm, others as they are. Without
            ``energy`` nothing depends on the incident energy.

    Raises:
        MissingError: The events lack one of the conditions.

    Example:
        >>> from phys_gan.detectors import load_detector
        >>> events = Events(np.ones((2, 504)), {"energy": [1e3, 1e4]}, load_detector("calogan"))
        >>> low(events)[:, :2].round(4).tolist()
        [[3.0, 0.0010000000474974513], [4.0, 9.999999747378752e-05]]
    """
    inputs, cells = _with_room(events, conditions, events.detector.n_cells)
    np.multiply(events.cells, np.float32(_to_mev(events.detector)), out=cells)
    if "energy" in conditions:
        cells /= events.energy[:, None].astype(np.float32)
    return inputs


def low_normalised(events: Events, conditions: Sequence[str] = ("energy",)) -> NDArray[np.float32]:
    r"""Return :math:`[\log_{10} E_\mathrm{inc},\ E_i / E_k,\ \log_{10}(E_k + 10^{-8})]`.

    :math:`E_k` is the energy of the layer of cell i [MeV]; the cells of an empty layer are 0. It
    judges the shapes of showers apart from their energies. Shape (N, 1 + n_cells + n_layers).

    References:
        CaloChallenge 2022 (Krause et al., 2024), https://arxiv.org/abs/2410.21611

    Raises:
        MissingError: The events lack one of the conditions.
        DetectorError: The events are images or points, which go below zero.
    """
    detector = events.detector
    _need_showers(detector, "low-normalised")
    inputs, rest = _with_room(events, conditions, detector.n_cells + detector.n_layers)
    layers = events.layer_energies()
    rest[:, detector.n_cells :] = np.log10(layers * _to_mev(detector) + _SMALL)
    per_cell = np.where(layers > 0, layers, 1.0).astype(np.float32)
    for k in range(detector.n_layers):
        cells = detector.slice(k)
        np.divide(events.cells[:, cells], per_cell[:, k, None], out=rest[:, cells])
    return inputs


def high(events: Events, conditions: Sequence[str] = ("energy",)) -> NDArray[np.float32]:
    r"""Return the high-level inputs: what a physicist plots.

    :math:`[\log_{10} E_\mathrm{inc},\ \log_{10}(E_k + 10^{-8}),\ \mathrm{EC}_k,\ \sigma_k,\
    \log_{10}(E_\mathrm{tot} + 10^{-8}),\ \mathrm{sparsity}]` with energies in MeV, centres and
    widths in units of 100 mm along both directions. Polar layers that are not divided in alpha
    have no directions and therefore no centres and widths here.

    The centre and the width of an empty layer are not defined: they become 0, and the logarithm
    of its energy, which is then -8 and never otherwise, tells it from a shower at the centre.

    References:
        CaloChallenge 2022 (Krause et al., 2024), https://arxiv.org/abs/2410.21611

    Raises:
        MissingError: The events lack one of the conditions.
        DetectorError: The events are images or points, which have no shower observables.
    """
    detector = events.detector
    _need_showers(detector, "high")
    divided = [
        k
        for k, layer in enumerate(detector.layers)
        if not isinstance(layer, PolarLayer) or layer.n_alpha > 1
    ]
    inputs, rest = _with_room(events, conditions, detector.n_layers + 4 * len(divided) + 2)
    for rows, showers in blocks(events):
        lengths = [
            measure(direction)[:, divided] / _LENGTH
            for measure in (showers.centre, showers.width)
            for direction in ("x", "y")
        ]
        sparsity = 1 - showers.hits.sum(axis=1) / detector.n_cells
        rest[rows] = np.concatenate(
            [
                np.log10(showers.layer_energy + _SMALL),
                *(np.nan_to_num(values, nan=0.0) for values in lengths),
                np.log10(showers.total + _SMALL)[:, None],
                sparsity[:, None],
            ],
            axis=1,
        )
    return inputs


def cnn(events: Events, conditions: Sequence[str] = ("energy",)) -> NDArray[np.float32]:
    """Return conditions and cells [MeV], zero up to the threshold: inputs of convolutions.

    The energy is its logarithm; pixels and coordinates stay as they are. Shape (N, C + n_cells).

    Raises:
        MissingError: The events lack one of the conditions.
        DetectorError: The events are points, which have no grid.
    """
    detector = events.detector
    if detector.is_toy:
        raise DetectorError(
            f"'{detector.name}' has no grid of cells for convolutions",
            remedy="use the form low, or an own function",
            value=detector.name,
        )
    inputs, cells = _with_room(events, conditions, detector.n_cells)
    np.multiply(events.cells, np.float32(_to_mev(detector)), out=cells)
    if detector.kind == "calorimeter":
        cells[events.cells <= detector.threshold] = 0
    return inputs


FORMS: dict[str, Form] = {
    "low": low,
    "low-normalised": low_normalised,
    "high": high,
    "cnn": cnn,
}
"""The input forms by name. Add one by assignment: ``FORMS["mine"] = function``."""


def find_form(form: str | Form) -> Form:
    """Return an input form by name; a function is returned as it is.

    Raises:
        MissingError: There is no such form; the message lists those there are.
    """
    if not isinstance(form, str):
        return form
    if form not in FORMS:
        raise MissingError(
            f"'{form}' is not an input form of the classifier; available: {', '.join(FORMS)}",
            value=form,
        )
    return FORMS[form]


def _with_room(
    events: Events, conditions: Sequence[str], n_inputs: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return inputs that begin with the conditions, and a view of the rest, yet to be filled."""
    inputs = np.empty((len(events), len(conditions) + n_inputs), np.float32)
    for column, name in enumerate(conditions):
        values = events.condition(name)
        inputs[:, column] = np.log10(values) if name == "energy" else values
    return inputs, inputs[:, len(conditions) :]


def _to_mev(detector: Detector) -> float:
    """Return how many MeV the unit of a cell is; 1 where it is not an energy."""
    return MEV.get(detector.cell_unit, 1.0)


def _need_showers(detector: Detector, form: str) -> None:
    if detector.kind != "calorimeter":
        kind = "an image" if detector.is_image else "a toy"
        raise DetectorError(
            f"the input form '{form}' describes showers, but '{detector.name}' is {kind}",
            remedy="use the form low, or an own function",
            value=detector.name,
        )
