"""The adversarial method: every technique steps, resumes exactly, and does what it says."""

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric

import phys_gan as pg
from phys_gan.encodings import StandardEncoding, build_encoding
from phys_gan.errors import ConfigError
from phys_gan.networks import MlpConfig, Sizes, build_discriminator
from phys_gan.toys import Mixture, optimal_discriminator, optimal_value
from phys_gan.training.methods import AdversarialConfig, Setup, build_method
from phys_gan.training.methods.adversarial import Critic
from phys_gan.training.run import load_checkpoint, save_checkpoint
from phys_gan.training.schedule import TrainingConfig
from phys_gan.workflows import demo_sample

RING = pg.simulate(pg.load_detector("toy-ring"), 256, seed=1)
GEANT4 = pg.read(demo_sample())[:64]
TINY = ["network.latent=2", "network.width=16", "network.d_width=16", "training.batch_size=64"]

TECHNIQUES = {
    "packing": ["method.techniques.packing.m=2"],
    "minibatch": ["method.techniques.minibatch.kind=discrimination"],
    "spread": ["method.techniques.minibatch.kind=spread"],
    "spectral": [
        "method.techniques.spectral.discriminator=true",
        "method.techniques.spectral.generator=true",
    ],
    "unrolling": ["method.techniques.unrolling.steps=2"],
    "feature matching": ["method.techniques.feature_matching.weight=1.0"],
    "matching beside": ["method.techniques.feature_matching.replace=false"],
    "historical": ["method.techniques.historical_averaging.weight=0.1"],
    "smoothing": ["method.techniques.label_smoothing.real=0.9"],
    "noise": ["method.techniques.instance_noise.scale=0.2"],
    "virtual batch": ["network.norm=virtual-batch", "network.d_norm=virtual-batch"],
    "batch": ["network.norm=batch", "network.d_norm=batch"],
    "lazy r1 and r2": ["method.penalties.r1.every=2", "method.penalties.r2.every=3"],
    "wgan": ["method.loss=wasserstein", "method.penalties.clipping.limit=0.05"],
    "wgan-gp": ["method.loss=wasserstein", "method.penalties.gradient.weight=1"],
    "dragan": ["method.penalties.dragan.weight=1"],
    "relativistic": ["method.loss=relativistic", "method.generator_steps=2"],
    "turns": ["method.loss=hinge", "method.discriminator_steps=2"],
    "all that goes together": [
        "method.penalties.r1.weight=0.1",
        "method.techniques.packing.m=4",
        "method.techniques.minibatch.kind=discrimination",
        "method.techniques.spectral.discriminator=true",
        "method.techniques.historical_averaging.weight=0.1",
        "method.techniques.label_smoothing.real=0.9",
        "method.techniques.instance_noise.scale=0.2",
        "method.techniques.feature_matching.replace=false",
    ],
}


def build(recipe, events, seed=0):
    torch.manual_seed(seed)
    encoding = build_encoding(recipe.encoding, events.detector).fit(events)
    x, c = encoding.encode(events)
    fabric, noise = Fabric(accelerator="cpu"), torch.Generator().manual_seed(seed)
    setup = Setup(recipe.network, recipe.training, encoding, fabric, noise, x, c)
    return build_method(recipe.method, setup), x, c


def weights(method):
    return {
        f"{part}.{name}": tensor.clone()
        for part in ("generator", "discriminator")
        for name, tensor in method.state_dict()[part]["network"].items()
    }


@pytest.mark.parametrize("name", TECHNIQUES)
def test_each_technique_steps_and_resumes_exactly(name, tmp_path):
    recipe = pg.load_recipe("toy-ring", [*TINY, *TECHNIQUES[name]])
    method, x, c = build(recipe, RING)
    before = weights(method)
    for k in range(4):
        scalars = method.step(x[64 * k :][:64], c[64 * k :][:64], 1.0, 64 * k)
        assert all(torch.isfinite(value) for value in scalars.values()), scalars
        if k == 1:
            save_checkpoint(tmp_path / "state", method.state_dict())
    after = weights(method)
    for part in ("generator", "discriminator"):
        moved = [n for n in before if n.startswith(part) and not torch.equal(before[n], after[n])]
        assert moved, part
    twin, _, _ = build(recipe, RING, seed=5)
    twin.load_state_dict(load_checkpoint(tmp_path / "state"))
    for k in (2, 3):
        twin.step(x[64 * k :][:64], c[64 * k :][:64], 1.0, 64 * k)
    for key, tensor in weights(twin).items():
        assert torch.equal(tensor, after[key]), key
    inspected = method.inspect(x, c)
    assert inspected["lipschitz"] > 0
    assert inspected["diversity"] > 0


