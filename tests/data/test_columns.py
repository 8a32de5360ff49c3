"""Columns of a file beside its cells."""

from __future__ import annotations

import numpy as np
import pytest

from phys_gan.data.columns import MOST, WIDEST, Gathering, comes_back, is_weight
from phys_gan.errors import DataError

X = np.array([1.0, 2.0, 4.0])


def gather(**columns: np.ndarray) -> Gathering:
    found = Gathering(3, {"energy": 10 * X}, "branch")
    for name, values in columns.items():
        found.offer_values(name, values)
    return found


@pytest.mark.parametrize("name", ["weight", "Weights", "WEIGHT", "event_weight", "EventWeights"])
def test_names_of_weights(name: str) -> None:
    assert is_weight(name)
    assert not comes_back(name)
    assert not is_weight(f"mc_{name}")
    np.testing.assert_array_equal(gather(**{name: X}).found().weights, X)


def test_names_that_come_back() -> None:
    names = ["theta", "incident_theta", "incident_phi", "truth/theta", "weights.0", "mcEventWeight"]
    assert [comes_back(name) for name in names] == [True, False, False, False, True, True]
    for name in names:
        kept = set(gather(**{name: X}).found().conditions) - {"energy"}
        assert (kept == {name}) == comes_back(name)


def test_a_column_is_read_only_if_it_fits() -> None:
    def read() -> np.ndarray:
        raise AssertionError("it was read")

    found = Gathering(3, {}, "branch")
    for shape in ((), (2,), (3, 0), (3, WIDEST + 1), (3, 2, 2), (0,)):
        found.offer(f"x{len(shape)}{shape[-1:]}", np.dtype(float), shape, read)
    found.offer("text", np.dtype("S3"), (3,), read)
    assert not found.found().conditions


def test_notes_name_all_columns_with_a_reason() -> None:
    text = np.array(["x"] * 3)
    found = gather(a=text, b=np.where(X == 2, np.nan, X), c=text, energy=X, d=X.astype(complex))
    assert found.found().notes == (
        "branches 'a', 'c' are not kept: they hold text",
        "branch 'b' is not kept: it is NaN or infinite in 1 of 3 events (first: event 1)",
        "branch 'energy' is not kept: the condition 'energy' comes from elsewhere in the file",
        "branch 'd' is not kept: it holds complex numbers",
    )
    assert gather(energy=10 * X).found().notes == ()


def test_what_is_optional() -> None:
    found = gather(x=X, weight=X)
    found.keep("mass", X, "condition_mass")
    assert found.found().optional == {"x", "weights"}
    with pytest.raises(DataError, match="'x' is there twice, the second time as 'condition_x'"):
        found.keep("x", X, "condition_x")


def test_the_most_columns() -> None:
    found = gather(**{f"x{k}": X for k in range(MOST + 1)})
    found.keep("mass", X, "condition_mass")
    assert set(found.found().conditions) == {"energy", "mass", *(f"x{k}" for k in range(MOST))}
