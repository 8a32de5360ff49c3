"""The contract of every pair of networks, and the layers against oracles."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from phys_gan.detectors import load_detector
from phys_gan.errors import ConfigError
from phys_gan.networks import (
    CaloganConfig,
    CompactConfig,
    HeadConfig,
    MlpConfig,
    build_discriminator,
    build_generator,
)
from phys_gan.networks.blocks import (
    LocallyConnected2d,
    MinibatchDiscrimination,
    Standardize,
    minibatch_spread,
)

SMALL = CompactConfig(latent=8, width=16, depth=1, d_width=16, d_depth=1)
PAIRS = {
    "compact": (SMALL, "calogan", 3, 2),
    "compact, polar": (SMALL, "calochallenge-2", 45, 2),
    "compact, rings": (SMALL, "calochallenge-1-photons", 5, 2),
    "calogan": (CaloganConfig(), "calogan", 0, 1),
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


@pytest.fixture(params=PAIRS)
def pair(request):
    config, name, n_globals, n_conditions = PAIRS[request.param]
    torch.manual_seed(0)
    sizes = (load_detector(name), n_globals, n_conditions)
    head = HeadConfig(conditioning=("projection",)) if config.kind == "calogan" else None
    return build_generator(config, *sizes), build_discriminator(config, *sizes, head), sizes


def data(sizes, n=6):
    detector, n_globals, n_conditions = sizes
    x = torch.cat([torch.randn(n, n_globals), torch.rand(n, detector.n_cells)], dim=1)
    return x, torch.rand(n, n_conditions)


def test_shapes(pair):
    generator, discriminator, sizes = pair
    x, c = data(sizes)
    generator.adapt(x, c)
    discriminator.adapt(x, c)
    generated = generator(torch.randn(6, generator.latent), c)
    assert generated.shape == x.shape
    assert discriminator.judge(generated, c).shape == (6,)


def test_gradients_reach_every_parameter(pair):
    generator, discriminator, sizes = pair
    _, c = data(sizes)
    with torch.no_grad():
        # Zero-initialised weights pass no gradient on before their first step.
        for parameter in [*generator.parameters(), *discriminator.parameters()]:
            parameter.add_(0.01 * torch.randn_like(parameter))
    z = torch.randn(6, generator.latent)
    discriminator.judge(generator(z, c), c).square().sum().backward()
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
    assert not torch.equal(discriminator.judge(x, c), discriminator.judge(x, c / 2))


def test_evaluation_treats_each_event_alone(pair):
    generator, _, sizes = pair
    _, c = data(sizes)
    z = torch.randn(6, generator.latent)
    generator.eval()
    np.testing.assert_allclose(
        generator(z, c)[:2].detach(), generator(z[:2], c[:2]).detach(), atol=1e-5
    )


def test_calogan_has_the_published_size():
    sizes = (load_detector("calogan"), 0, 1)
    generator = build_generator(CaloganConfig(), *sizes)
    # Keras counts the moving mean and variance of batch normalisation as parameters.
    moving = sum(b.numel() for name, b in generator.named_buffers() if "running" in name)
    assert sum(p.numel() for p in generator.parameters()) + moving == 29_726_376
    discriminator = build_discriminator(CaloganConfig(), *sizes, HeadConfig(conditioning=()))
    assert sum(p.numel() for p in discriminator.parameters()) == pytest.approx(2.7e6, rel=0.02)


def test_calogan_scales_its_latents_by_the_energy():
    generator = build_generator(CaloganConfig(), load_detector("calogan"), 0, 1).eval()
    z, c = torch.randn(3, 1024), torch.full((3, 1), 0.5)
    assert torch.allclose(generator(z, c), generator(z / 2, 2 * c))
    assert (generator(z, c) >= 0).all()


def test_calogan_starts_without_carrying_over():
    generator = build_generator(CaloganConfig(), load_detector("calogan"), 0, 1)
    own, carried = torch.randn(2, 1, 12, 12), torch.randn(2, 1, 12, 12)
    with torch.no_grad():
        generator.attention[0].weights.weight.zero_()
    np.testing.assert_allclose(generator.attention[0](own, carried).detach(), own, atol=5e-4)


def test_calogan_refuses_what_it_was_not_made_for():
    with pytest.raises(ConfigError, match="3x96"):
        build_generator(CaloganConfig(), load_detector("calochallenge-2"), 0, 1)
    with pytest.raises(ConfigError, match="plain energies"):
        build_generator(CaloganConfig(), load_detector("calogan"), 3, 2)


@pytest.mark.parametrize("stride", [(1, 1), (1, 2), (2, 1)])
def test_locally_connected_with_equal_weights_is_a_convolution(stride):
    layer = LocallyConnected2d((7, 9), 3, 5, (2, 3), stride)
    kernel, bias = torch.randn(5, 3, 2, 3), torch.randn(5)
    with torch.no_grad():
        layer.weight.copy_(kernel.view(5, -1).T.expand_as(layer.weight))
        layer.bias.copy_(bias.expand_as(layer.bias))
    x = torch.randn(4, 3, 7, 9)
    expected = functional.conv2d(x, kernel, bias, stride)
    np.testing.assert_allclose(layer(x).detach(), expected, atol=1e-5)
    assert layer.out_size == expected.shape[2:]


def test_minibatch_discrimination_by_hand():
    layer = MinibatchDiscrimination(2, n_features=1, n_kernel=2)
    with torch.no_grad():
        layer.weight.copy_(torch.eye(2)[:, None, :])
    x = torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 2.0]])
    # L1 distances 1, 3 and 2; each event is at distance 0 from itself.
    expected = 1 + torch.exp(-torch.tensor([[1.0, 3.0], [1.0, 2.0], [3.0, 2.0]])).sum(1)
    np.testing.assert_allclose(layer(x).squeeze(1).detach(), expected, rtol=1e-6)


def test_minibatch_spread_sees_collapse():
    assert minibatch_spread(torch.ones(35, 4)).max() < 2e-3
    spread = minibatch_spread(torch.randn(35, 400))
    assert spread.shape == (35, 1)
    np.testing.assert_allclose(spread, 1.0, atol=0.1)
    assert minibatch_spread(torch.randn(3, 4)).shape == (3, 1)


def test_standardize():
    x = 3 + torch.tensor([0.1, 5.0, 0.0]) * torch.randn(2000, 3)
    layer = Standardize(3)
    layer.adapt(x)
    y = layer(x)
    np.testing.assert_allclose(y.mean(0), 0, atol=1e-4)
    assert y.std(0)[1] == pytest.approx(1, rel=1e-3)
    assert torch.isfinite(y).all()
    np.testing.assert_allclose(layer.inverse(y), x, rtol=1e-4)
