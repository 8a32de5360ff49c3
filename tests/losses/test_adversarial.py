"""Adversarial losses: closed values, plain formulas, gradients, symmetries, large logits."""

import math

import pytest
import torch

from phys_gan.errors import ConfigError, DataError
from phys_gan.losses import (
    LOSSES,
    hinge_discriminator,
    hinge_generator,
    non_saturating_discriminator,
    non_saturating_generator,
    register_loss,
    value,
)

LN2 = math.log(2)
SMOOTH = ["minimax", "non-saturating", "least-squares"]
RELATIVISTIC = ["relativistic", "relativistic-average"]


@pytest.fixture
def logits():
    random = torch.Generator().manual_seed(1)
    return torch.randn(2, 9, generator=random, dtype=torch.float64) * 2


def D(t):
    return 1 / (1 + torch.exp(-t))


def log(t):
    return torch.log(t)


# The formulas as the papers print them, which overflow where the package's do not.
DISCRIMINATOR = {
    "minimax": lambda r, f: -log(D(r)).mean() - log(1 - D(f)).mean(),
    "non-saturating": lambda r, f: -log(D(r)).mean() - log(1 - D(f)).mean(),
    "least-squares": lambda r, f: ((r - 1) ** 2).mean() / 2 + (f**2).mean() / 2,
    "wasserstein": lambda r, f: -(r.mean() - f.mean()),
    "hinge": lambda r, f: (
        torch.where(r < 1, 1 - r, 0).mean() + torch.where(f > -1, 1 + f, 0).mean()
    ),
    "relativistic": lambda r, f: -log(D(r - f)).mean(),
    "relativistic-average": lambda r, f: (
        -log(D(r - f.mean())).mean() - log(1 - D(f - r.mean())).mean()
    ),
}
GENERATOR = {
    "minimax": lambda r, f: log(1 - D(f)).mean(),
    "non-saturating": lambda r, f: -log(D(f)).mean(),
    "least-squares": lambda r, f: ((f - 1) ** 2).mean() / 2,
    "wasserstein": lambda r, f: -f.mean(),
    "hinge": lambda r, f: -f.mean(),
    "relativistic": lambda r, f: -log(D(f - r)).mean(),
    "relativistic-average": lambda r, f: (
        -log(D(f - r.mean())).mean() - log(1 - D(r - f.mean())).mean()
    ),
}


def test_the_registry():
    assert set(LOSSES) == set(DISCRIMINATOR) == set(GENERATOR)
    assert all(loss.name == name for name, loss in LOSSES.items())
    assert [name for name, loss in LOSSES.items() if loss.smooth] == SMOOTH
    assert [name for name, loss in LOSSES.items() if loss.relativistic] == RELATIVISTIC
    assert [name for name, loss in LOSSES.items() if not loss.bounded] == ["wasserstein"]


def test_a_name_is_taken_once():
    with pytest.raises(ConfigError, match="the loss 'hinge' exists already; choose another name"):
        register_loss("hinge", hinge_discriminator, reference="lim2017geometric")(hinge_generator)


@pytest.mark.parametrize(
    ("name", "discriminator", "generator"),
    [
        ("minimax", 2 * LN2, -LN2),
        ("non-saturating", 2 * LN2, LN2),
        ("least-squares", 0.5, 0.5),
        ("wasserstein", 0, 0),
        ("hinge", 2, 0),
        ("relativistic", LN2, LN2),
        ("relativistic-average", 2 * LN2, 2 * LN2),
    ],
)
def test_at_logit_zero(name, discriminator, generator):
    zero = torch.zeros(7)
    assert LOSSES[name].discriminator(zero, zero).item() == pytest.approx(discriminator)
    assert LOSSES[name].generator(zero, zero).item() == pytest.approx(generator)


def test_least_squares_at_its_optimum():
    half = torch.full((7,), 0.5)
    assert LOSSES["least-squares"].discriminator(half, half).item() == pytest.approx(1 / 4)
    assert LOSSES["least-squares"].generator(half, half).item() == pytest.approx(1 / 8)


@pytest.mark.parametrize("name", LOSSES)
def test_against_the_printed_formula(name, logits):
    real, fake = logits
    loss = LOSSES[name]
    torch.testing.assert_close(loss.discriminator(real, fake), DISCRIMINATOR[name](real, fake))
    torch.testing.assert_close(loss.generator(fake, real), GENERATOR[name](real, fake))


@pytest.mark.parametrize("name", sorted(set(LOSSES) - {"relativistic"}))
def test_samples_may_differ_in_size(name, logits):
    real, fake = logits[0], logits[1][:4]
    loss = LOSSES[name]
    torch.testing.assert_close(loss.discriminator(real, fake), DISCRIMINATOR[name](real, fake))


def test_pairs_need_equal_numbers(logits):
    real, fake = logits
    with pytest.raises(DataError, match="9 real and 1 generated events do not form pairs"):
        LOSSES["relativistic"].discriminator(real, fake[:1])


@pytest.mark.parametrize("name", LOSSES)
def test_gradients(name, logits):
    real, fake = (side.clone().requires_grad_() for side in logits)
    loss = LOSSES[name]
    assert torch.autograd.gradcheck(lambda r, f: loss.discriminator(r, f, 0.9), (real, fake))
    assert torch.autograd.gradcheck(lambda f, r: loss.generator(f, r), (fake, real))


