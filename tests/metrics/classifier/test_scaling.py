from __future__ import annotations

import numpy as np
import pytest

from phys_gan.metrics.classifier import training
from phys_gan.metrics.classifier.training import Scaling, fit_scaling


def mapped(fitted: Scaling, x: np.ndarray) -> np.ndarray:
    centred = (x - fitted.mean).astype(np.float64)
    return centred @ fitted.matrix if fitted.whitens else centred * fitted.matrix


def correlated(n: int, seed: int = 0) -> np.ndarray:
    """Two inputs that agree within 1e-3 of their spread, and an unrelated one."""
    generator = np.random.default_rng(seed)
    first = generator.normal(5, 2, n)
    nearly = first + generator.normal(0, 0.002, n)
    return np.stack([first, nearly, generator.exponential(3, n)], axis=1).astype(np.float32)


@pytest.mark.parametrize("block", [10, 2**22], ids=["blocks", "whole"])
def test_training_events_are_standardised(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "_BLOCK_VALUES", block)
    x, rows = correlated(500), np.arange(0, 500, 2)
    z = mapped(fit_scaling(x, rows), x)
    np.testing.assert_allclose(z[rows].mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(z[rows].std(axis=0), 1, rtol=1e-5)
    # The other events have no say.
    x[1::2] += 100
    np.testing.assert_array_equal(mapped(fit_scaling(x, rows), x)[rows], z[rows])


def test_whitening_makes_the_small_difference_an_input() -> None:
    x, rows = correlated(2000), np.arange(2000)
    fitted = fit_scaling(x, rows, whiten=True)
    z = mapped(fitted, x)
    np.testing.assert_allclose(np.cov(z.T), np.eye(3), atol=2e-3)
    difference = (x[:, 1].astype(np.float64) - x[:, 0]) / 0.002
    assert np.abs([np.corrcoef(difference, column)[0, 1] for column in z.T]).max() > 0.999
    # Standardised, no input knows it.
    plain = mapped(fit_scaling(x, rows), x)
    assert np.abs([np.corrcoef(difference, column)[0, 1] for column in plain.T]).max() < 0.1


@pytest.mark.parametrize("whiten", [False, True])
def test_constant_inputs_are_harmless(whiten: bool) -> None:
    x = np.concatenate([correlated(300), np.full((300, 1), 0.1), np.zeros((300, 1))], axis=1)
    fitted = fit_scaling(x.astype(np.float32), np.arange(300), whiten=whiten)
    assert np.isfinite(fitted.matrix).all()
    assert np.abs(mapped(fitted, x.astype(np.float32))).max() < 20
    assert fitted.n_outputs == (3 if whiten else 5)


def test_whitening_needs_events_and_few_inputs(monkeypatch: pytest.MonkeyPatch) -> None:
    x = correlated(100)
    assert fit_scaling(x, np.arange(15), whiten=True).whitens
    assert not fit_scaling(x, np.arange(14), whiten=True).whitens
    monkeypatch.setattr(training, "_MOST_WHITENED", 2)
    assert not fit_scaling(x, np.arange(100), whiten=True).whitens
