from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from phys_gan.detectors import load_detector
from phys_gan.errors import DataError, DetectorError, MissingError
from phys_gan.events import Events
from phys_gan.metrics import inception
from phys_gan.metrics.features import (
    EXTRACTORS,
)
from phys_gan.metrics.inception import WEIGHTS, InceptionFeatures, inception_score


def showers(n: int = 50) -> Events:
    generator = np.random.default_rng(0)
    cells = generator.exponential(10, size=(n, 504))
    detector = load_detector("calogan")
    # The last layer of some showers is empty.
    cells[: n // 5, detector.slice(2)] = 0
    return Events(cells, {"energy": generator.uniform(1e4, 1e5, n)}, detector)


def images(n: int = 70) -> Events:
    detector = load_detector("galaxies-32")
    return Events(np.random.default_rng(1).normal(size=(n, detector.n_cells)), {}, detector)


def test_inception_says_what_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(inception, "find_spec", lambda name: None)
    with pytest.raises(MissingError, match=r"torch-fidelity, which is not installed; install"):
        EXTRACTORS["inception"](images())
    monkeypatch.setattr(inception, "find_spec", lambda name: SimpleNamespace())
    with pytest.raises(MissingError, match=rf"not at '.*weights'; put .*{WEIGHTS}"):
        InceptionFeatures.fit(images(), tmp_path / "weights")
    import torch

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(MissingError, match=f"checkpoints/{WEIGHTS}"):
        InceptionFeatures.fit(images())
    with pytest.raises(DetectorError, match="needs images, but 'calogan' is not an image"):
        EXTRACTORS["inception"](showers())


def test_inception_gets_grey_images_in_batches(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import torch

    weights = tmp_path / "weights.pth"
    weights.touch()
    asked = []

    def network(pictures: torch.Tensor) -> tuple[torch.Tensor]:
        assert pictures.dtype == torch.uint8
        assert pictures.shape[1:] == (3, 32, 32)
        return (pictures.float().mean(dim=(2, 3)),)

    def create(name: str, features: list[str], **options: object) -> object:
        asked.append((name, features, options["feature_extractor_weights_path"]))
        return network

    fake = ModuleType("torch_fidelity.utils")
    fake.create_feature_extractor = create  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch_fidelity", ModuleType("torch_fidelity"))
    monkeypatch.setitem(sys.modules, "torch_fidelity.utils", fake)
    monkeypatch.setattr(inception, "find_spec", lambda name: SimpleNamespace())
    events = images()
    extractor = InceptionFeatures.fit(events, weights)
    features = extractor(events)
    assert features.shape == (70, 3)
    assert asked == [("inception-v3-compat", ["2048"], str(weights))]
    assert extractor.low == pytest.approx(np.quantile(events.cells, 0.001))
    grey = np.clip((events.cells - extractor.low) / (extractor.high - extractor.low), 0, 1)
    assert features[:, 0] == pytest.approx(255 * grey.mean(axis=1), abs=0.5)


def test_limits_of_the_score() -> None:
    sure = np.eye(5)[np.arange(500) % 5]
    assert inception_score(sure, seed=0).value == pytest.approx(5)
    assert inception_score(np.full((500, 5), 0.2), seed=0) == (pytest.approx(1), pytest.approx(0))
    assert inception_score(sure[:, :3][sure[:, :3].sum(axis=1) > 0], seed=0).value == (
        pytest.approx(3)
    )
    assert inception_score(np.eye(5)[np.zeros(100, int)], seed=0).value == pytest.approx(1)


def test_a_binary_channel_is_analytic() -> None:
    """ln 2 less the entropy of p: the capacity of a symmetric channel."""
    p = 0.9
    rows = np.array([[p, 1 - p], [1 - p, p]])[np.arange(1000) % 2]
    expected = 2 * p**p * (1 - p) ** (1 - p)
    assert inception_score(rows, seed=0).value == pytest.approx(expected, rel=1e-12)


def test_the_error_is_the_spread_over_repeated_experiments() -> None:
    generator = np.random.default_rng(0)
    found = [inception_score(generator.dirichlet([0.3] * 4, 400), seed=s) for s in range(60)]
    spread = np.std([f.value for f in found])
    assert np.mean([f.error for f in found]) == pytest.approx(spread, rel=0.35)


def test_splits_lower_the_score_of_few_events() -> None:
    p = np.random.default_rng(1).dirichlet([0.1] * 10, 200)
    assert inception_score(p, seed=0, splits=10).value < inception_score(p, seed=0).value
    assert inception_score(p, seed=0, splits=10) == inception_score(p, seed=0, splits=10)


def test_what_is_no_probability_is_refused() -> None:
    with pytest.raises(DataError, match="sum to 1"):
        inception_score(np.full((10, 3), 0.5), seed=0)
    with pytest.raises(DataError, match="sum to 1"):
        inception_score([[1.5, -0.5]], seed=0)
    with pytest.raises(DataError, match="5 parts"):
        inception_score([[1.0, 0.0]], seed=0, splits=5)


def test_weights_count_as_repeated_events() -> None:
    generator = np.random.default_rng(4)
    p = generator.dirichlet([0.3] * 4, 200)
    counts = generator.integers(0, 4, 200)
    repeated = inception_score(np.repeat(p, counts, axis=0), seed=0)
    weighted = inception_score(p, seed=0, weights=0.01 * counts)
    assert weighted.value == pytest.approx(repeated.value, rel=1e-12)
    assert inception_score(p, seed=0, weights=np.full(200, 7.0)) == inception_score(p, seed=0)


def test_the_error_of_a_weighted_score_is_the_spread_over_repetitions() -> None:
    generator = np.random.default_rng(5)
    found = [
        inception_score(
            generator.dirichlet([0.3] * 4, 400), seed=s, weights=generator.exponential(size=400)
        )
        for s in range(80)
    ]
    values, errors = np.array(found).T
    assert values.std() == pytest.approx(errors.mean(), rel=0.2)


def test_events_and_counter_events_cancel_in_the_score() -> None:
    sure = np.eye(3)[np.tile([0, 1, 2], 100)]
    weights = np.ones(300)
    weights[2::6] = -1
    value, error = inception_score(sure, seed=0, weights=weights)
    # The third class is gone, and its bootstrap replicas fall below zero.
    assert value == pytest.approx(2)
    assert 0 < error < 0.3