def test_clipped_weights_stay_inside():
    recipe = pg.load_recipe("toy-ring", [*TINY, *TECHNIQUES["wgan"]])
    method, x, c = build(recipe, RING)
    method.step(x[:64], c[:64], 1.0, 0)
    assert (
        max(float(p.detach().abs().max()) for p in method.critic.plain.parameters()) <= 0.05 + 1e-8
    )


def test_the_generator_waits_for_its_turn():
    recipe = pg.load_recipe("toy-ring", [*TINY, "method.discriminator_steps=3"])
    method, x, c = build(recipe, RING)
    turns = ["loss_g" in method.step(x[:64], c[:64], 1.0, 0) for _ in range(6)]
    assert turns == [True, False, False] * 2


@pytest.mark.parametrize("conditioning", ["concatenation", "projection", "auxiliary"])
def test_every_conditioning_tells_the_generator_about_the_energy(conditioning):
    small = ["network.width=16", "network.depth=1", "network.d_width=16", "network.d_depth=1"]
    recipe = pg.load_recipe("showers", [*small, f"method.conditioning=['{conditioning}']"])
    method, x, c = build(recipe, GEANT4)
    for _ in range(2):
        scalars = method.step(x, c, 1.0, 0)
    assert all(torch.isfinite(value) for value in scalars.values())
    with torch.no_grad():
        fake = method._generate(c)
    method.critic.plain.requires_grad_(False)
    asked = c.clone().requires_grad_()
    loss = method.critic.generator_loss(fake, x, asked, 0)
    (slope,) = torch.autograd.grad(loss, asked)
    assert slope.abs().sum() > 0


def test_an_auxiliary_head_needs_conditions():
    recipe = pg.load_recipe("toy-ring", [*TINY, "method.conditioning=['auxiliary']"])
    with pytest.raises(ConfigError, match="no conditions that an auxiliary head could predict"):
        build(recipe, RING)


def test_a_packed_discriminator_sees_that_events_are_alike():
    # Real pairs are independent, generated pairs are equal: single events look the same.
    def accuracy(pack):
        torch.manual_seed(0)
        recipe = pg.load_recipe("toy-ring", [*TINY, "training.lr_d=0.003", *pack])
        method, x, c = build(recipe, RING)
        rows = torch.Generator().manual_seed(3)
        for k in range(250):
            fake = x[torch.randint(len(x), (32,), generator=rows)].repeat_interleave(2, 0)
            real = x[torch.randint(len(x), (64,), generator=rows)]
            scalars = method.critic.update(real, fake, c[:64], step=k, rate=1.0, shown=0)
        return float(scalars["accuracy_real"] + scalars["accuracy_generated"]) / 2

    assert accuracy([]) < 0.7
    assert accuracy(["method.techniques.packing.m=2"]) > 0.9


def test_the_discriminator_of_two_fixed_gaussians_ends_where_theory_says():
    p, q = Mixture([[0.0]], 1.0), Mixture([[1.0]], 1.0)
    encoding = StandardEncoding(pg.load_detector("toy-gaussian"))
    schedule, n = TrainingConfig(lr_d=4e-3, beta1=0.5, beta2=0.999), 512
    torch.manual_seed(0)
    noise, nothing = torch.Generator().manual_seed(0), torch.zeros(n, 0)
    setup = Setup(
        MlpConfig(), schedule, encoding, Fabric(accelerator="cpu"), noise, nothing, nothing
    )
    config, size = AdversarialConfig(conditioning=()), MlpConfig(d_width=32, d_depth=2)
    network = build_discriminator(size, encoding.detector, Sizes.of(encoding), config.head())
    critic = Critic(network, config, setup)
    for step in range(800):
        real, fake = (torch.from_numpy(m.sample(n, 2 * step + k)).float()
                      for k, m in enumerate((p, q)))  # fmt: skip
        critic.update(real, fake, nothing, step=step, rate=schedule.rate(step / 800), shown=0)
    points = np.linspace(-8, 9, 2001)[:, None]
    with torch.no_grad():
        logits = network.logits(torch.from_numpy(points).float(), torch.zeros(2001, 0)).numpy()
    densities = [np.exp(m.log_density(points)) for m in (p, q)]
    seen = sum(densities) > 0.01 * sum(densities).max()
    judged = 1 / (1 + np.exp(-logits))
    np.testing.assert_allclose(judged[seen], optimal_discriminator(p, q, points)[seen], atol=0.03)
    value = sum(
        np.sum(-np.logaddexp(0, sign * logits) * density) * (points[1, 0] - points[0, 0])
        for sign, density in zip((-1, 1), densities, strict=True)
    )
    assert value == pytest.approx(optimal_value(p, q), rel=0.03)
