from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phys_gan.detectors import Detector, load_detector
from phys_gan.errors import DataError, DetectorError, MissingError
from phys_gan.events import Events, first_copies

CALOGAN = load_detector("calogan")


def events(n: int = 4, **changes: Any) -> Events:
    numbers = np.arange(n * 504, dtype=np.float32).reshape(n, 504)
    given: dict[str, Any] = {
        "cells": numbers,
        "conditions": {"energy": np.linspace(1000, 2000, n), "angle": np.zeros(n)},
        "detector": CALOGAN,
        "overflow": np.ones((n, 3)),
        "provenance": {"particle": "e+"},
    }
    return Events(**{**given, **changes})


def test_types_and_views() -> None:
    shower = events()
    assert shower.cells.dtype == np.float32
    assert shower.energy.dtype == np.float64
    assert len(shower) == 4
    assert [shower.layer(k).shape for k in range(3)] == [(4, 3, 96), (4, 12, 12), (4, 12, 6)]
    assert np.shares_memory(shower.layer(1), shower.cells)
    # y is fastest: the formula of the layout.
    assert shower.layer(2)[1, 3, 5] == shower.cells[1, 432 + 3 * 6 + 5]


def test_sums_are_exact() -> None:
    shower = events()
    layers = shower.layer_energies()
    for k in range(3):
        np.testing.assert_array_equal(layers[:, k], shower.layer(k).sum(axis=(1, 2), dtype=float))
    np.testing.assert_array_equal(layers.sum(axis=1), shower.total_energy())
    assert shower.total_energy()[0] == 503 * 504 / 2


def test_immutable() -> None:
    shower = events()
    with pytest.raises(ValueError, match="read-only"):
        shower.cells[0, 0] = 1
    with pytest.raises(ValueError, match="read-only"):
        shower.energy[0] = 1
    with pytest.raises(TypeError):
        shower.conditions["energy"] = np.ones(4)
    with pytest.raises(AttributeError):
        shower.cells = np.ones((1, 504))


@pytest.mark.parametrize(
    "index", [slice(1, 3), np.array([False, True, True, False]), [1, 2], np.array([1, 2])]
)
def test_choosing_events(index: Any) -> None:
    shower = events()
    part = shower[index]
    assert len(part) == 2
    np.testing.assert_array_equal(part.cells, shower.cells[1:3])
    np.testing.assert_array_equal(part.energy, shower.energy[1:3])
    assert part.overflow is not None
    assert part.overflow.shape == (2, 3)
    assert part.provenance == {"particle": "e+"}


def test_no_events() -> None:
    none = events()[:0]
    assert len(none) == 0
    assert none.layer_energies().shape == (0, 3)


