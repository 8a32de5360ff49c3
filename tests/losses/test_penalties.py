"""Gradient penalties against finite differences; matching, cycles and the past by hand."""

import pytest
import torch

from phys_gan.errors import DataError, RangeError
from phys_gan.losses import (
    clip_weights,
    cycle_consistency,
    feature_matching,
    gradient_norms,
    historical_distance,
    identity,
    interpolates,
    one_centred,
    perturbed,
    r1,
    r2,
)

PENALTIES = {
    "r1": (r1, lambda norms: norms.square().mean() / 2),
    "r2": (r2, lambda norms: norms.square().mean() / 2),
    "one-centred": (one_centred, lambda norms: (norms - 1).square().mean()),
}
SHAPES = [(5, 3), (4, 2, 3)]


@pytest.fixture
def random():
    return torch.Generator().manual_seed(3)


def judge(x, inner, outer):
    """Return the logits of a small smooth discriminator with these weights."""
    return torch.tanh(x.flatten(1) @ inner) @ outer


def setting(shape, random):
    n = torch.Size(shape[1:]).numel()
    inner = torch.randn(n, 4, generator=random, dtype=torch.float64, requires_grad=True)
    outer = torch.randn(4, generator=random, dtype=torch.float64, requires_grad=True)
    x = torch.randn(shape, generator=random, dtype=torch.float64, requires_grad=True)
    return x, inner, outer


def norms_by_differences(x, weights, step=1e-5):
    x = x.detach()
    squares = torch.zeros(len(x), dtype=x.dtype)
    for j in range(x[0].numel()):
        shift = torch.zeros_like(x.flatten(1))
        shift[:, j] = step
        shift = shift.reshape(x.shape)
        squares += ((judge(x + shift, *weights) - judge(x - shift, *weights)) / (2 * step)) ** 2
    return squares.sqrt().detach()


