"""The variational method: its bound in closed form, that it resumes exactly, that it learns."""

import math

import pytest
import torch
from torch import nn
from torch.distributions import MultivariateNormal, Normal, kl_divergence

import phys_gan as pg
from phys_gan.errors import ConfigError
from phys_gan.training.loop import train
from phys_gan.training.methods import VariationalConfig
from phys_gan.training.methods.variational import Elbo
from phys_gan.validation import physics_score
from phys_gan.workflows import demo_sample

GEANT4 = pg.read(demo_sample())[:300]
SMALL = [
    "network.latent=4",
    "network.width=16",
    "network.depth=1",
    "network.e_width=16",
    "network.e_depth=1",
    "training.batch_size=64",
    "training.events=640",
    "training.report_every=320",
    "training.decay=none",
]


class LinearGaussian(nn.Module):
    """x = W code + b + sigma noise, whose evidence and posterior are Gaussians too."""

    def __init__(self):
        super().__init__()
        # Orthogonal columns: the posterior of the code is diagonal.
        self.weight = torch.tensor([[1.0, 1.0], [1.0, -1.0], [0.5, 0.0], [0.0, 0.0]]).double()
        self.weight[2, 0] = 0.0
        self.weight[3] = 0.0
        self.weight = self.weight * torch.tensor([1.5, 0.4]).double()
        self.shift = torch.tensor([0.3, -1.0, 2.0, 0.1]).double()
        self.sigma = 0.7
        self.censored = torch.zeros(4, dtype=torch.bool)

    def likelihood(self, code, c, x):
        mean = code @ self.weight.T + self.shift
        return mean, torch.full_like(mean, math.log(self.sigma))

    def posterior(self, x):
        precision = 1 + self.weight.square().sum(0) / self.sigma**2
        mean = (x - self.shift) @ self.weight / self.sigma**2 / precision
        return mean, -precision.log().expand_as(mean)

    def evidence(self, x):
        covariance = self.weight @ self.weight.T + self.sigma**2 * torch.eye(4).double()
        return MultivariateNormal(self.shift, covariance).log_prob(x)


class Posterior(nn.Module):
    def __init__(self, model, offset):
        super().__init__()
        self.model, self.offset = model, offset

    def forward(self, x, c):
        mean, log_variance = self.model.posterior(x)
        return mean + self.offset, log_variance + self.offset


def bound(model, offset, x):
    """Average the bound over the noise: exact with one point at +-1, for it is quadratic."""
    evidence = Elbo(Posterior(model, offset), model)
    corners = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0]).double()] * 2)
    terms = [evidence(x, x[:, :0], corner.expand(len(x), 2)) for corner in corners]
    return sum(reconstruction - kl for reconstruction, kl in terms) / len(corners)


def test_with_the_exact_posterior_the_bound_is_the_evidence():
    model, x = LinearGaussian(), torch.randn(20, 4).double()
    torch.testing.assert_close(bound(model, 0.0, x), model.evidence(x))


def test_the_gap_is_the_divergence_from_the_posterior():
    model, x, offset = LinearGaussian(), torch.randn(20, 4).double(), 0.5
    mean, log_variance = model.posterior(x)
    gap = kl_divergence(
        Normal(mean + offset, ((log_variance + offset) / 2).exp()),
        Normal(mean, (log_variance / 2).exp()),
    ).sum(1)
    torch.testing.assert_close(bound(model, offset, x), model.evidence(x) - gap)


def run(out, *overrides, **options):
    recipe = pg.load_recipe("vae-showers", [*SMALL, *overrides])
    return train(recipe, GEANT4[:200], GEANT4[200:], out, lambda a, b: 0.5, **options)


def test_what_is_reported(tmp_path):
    lines = []
    run(tmp_path, report=lambda shown, line: lines.append(dict(line)) if line else None)
    for line in lines:
        assert line["loss"] == pytest.approx(line["kl"] - line["reconstruction"], rel=1e-5)
        assert line["kl"] >= 0
        assert line["gradient_norm_g"] > 0
        assert 0 < line["diversity"] < 2
    assert lines[1]["loss"] < lines[0]["loss"]


def test_resuming_gives_the_uninterrupted_run(resumes_exactly):
    resumes_exactly(run, at=448)


def test_the_model_generates_as_it_was_saved(generates_as_saved):
    generates_as_saved(run)


def test_the_weight_of_the_divergence(tmp_path):
    lines = []
    run(
        tmp_path,
        "method.kl_weight=2.0",
        report=lambda shown, line: lines.append(dict(line)) if line else None,
    )
    for line in lines:
        assert line["loss"] == pytest.approx(2 * line["kl"] - line["reconstruction"], rel=1e-5)


def test_other_networks_are_refused(tmp_path):
    recipe = pg.load_recipe("showers", ["training.batch_size=64"])
    recipe = recipe.model_copy(update={"method": VariationalConfig()})
    with pytest.raises(ConfigError, match=r"'compact' have no likelihood.*'autoencoder'"):
        train(recipe, GEANT4[:200], GEANT4[200:], tmp_path, lambda a, b: 0.5)


def test_it_learns_showers(tmp_path):
    lines = []
    train(
        pg.load_recipe(
            "vae-showers",
            ["network.width=64", "network.e_width=64", "training.batch_size=64",
             "training.events=25_600", "training.report_every=1_280",
             "training.ema_half_life=2_000"],
        ),
        GEANT4[:200],
        GEANT4[200:],
        tmp_path,
        physics_score,
        report=lambda shown, line: lines.append(dict(line)) if line else None,
    )  # fmt: skip
    scores = [line["score"] for line in lines]
    assert min(scores) < 0.7 * scores[0]
    assert min(scores) < 0.25
