"""Normal scores against distributions whose quantiles are known; cells there and back."""

import numpy as np
import pytest
import torch
from scipy.stats import kstest, norm

from phys_gan.detectors import load_detector
from phys_gan.encodings.cells import ConditionalQuantiles, LogarithmicCells, ScoreCells
from phys_gan.errors import ConfigError


def sample(n=40_000):
    random = np.random.default_rng(5)
    t = random.uniform(0, 4, n)
    # Mean and width change with t; the shape is log-normal.
    values = np.stack(
        [3 * t + (1 + t) * random.normal(size=n), np.exp(0.5 * random.normal(size=n))]
    )
    return values.T, t


def test_scores_are_standard_normal_at_any_energy():
    values, t = sample()
    quantiles = ConditionalQuantiles(2)
    quantiles.fit(values, t)
    scores = quantiles.to_scores(torch.tensor(values), torch.tensor(t)).numpy()
    for low in (0.0, 1.3, 3.5):
        near = (t > low) & (t < low + 0.5)
        for f in (0, 1):
            # The outermost scores are collected at +-3, which KS hardly sees.
            assert kstest(scores[near, f], norm.cdf).statistic < 0.025


def test_a_known_quantile():
    values, t = sample()
    quantiles = ConditionalQuantiles(2)
    quantiles.fit(values, t)
    found = quantiles.to_features(torch.tensor([[1.0, -1.0]]), torch.tensor([2.0]))[0]
    np.testing.assert_allclose(found, [3 * 2 + 3 * 1, np.exp(-0.5)], rtol=0.03)


def test_scores_come_back():
    values, t = sample(5000)
    quantiles = ConditionalQuantiles(2)
    quantiles.fit(values, t)
    scores = torch.linspace(-2.9, 2.9, 60).repeat(2, 1).T.contiguous()
    at = torch.linspace(0.1, 3.9, 60)
    again = quantiles.to_scores(quantiles.to_features(scores, at), at)
    np.testing.assert_allclose(again, scores, atol=1e-3)


def test_a_point_mass_comes_back_exactly():
    random = np.random.default_rng(1)
    values = np.where(random.random(4000) < 0.5, -13.8, random.normal(size=4000))[:, None]
    t = random.uniform(0, 1, 4000)
    quantiles = ConditionalQuantiles(1)
    quantiles.fit(values, t)
    scores = quantiles.to_scores(torch.tensor([[-13.8]] * 5), torch.linspace(0.1, 0.9, 5))
    back = quantiles.to_features(scores.float(), torch.linspace(0.1, 0.9, 5))
    np.testing.assert_allclose(back, -13.8, rtol=1e-5)


def test_one_energy_only():
    random = np.random.default_rng(1)
    quantiles = ConditionalQuantiles(1)
    quantiles.fit(random.normal(size=(3000, 1)), np.full(3000, 2.0))
    found = quantiles.to_features(torch.tensor([[1.0]]), torch.tensor([2.0]))
    assert abs(float(found) - 1) < 0.1


CALOGAN = load_detector("calogan")


def showers(n=3000):
    """Cells that are log-normal, hit more often and hotter at high energy."""
    random = np.random.default_rng(2)
    t = random.uniform(0, 3, n)
    hot = CALOGAN.orbits / 150
    z = random.normal(size=(n, 504)) + t[:, None] - 2 * hot
    return np.where(z > 0, np.exp(2 * z), 0).astype(np.float32), t


CELLS, T = showers()
SCORES = ScoreCells(CALOGAN)
SCORES.fit(CELLS, T)


def test_cells_come_back():
    cells, t = torch.from_numpy(CELLS[:200]), torch.from_numpy(T[:200])
    again = SCORES.decode(SCORES.encode(cells, t), t)
    assert torch.equal(again > 0, cells > 0)
    hit = cells > 0
    error = (again / cells - 1).abs()[hit]
    # Only what lies beyond the table is moved to its end.
    assert error.quantile(0.98) < 1e-3
    assert error.median() < 1e-5


def test_numbers_are_gaussians_cut_at_zero():
    numbers = SCORES.encode(torch.from_numpy(CELLS), torch.from_numpy(T)).numpy()
    for low in (0.2, 1.0, 2.5):
        near = (low < T) & (low + 0.3 > T)
        for orbit in (3, 70, 140):
            values = numbers[near][:, CALOGAN.orbits == orbit].ravel()
            empty = (values == 0).mean()
            start = norm.ppf(np.clip(empty, 1e-3, 0.999))
            hits = values[values > 0]
            if len(hits) > 300 and empty > 0.02:
                cut = (norm.cdf(hits + start) - norm.cdf(start)) / (1 - norm.cdf(start))
                assert kstest(cut, "uniform").statistic < 0.08


def test_symmetric_cells_share_a_distribution():
    cells, t = torch.from_numpy(CELLS[:50]), torch.from_numpy(T[:50])
    mirrored = torch.from_numpy(CALOGAN.symmetry_group()[3]).long()
    torch.testing.assert_close(
        SCORES.encode(cells, t)[:, mirrored], SCORES.encode(cells[:, mirrored], t)
    )


def test_gradients_are_finite():
    numbers = torch.linspace(-1, 9, 504).repeat(4, 1).requires_grad_()
    t = torch.tensor([0.0, 1.0, 2.0, 3.0])
    SCORES.encode(SCORES.decode(numbers, t), t).sum().backward()
    assert torch.isfinite(numbers.grad).all()
    assert numbers.grad.abs().max() < 100


def test_the_number_of_events_at_once_does_not_matter(monkeypatch):
    cells, t = torch.from_numpy(CELLS[:20]), torch.from_numpy(T[:20])
    whole = SCORES.encode(cells, t)
    monkeypatch.setattr("phys_gan.encodings.cells._MOST_COMPARED", 504 * 33 * 3)
    assert torch.equal(SCORES.encode(cells, t), whole)


def test_a_cell_that_is_never_hit():
    cells = CELLS[:400].copy()
    dead = CALOGAN.orbits == 17
    cells[:, dead] = 0
    scores = ScoreCells(CALOGAN)
    scores.fit(cells, T[:400])
    numbers = scores.encode(torch.from_numpy(cells), torch.from_numpy(T[:400]))
    assert torch.isfinite(numbers).all()
    assert not numbers[:, dead].any()


@pytest.mark.parametrize("cells", [SCORES, LogarithmicCells(CALOGAN, 0.5)])
def test_empty_is_zero_and_below(cells):
    cells.fit(CELLS, T)
    numbers = torch.tensor([[0.0, -3.0] + 502 * [0.1]])
    decoded = cells.decode(numbers, torch.ones(1))
    assert not decoded[0, :2].any()
    assert (decoded[0, 2:] > 0).all()
    assert not cells.encode(torch.zeros(1, 504), torch.ones(1)).any()


def test_too_many_kinds_of_cells_are_refused():
    with pytest.raises(ConfigError, match=r"'ild-ecal' has 27,000 kinds.*'logarithm'"):
        ScoreCells(load_detector("ild-ecal"))
