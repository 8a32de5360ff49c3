"""The contract of every pair of networks, on every kind of detector that it is for."""

import numpy as np
import pytest
import torch
from safetensors.torch import load, save

from phys_gan.detectors import CartesianLayer, Detector, load_detector
from phys_gan.networks import (
    AutoencoderConfig,
    CaloganConfig,
    CompactConfig,
    DcganConfig,
    HeadConfig,
    MlpConfig,
    ProgressiveConfig,
    SaganConfig,
    Sizes,
    StyleGanConfig,
    build_discriminator,
    build_generator,
)

BOX = Detector(
    name="box",
    layers=[
        CartesianLayer(name=str(k), z=(k, k + 1), x=tuple(range(11)), y=tuple(range(7)))
        for k in range(3)
    ],
)

SMALL = CompactConfig(latent=8, width=16, depth=1, d_width=16, d_depth=1)
STAGED = AutoencoderConfig(
    latent=8, width=16, depth=1, neighbours=5, e_width=16, e_depth=1, d_width=16, d_dropout=0
)
PAIRS = {
    "autoencoder": (STAGED, "calogan", 3, 2),
    "autoencoder, polar": (STAGED, "calochallenge-2", 45, 2),
    "compact": (SMALL, "calogan", 3, 2),
    "compact, polar": (SMALL, "calochallenge-2", 45, 2),
    "compact, rings": (SMALL, "calochallenge-1-photons", 5, 2),
    "calogan": (CaloganConfig(), "calogan", 0, 1),
    **{
        f"{config.kind}, {where}": (config, *sizes)
        for config in (
            DcganConfig(latent=8, width=4, d_width=4),
            SaganConfig(latent=8, width=8, d_width=8),
            StyleGanConfig(latent=8, style=8, width=4, d_width=4),
            ProgressiveConfig(latent=8, width=4, d_width=4),
        )
        for where, sizes in {
            "image": ("galaxies-32", 0, 3),
            "polar": ("calochallenge-2", 45, 2),
            "cartesian": ("box", 3, 2),
        }.items()
    },
    "mlp": (MlpConfig(latent=4, width=16, d_width=16), "toy-grid", 0, 1),
    "mlp, layer": (MlpConfig(width=16, d_width=16, norm="layer", d_norm="layer"), "toy-grid", 0, 1),
    "mlp, batch": (MlpConfig(width=16, d_width=16, norm="batch", d_norm="batch"), "toy-grid", 0, 1),
    "mlp, virtual batch": (
        MlpConfig(
            width=16, d_width=16, norm="virtual-batch", d_norm="virtual-batch", virtual_batch=8
        ),
        "toy-grid",
        0,
        1,
    ),
}
HEADS = {
    "auxiliary": HeadConfig(conditioning=("auxiliary",)),
    "concatenation": HeadConfig(conditioning=("concatenation",)),
    "projection": HeadConfig(conditioning=("projection",), minibatch="spread"),
    "discrimination": HeadConfig(minibatch="discrimination"),
    "packs of 2": HeadConfig(pack=2),
}


GROWING = (45_000, 105_000, 165_000)
"""Events shown when a progressive network fades its sizes in."""


@pytest.fixture(params=PAIRS)
def pair(request):
    config, name, n_globals, n_conditions = PAIRS[request.param]
    torch.manual_seed(0)
    detector = BOX if name == "box" else load_detector(name)
    sizes = Sizes(n_globals, detector.n_cells, n_conditions)
    head = HeadConfig(conditioning=("projection",)) if config.kind == "calogan" else None
    generator = build_generator(config, detector, sizes)
    return generator, build_discriminator(config, detector, sizes, head), sizes


def data(sizes, n=6):
    x = torch.cat([torch.randn(n, sizes.n_globals), torch.rand(n, sizes.n_cells)], dim=1)
    return x, torch.rand(n, sizes.n_conditions)


def test_shapes(pair):
    generator, discriminator, sizes = pair
    x, c = data(sizes)
    generator.adapt(x, c)
    discriminator.adapt(x, c)
    generated = generator(torch.randn(6, generator.latent), c)
    assert generated.shape == x.shape
    assert discriminator.logits(generated, c).shape == (6,)


def test_gradients_reach_every_parameter(pair):
    generator, discriminator, sizes = pair
    _, c = data(sizes)
    with torch.no_grad():
        # Zero-initialised weights pass no gradient on before their first step.
        for parameter in [*generator.parameters(), *discriminator.parameters()]:
            parameter.add_(0.01 * torch.randn_like(parameter))
    z = torch.randn(6, generator.latent)
    for shown in GROWING if hasattr(generator, "grown") else (0,):
        generator.grow(shown)
        discriminator.grow(shown)
        discriminator.logits(generator(z, c), c).square().sum().backward()
    for network in (generator, discriminator):
        for name, parameter in network.named_parameters():
            assert parameter.grad is not None, name
            assert torch.isfinite(parameter.grad).all(), name
            assert parameter.grad.abs().sum() > 0, name


def test_conditions_matter(pair):
    generator, discriminator, sizes = pair
    x, c = data(sizes)
    z = torch.randn(6, generator.latent)
    generator.eval()
    assert not torch.equal(generator(z, c), generator(z, c / 2))
    assert not torch.equal(discriminator.logits(x, c), discriminator.logits(x, c / 2))


def test_evaluation_treats_each_event_alone(pair):
    generator, _, sizes = pair
    _, c = data(sizes)
    z = torch.randn(6, generator.latent)
    generator.eval()
    np.testing.assert_allclose(
        generator(z, c)[:2].detach(), generator(z[:2], c[:2]).detach(), rtol=1e-4, atol=1e-4
    )


def test_the_same_latents_give_the_same_events(pair):
    generator, _, sizes = pair
    _, c = data(sizes)
    z = torch.randn(6, generator.latent)
    generator.eval()
    assert torch.equal(generator(z, c), generator(z, c))
    assert not torch.equal(generator(z, c), generator(torch.randn(6, generator.latent), c))


def test_what_is_saved_generates_the_same(pair, request):
    generator, _, sizes = pair
    x, c = data(sizes)
    generator.adapt(x, c)
    z = torch.randn(6, generator.latent)
    generator.grow(20_000)
    config, name, *_ = PAIRS[request.node.callspec.params["pair"]]
    again = build_generator(config, BOX if name == "box" else load_detector(name), sizes)
    again.load_state_dict(load(save(generator.state_dict())))
    with torch.no_grad():
        assert torch.equal(generator.eval()(z, c), again.eval()(z, c))


def test_the_generator_can_be_exported(pair):
    generator, _, sizes = pair
    x, c = data(sizes)
    generator.adapt(x, c)
    generator.eval()
    batch = torch.export.Dim("batch")
    program = torch.export.export(
        generator,
        (torch.randn(6, generator.latent), c),
        dynamic_shapes=({0: batch}, {0: batch}),
    )
    z = torch.randn(4, generator.latent)
    with torch.no_grad():
        torch.testing.assert_close(
            program.module()(z, c[:4]), generator(z, c[:4]), rtol=1e-4, atol=1e-5
        )