@pytest.mark.parametrize("shape", SHAPES)
def test_gradient_norms_against_finite_differences(shape, random):
    x, *weights = setting(shape, random)
    norms = gradient_norms(x, judge(x, *weights))
    assert norms.shape == (len(x),)
    torch.testing.assert_close(norms, norms_by_differences(x, weights), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("name", PENALTIES)
@pytest.mark.parametrize("shape", SHAPES)
def test_penalties_against_finite_differences(name, shape, random):
    penalty, formula = PENALTIES[name]
    x, *weights = setting(shape, random)
    expected = formula(norms_by_differences(x, weights))
    torch.testing.assert_close(penalty(x, judge(x, *weights)), expected, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("name", PENALTIES)
def test_penalties_are_differentiable_with_respect_to_weights(name, random):
    penalty, _ = PENALTIES[name]
    x, *weights = setting((3, 2), random)

    def of_weights(inner, outer):
        return penalty(x, judge(x, inner, outer))

    assert torch.autograd.gradcheck(of_weights, weights)
    # Twice, for unrolled steps.
    assert torch.autograd.gradgradcheck(of_weights, weights)


def test_r1_of_a_linear_discriminator():
    weight = torch.tensor([3.0, 4.0], requires_grad=True)
    x = torch.randn(9, 2, requires_grad=True)
    penalty = r1(x, x @ weight)
    assert penalty.item() == pytest.approx(12.5)
    penalty.backward()
    torch.testing.assert_close(weight.grad, weight.detach())


def test_one_centred_of_a_linear_discriminator():
    x = torch.randn(9, 2, requires_grad=True)
    assert one_centred(x, x @ torch.tensor([0.6, 0.8])).item() == pytest.approx(0, abs=1e-12)
    assert one_centred(x, x @ torch.tensor([3.0, 4.0])).item() == pytest.approx(16)


def test_packed_events_are_one_point():
    # Two events to a row: the norm is over both.
    x = torch.zeros(4, 2, requires_grad=True)
    packed = x.reshape(2, 4)
    logits = packed @ torch.tensor([1.0, 2.0, 2.0, 4.0])
    torch.testing.assert_close(gradient_norms(packed, logits), torch.full((2,), 5.0))


@pytest.mark.parametrize("name", PENALTIES)
def test_a_flat_discriminator_has_finite_gradients(name):
    weight = torch.zeros(2, requires_grad=True)
    x = torch.randn(9, 2, requires_grad=True)
    penalty = PENALTIES[name][0](x, x @ weight)
    penalty.backward()
    assert penalty.item() == (1 if name == "one-centred" else 0)
    assert torch.isfinite(weight.grad).all()


@pytest.mark.parametrize("shape", [(500, 2), (500, 2, 3)])
def test_interpolates_lie_on_lines(shape, random):
    real = torch.randn(shape, generator=random, dtype=torch.float64)
    fake = torch.randn(shape, generator=random, dtype=torch.float64)
    points = interpolates(real, fake, random)
    share = ((points - fake) / (real - fake)).flatten(1)
    # One number for all coordinates of an event, uniform over events.
    torch.testing.assert_close(share, share[:, :1].expand_as(share))
    assert 0 <= share.min() < 0.02
    assert 0.98 < share.max() <= 1
    assert share[:, 0].mean().item() == pytest.approx(0.5, abs=4 * (1 / 12 / 500) ** 0.5)


def test_interpolates_need_pairs(random):
    with pytest.raises(DataError, match=r"\(3, 2\) and generated events \(1, 2\)"):
        interpolates(torch.zeros(3, 2), torch.zeros(1, 2), random)


def test_perturbed_points_lie_near_real_ones(random):
    real = 10 + 2 * torch.randn(4000, 3, generator=random, dtype=torch.float64)
    shift = (perturbed(real, random, spread=0.5) - real) / real.std(correction=0)
    assert shift.min() >= 0
    assert 0.45 < shift.max() <= 0.5
    # E(u delta) = 1/4; u is common to an event, so its coordinates are correlated.
    assert shift.mean().item() == pytest.approx(0.5 / 4, rel=0.03)
    between = torch.corrcoef(shift.T)[0, 1].item()
    # Var u E(delta)^2 / Var(u delta) = (1/48) / (7/144) = 3/7.
    assert between == pytest.approx(3 / 7, abs=0.05)


def test_points_repeat_with_their_stream():
    real, fake = torch.randn(2, 6, 2)
    for points in (lambda g: interpolates(real, fake, g), lambda g: perturbed(real, g)):
        first, again, other = (points(torch.Generator().manual_seed(s)) for s in (1, 1, 2))
        assert torch.equal(first, again)
        assert not torch.equal(first, other)


def test_clip_weights():
    layer = torch.nn.Linear(20, 20)
    before = [parameter.detach().clone() for parameter in layer.parameters()]
    clip_weights(layer.parameters(), 0.1)
    for parameter, old in zip(layer.parameters(), before, strict=True):
        assert torch.equal(parameter, old.clamp(-0.1, 0.1))
        assert parameter.requires_grad
    assert max(parameter.abs().max().item() for parameter in before) > 0.1


@pytest.mark.parametrize("limit", [0.0, -1.0, float("nan")])
def test_clip_weights_needs_a_positive_limit(limit):
    with pytest.raises(RangeError, match="choose a positive limit"):
        clip_weights([], limit)


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


def test_historical_averaging():
    layer = torch.nn.Linear(3, 2)
    averages = [parameter.detach() + 0.5 for parameter in layer.parameters()]
    distance = historical_distance(layer.parameters(), averages)
    assert distance.item() == pytest.approx(8 * 0.25)
    distance.backward()
    torch.testing.assert_close(layer.weight.grad, torch.full((2, 3), -1.0))


def test_every_parameter_needs_its_average():
    with pytest.raises(ValueError, match="shorter"):
        historical_distance([torch.zeros(2), torch.zeros(2)], [torch.zeros(2)])
