"""Cycles, identity, matched features, and the distance from the past."""

import pytest
import torch

from phys_gan.losses import cycle_consistency, feature_matching, historical_distance, identity


@pytest.fixture
def events():
    random = torch.Generator().manual_seed(5)
    return torch.randn(2, 6, 4, generator=random, dtype=torch.float64)


@pytest.mark.parametrize("loss", [cycle_consistency, identity])
def test_translations_are_compared_number_by_number(loss, events):
    x, back = events
    assert loss(x, x).item() == 0
    expected = sum(abs(a - b) for a, b in zip(x.ravel(), back.ravel(), strict=True)) / x.numel()
    torch.testing.assert_close(loss(x, back), expected)
    # The weight of the loss does not depend on how many numbers an event has.
    torch.testing.assert_close(loss(x.repeat(1, 3), back.repeat(1, 3)), loss(x, back))
    assert torch.autograd.gradcheck(lambda b: loss(x, b), back.clone().requires_grad_())


def test_features_are_matched_on_average(events):
    real, fake = events[0], events[1][:3]
    expected = sum((real[:, j].mean() - fake[:, j].mean()) ** 2 for j in range(real.shape[1]))
    torch.testing.assert_close(feature_matching(real, fake), expected)
    assert feature_matching(real, real.flip(0)).item() == pytest.approx(0, abs=1e-24)


def test_only_generated_features_move(events):
    real, fake = (side.clone().requires_grad_() for side in events)
    feature_matching(real, fake).backward()
    assert real.grad is None
    expected = 2 * (fake.mean(0) - real.mean(0)) / len(fake)
    torch.testing.assert_close(fake.grad, expected.detach().expand_as(fake))


def test_distance_from_the_past():
    layer = torch.nn.Linear(3, 2)
    averages = [parameter.detach() + 0.5 for parameter in layer.parameters()]
    distance = historical_distance(layer.parameters(), averages)
    assert distance.item() == pytest.approx(8 * 0.25)
    distance.backward()
    torch.testing.assert_close(layer.weight.grad, torch.full((2, 3), -1.0))


def test_every_parameter_needs_its_average():
    with pytest.raises(ValueError, match="shorter"):
        historical_distance([torch.zeros(2), torch.zeros(2)], [torch.zeros(2)])