def spoilt(value: float, where: str) -> dict[str, Any]:
    array = {"cells": np.ones((4, 504)), "overflow": np.ones((4, 3))}[where]
    array[2, 1] = value
    return {where: array}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"cells": np.ones((4, 500))}, r"cells have shape \(4, 500\), but detector 'calogan'"),
        ({"cells": np.ones(504)}, "cells have shape"),
        (spoilt(np.nan, "cells"), r"cells hold NaN or infinite values in 1 of 4 .*event 2\)"),
        (spoilt(np.inf, "cells"), "cells hold NaN or infinite values in 1 of 4 events"),
        (spoilt(-np.inf, "overflow"), "overflow hold NaN or infinite values in 1 of 4 events"),
        (spoilt(-0.5, "cells"), r"negative energies in 1 of 4 .*event 2, smallest -0.5 MeV"),
        (spoilt(-0.5, "overflow"), "overflow hold negative energies"),
        ({"conditions": {"energy": [1.0, 2.0]}}, r"condition 'energy' has shape \(2,\)"),
        ({"conditions": {"energy": np.ones((4, 1))}}, "condition 'energy' has shape"),
        ({"conditions": {"energy": [1, 2, 0, 4]}}, "an incident energy is 0 MeV"),
        ({"conditions": {"pdg": [1, 2, np.nan, 4]}}, "condition 'pdg' hold NaN"),
        ({"overflow": np.ones((4, 2))}, r"overflow has shape \(4, 2\), not \(4, 3\)"),
    ],
)
def test_wrong_content(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(DataError, match=sentence) as caught:
        events(**changes)
    assert "\n" not in str(caught.value)
    assert caught.value.remedy


def test_pixels_may_be_negative() -> None:
    image = Events(-np.ones((2, 1024)), {}, load_detector("galaxies-32"))
    assert image.layer(0).shape == (2, 32, 32)
    with pytest.raises(MissingError, match="no condition 'energy'; available: none"):
        _ = image.energy


def test_missing_condition_lists_those_there() -> None:
    with pytest.raises(MissingError, match="'pdg'; available: energy, angle"):
        events().condition("pdg")


def test_concatenation() -> None:
    one, two = events(2), events(3, provenance={"particle": "e-", "seed": "1"})
    both = Events.concatenate([one, two])
    np.testing.assert_array_equal(both.cells, np.concatenate([one.cells, two.cells]))
    np.testing.assert_array_equal(both.energy, np.concatenate([one.energy, two.energy]))
    assert both.overflow is not None
    assert both.overflow.shape == (5, 3)
    assert both.provenance == {"particle": "e+; e-", "seed": "1"}
    assert Events.concatenate([one, one]).provenance == {"particle": "e+"}


def test_concatenation_of_what_does_not_belong_together() -> None:
    with pytest.raises(DataError, match="no events to join"):
        Events.concatenate([])
    image = Events(np.ones((2, 1024)), {}, load_detector("galaxies-32"))
    with pytest.raises(DetectorError, match="'calogan' and 'galaxies-32'"):
        Events.concatenate([events(), image])
    with pytest.raises(DataError, match=r"conditions \['angle', 'energy'\] and \['energy'\]"):
        Events.concatenate([events(), events(conditions={"energy": np.ones(4)})])


def test_concatenation_after_positions_were_asked_for() -> None:
    copies = [Detector.from_toml(CALOGAN.to_toml()) for _ in range(2)]
    parts = [events(detector=copy) for copy in copies]
    for copy in copies:
        assert copy.positions.shape == (504, 2)
    assert len(Events.concatenate(parts)) == 8


def test_a_text_is_joined_once():
    def said(text):
        return Events(np.ones((1, 504)), {"energy": [600.0]}, CALOGAN, provenance={"by": text})

    def joined(*texts):
        return Events.concatenate([said(text) for text in texts]).provenance["by"]

    assert joined("a", "b", "a") == "a; b"
    assert joined(joined("a", "b"), "b", "c") == "a; b; c"
    assert joined("a; a", "a; a") == "a; a"


def test_weights() -> None:
    weighted = events(weights=[1, -1, 2, 2])
    assert weighted.weights is not None
    assert weighted.weights.dtype == np.float64
    assert not weighted.weights.flags.writeable
    assert weighted.effective_number == pytest.approx(16 / 10)
    assert events().effective_number == 4
    assert events(weights=np.zeros(4)).effective_number == 0
    np.testing.assert_array_equal(weighted[[3, 1]].weights, [2, -1])
    both = Events.concatenate([weighted, weighted[:1]])
    np.testing.assert_array_equal(both.weights, [1, -1, 2, 2, 1])
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(weighted)).weights, weighted.weights)
    assert repr(weighted) == "Events(4 x 504 cells, calogan, energy, angle, weighted)"
    with pytest.raises(DataError, match="with weights and events without"):
        Events.concatenate([weighted, events()])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"weights": np.ones(3)}, r"weights have shape \(3,\), but there are 4 events"),
        ({"weights": [1, 1, np.nan, 1]}, "weights hold NaN .* in 1 of 4 events .*event 2"),
        ({"conditions": {"weight": np.ones(4)}}, "'weight' is the weight of an event"),
    ],
)
def test_wrong_weights(given: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        events(**given)


def test_resampled_events_count_the_same() -> None:
    plain = events()
    assert plain.resampled() is plain
    weighted = events(weights=[6, 0, 1, 1])
    drawn = weighted.resampled(seed=3)
    assert drawn.weights is None
    assert len(drawn) == 4
    firsts = {tuple(row) for row in drawn.digests().tolist()}
    assert tuple(weighted.digests()[1].tolist()) not in firsts
    assert (drawn.digests() == weighted.digests()[0]).all(axis=1).sum() == 3
    np.testing.assert_array_equal(drawn.cells, weighted.resampled(seed=3).cells)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1, -1, 2, -3], "negative in 2 of 4 events, .*cancel them before, .* --drop weights"),
        ([0, 0, 0, 0], "weights of all 4 events are 0, .*--drop weights"),
    ],
)
def test_weights_that_nothing_can_be_drawn_by(weights: list[float], message: str) -> None:
    with pytest.raises(DataError, match=message):
        events(weights=weights).resampled()


def test_the_effective_number_knows_no_unit() -> None:
    for unit in (1e-200, 1.0, 1e200):
        weighted = events(weights=np.array([1.0, 1.0, 2.0, 0.0]) * unit)
        assert weighted.effective_number == pytest.approx(16 / 6)


def test_digests_tell_cells_apart() -> None:
    shower = events()
    first = shower.digests()
    assert first.shape == (4, 2)
    assert len(np.unique(first, axis=0)) == 4
    # Neither conditions nor the order of events matter, and the last bit of a cell does.
    np.testing.assert_array_equal(events(conditions={}).digests(), first)
    np.testing.assert_array_equal(shower[[2, 0]].digests(), first[[2, 0]])
    cells = shower.cells.copy()
    cells[1, 7] = np.nextafter(cells[1, 7], np.float32(np.inf))
    assert (events(cells=cells).digests() == first).all(axis=1).tolist() == [
        True,
        False,
        True,
        True,
    ]
    assert events()[:0].digests().shape == (0, 2)


def bare(cells: Any) -> Events:
    return Events(cells, {}, CALOGAN)


def test_zero_has_no_sign_in_digests() -> None:
    cells = np.zeros((3, 504), np.float32)
    cells[:, 3] = 2.0
    cells[1, 4] = -0.0
    cells[2, 4] = 1e-45
    digests = bare(cells).digests()
    assert digests[0].tolist() == digests[1].tolist() != digests[2].tolist()
    assert bare(np.full((1, 504), -0.0)).empty().all()


def test_first_copies() -> None:
    cells = np.zeros((7, 504))
    cells[:, 5] = [3, 1, 3, 0, 2, 0, 3]
    shower = bare(cells)
    assert shower.empty().tolist() == [False, False, False, True, False, True, False]
    first = first_copies(shower.digests(), shower.empty())
    assert first.dtype == np.int64
    assert first.tolist() == [0, 1, 0, 3, 4, 5, 0]
    assert first_copies(shower[:0].digests(), shower[:0].empty()).tolist() == []


@given(st.lists(st.integers(0, 6), max_size=60))
def test_first_copies_are_the_first_that_are_equal(values: list[int]) -> None:
    shower = bare(np.tile(np.array(values, float)[:, None], 504))
    expected = [k if v == 0 else values.index(v) for k, v in enumerate(values)]
    assert first_copies(shower.digests(), shower.empty()).tolist() == expected