@pytest.mark.parametrize("name", ["minimax", "non-saturating"])
def test_smoothed_cross_entropy(name, logits):
    real, fake = logits
    expected = -(0.9 * log(D(real)) + 0.1 * log(1 - D(real))).mean() - log(1 - D(fake)).mean()
    torch.testing.assert_close(LOSSES[name].discriminator(real, fake, 0.9), expected)


def test_smoothed_least_squares(logits):
    real, fake = logits
    expected = ((real - 0.9) ** 2).mean() / 2 + (fake**2).mean() / 2
    torch.testing.assert_close(LOSSES["least-squares"].discriminator(real, fake, 0.9), expected)


@pytest.mark.parametrize(
    ("name", "best"),
    [
        # For p = q the best D is alpha p / (p + q) = 0.45; a logit, or D itself.
        ("minimax", math.log(0.45 / 0.55)),
        ("non-saturating", math.log(0.45 / 0.55)),
        ("least-squares", 0.45),
    ],
)
def test_smoothed_best_discriminator(name, best):
    logit = torch.full((1,), best, dtype=torch.float64, requires_grad=True)
    LOSSES[name].discriminator(logit, logit, 0.9).backward()
    assert logit.grad.item() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("name", sorted(set(LOSSES) - set(SMOOTH)))
def test_hard_labels_stay_hard(name, logits):
    loss = LOSSES[name].discriminator
    assert torch.equal(loss(*logits, real_label=0.9), loss(*logits))


@pytest.mark.parametrize("name", LOSSES)
def test_only_relativistic_generators_look_at_real_events(name, logits):
    real, fake = (side.clone().requires_grad_() for side in logits)
    LOSSES[name].generator(fake, real).backward()
    assert (real.grad is not None) == LOSSES[name].relativistic


@pytest.mark.parametrize("name", RELATIVISTIC)
def test_relativistic_losses_are_antisymmetric(name, logits):
    real, fake = logits
    loss = LOSSES[name]
    torch.testing.assert_close(loss.generator(fake, real), loss.discriminator(fake, real))
    assert loss.generator(fake, real).item() != pytest.approx(loss.discriminator(real, fake).item())


@pytest.mark.parametrize("name", [*RELATIVISTIC, "wasserstein"])
def test_a_common_shift_of_logits_changes_nothing(name, logits):
    real, fake = logits
    loss = LOSSES[name]
    torch.testing.assert_close(
        loss.discriminator(real + 3, fake + 3), loss.discriminator(real, fake)
    )


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("signs", [(1, 1), (1, -1), (-1, 1), (-1, -1)])
def test_large_logits_stay_finite(name, signs):
    real, fake = (torch.full((3,), 1e4 * sign, requires_grad=True) for sign in signs)
    loss = LOSSES[name]
    total = loss.discriminator(real, fake, 0.9) + loss.generator(fake, real)
    total.backward()
    assert torch.isfinite(total)
    assert torch.isfinite(real.grad).all()
    assert torch.isfinite(fake.grad).all()


def test_where_gradients_saturate():
    # For events that are surely generated, the non-saturating loss pulls and minimax does not.
    logits = torch.full((1,), -30.0, requires_grad=True)
    pull = {}
    for name in ("minimax", "non-saturating"):
        loss = LOSSES[name].generator(logits, torch.zeros(1))
        (gradient,) = torch.autograd.grad(loss, logits)
        pull[name] = gradient.item()
    assert pull["non-saturating"] == pytest.approx(-1, abs=1e-6)
    assert pull["minimax"] == pytest.approx(0, abs=1e-6)


def test_value_of_the_game(logits):
    real, fake = logits
    torch.testing.assert_close(value(real, fake), log(D(real)).mean() + log(1 - D(fake)).mean())
    assert value(torch.zeros(3), torch.zeros(5)).item() == pytest.approx(-2 * LN2)


def test_optimal_discriminator_measures_the_js_divergence():
    # At the optimum D = p/(p+q): V = 2 JS - 2 ln 2 (Goodfellow et al. 2014, Theorem 1).
    random = torch.Generator().manual_seed(1)
    p = torch.distributions.Normal(0.0, 1.0)
    q = torch.distributions.Normal(1.0, 1.0)
    x, y = torch.randn(2, 200_000, generator=random, dtype=torch.float64)
    y = y + 1
    logit = [p.log_prob(s) - q.log_prob(s) for s in (x, y)]
    grid = torch.linspace(-8, 9, 20_001, dtype=torch.float64)
    a, b = p.log_prob(grid).exp(), q.log_prob(grid).exp()
    js = 0.5 * torch.trapezoid(
        a * torch.log(2 * a / (a + b)) + b * torch.log(2 * b / (a + b)), grid
    )
    assert value(*logit).item() == pytest.approx(2 * js.item() - 2 * LN2, abs=5e-3)
    assert non_saturating_discriminator(*logit).item() == pytest.approx(-value(*logit).item())


def test_functions_of_one_argument_remain():
    assert non_saturating_generator(torch.zeros(7)).item() == pytest.approx(LN2)
