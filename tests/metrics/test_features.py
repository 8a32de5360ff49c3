from __future__ import annotations

import numpy as np
import pytest

from phys_gan.detectors import load_detector
from phys_gan.errors import MissingError
from phys_gan.events import Events
from phys_gan.metrics.features import (
    EXTRACTORS,
    Extractor,
    ObservableFeatures,
    feature_matrix,
    undefined_values,
)
from phys_gan.validation import measure, select


def showers(n: int = 50) -> Events:
    generator = np.random.default_rng(0)
    cells = generator.exponential(10, size=(n, 504))
    detector = load_detector("calogan")
    # The last layer of some showers is empty.
    cells[: n // 5, detector.slice(2)] = 0
    return Events(cells, {"energy": generator.uniform(1e4, 1e5, n)}, detector)


def test_columns_are_the_observables_in_order() -> None:
    values = {"b": np.array([1.0, 2.0]), "E_inc": np.array([10.0, 1000.0]), "c": np.zeros(2)}
    matrix = feature_matrix(values, ["E_inc", "b"])
    assert matrix.tolist() == [[1, 1], [3, 2]]


def test_undefined_values_stay_apart_and_come_from_the_reference() -> None:
    generator = np.random.default_rng(2)
    column = generator.normal(5, 2, 10_000)
    column[0] = -1e6
    with_gaps = np.where(np.arange(10_000) % 10 == 1, np.nan, column)
    fill = undefined_values({"a": with_gaps})["a"]
    assert fill < np.quantile(column, 0.001)
    reference = {"a": generator.normal(5, 2, 10_000)}
    fills = undefined_values(reference)
    # 3.1 sigma below the mean is the 0.1 % quantile, one more is the fill.
    assert fills["a"] == pytest.approx(5 - 4.09 * 2, abs=0.5)
    matrix = feature_matrix({"a": np.array([np.nan, 5.0, np.inf])}, ["a"], fills)
    assert matrix[:, 0].tolist() == [fills["a"], 5.0, fills["a"]]
    assert undefined_values({"a": np.full(3, np.nan)}) == {"a": -1.0}
    assert undefined_values({"a": np.array([2.0, 2.0, np.nan])}) == {"a": 1.0}


def test_a_missing_observable_is_named() -> None:
    with pytest.raises(MissingError, match="'depth' is not among the observables; available: a"):
        feature_matrix({"a": np.zeros(1)}, ["depth"])


def test_observables_of_showers_are_finite_features() -> None:
    events = showers()
    extractor: Extractor = EXTRACTORS["observables"](events)
    features = extractor(events)
    chosen = select(events.detector)
    assert features.shape == (50, len(chosen))
    assert np.isfinite(features).all()
    names = [o.name for o in chosen]
    assert features[:, names.index("E_inc")] == pytest.approx(np.log10(events.energy / 1000))
    centre = measure(events, chosen)["EC_x_2"]
    column = features[:, names.index("EC_x_2")]
    assert np.isnan(centre[:10]).all()
    assert len(np.unique(column[:10])) == 1
    assert column[0] < np.nanmin(centre)
    assert column[10:] == pytest.approx(centre[10:])
    # The rule is that of the reference, whatever the candidate is.
    dark = Events(np.zeros((3, 504)), {"energy": np.full(3, 1e4)}, events.detector)
    assert extractor(dark)[:, names.index("EC_x_2")] == pytest.approx(column[0])


def test_observables_can_be_chosen() -> None:
    events = showers()
    extractor = ObservableFeatures.fit(events, ["depth", "sparsity_{k}"])
    assert [o.name for o in extractor.observables] == [
        "depth",
        "sparsity_0",
        "sparsity_1",
        "sparsity_2",
    ]
    assert extractor(events).shape == (50, 4)
    assert extractor.name == "observables"
