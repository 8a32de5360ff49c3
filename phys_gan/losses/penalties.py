"""Terms that are added to adversarial losses, all without their weights.

Gradient penalties keep a discriminator smooth. They take points (N, ...) that require a gradient
and the discriminator's logits (N,) for them; several events packed into a row are one point. If a
logit depends on other points of the batch (batch normalisation, minibatch discrimination), its
gradient includes them. The others are historical averaging, feature matching, and the two losses of
unpaired translation.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn.functional import l1_loss

from phys_gan.errors import DataError, RangeError


def _gradients(points: Tensor, logits: Tensor) -> Tensor:
    """Return d logit_i / d x_i as differentiable rows (N, F)."""
    (gradients,) = torch.autograd.grad(logits.sum(), points, create_graph=True)
    return gradients.flatten(1)


def gradient_norms(points: Tensor, logits: Tensor) -> Tensor:
    r"""Return :math:`\lVert \nabla_x D(x_i) \rVert_2`, (N,), differentiable by the weights."""
    norms: Tensor = torch.linalg.vector_norm(_gradients(points, logits), dim=1)
    return norms


def r1(points: Tensor, logits: Tensor) -> Tensor:
    r"""Return the zero-centred gradient penalty on real events.

    .. math:: R_1 = \frac{1}{2} \mathbb{E}_{x \sim p} \lVert \nabla_x D(x) \rVert^2

    References:
        Which Training Methods for GANs do actually Converge? (Mescheder et al., 2018), Eq. 9,
        https://arxiv.org/abs/1801.04406

    Example:
        >>> weight, x = torch.tensor([3.0, 4.0]), torch.zeros(7, 2, requires_grad=True)
        >>> print(f"{r1(x, x @ weight):.1f}")
        12.5
    """
    return _gradients(points, logits).square().sum(1).mean() / 2


def r2(points: Tensor, logits: Tensor) -> Tensor:
    """Return the penalty :func:`r1` on generated events (Mescheder et al., 2018, Sec. 4.1)."""
    return r1(points, logits)


def one_centred(points: Tensor, logits: Tensor) -> Tensor:
    r"""Return the gradient penalty that is zero at norm one.

    .. math:: P = \mathbb{E} (\lVert \nabla_x D(x) \rVert_2 - 1)^2

    On :func:`interpolates` it is the penalty of WGAN-GP, on :func:`perturbed` that of DRAGAN.

    References:
        Improved Training of Wasserstein GANs (Gulrajani et al., 2017), Eq. 3,
        https://arxiv.org/abs/1704.00028
    """
    return (gradient_norms(points, logits) - 1).square().mean()


def interpolates(real: Tensor, fake: Tensor, random: torch.Generator) -> Tensor:
    r"""Return points on the straight lines between real and generated events.

    .. math:: \hat{x} = u x + (1 - u) \tilde{x}, \qquad u \sim U(0, 1) \text{ for each event}

    References:
        Improved Training of Wasserstein GANs (Gulrajani et al., 2017), Algorithm 1,
        https://arxiv.org/abs/1704.00028

    Raises:
        DataError: The shapes differ.
    """
    if real.shape != fake.shape:
        raise DataError(
            f"real {tuple(real.shape)} and generated events {tuple(fake.shape)} do not form pairs",
            remedy="give as many generated events as real ones",
            value=tuple(fake.shape),
            constraint=tuple(real.shape),
        )
    return torch.lerp(fake, real, _uniform_per_event(real, random))


def perturbed(real: Tensor, random: torch.Generator, spread: float = 0.5) -> Tensor:
    r"""Return points near real events, where DRAGAN penalises.

    .. math:: \hat{x} = x + u\, s\, \mathrm{std}(x)\, \delta, \qquad u, \delta_j \sim U(0, 1)

    with u for each event, delta for each of its numbers, and one standard deviation for the whole
    batch. This is the form of the authors' program (s = 0.5); the paper's text has normal noise of
    a fixed variance instead.

    References:
        On Convergence and Stability of GANs (Kodali et al., 2017), Sec. 2.5,
        https://arxiv.org/abs/1705.07215, https://github.com/kodalinaveen3/DRAGAN

    Arguments:
        real: Real events, (N, ...).
        random: The random stream, on the device of the events.
        spread: s, the largest perturbation in standard deviations.
    """
    noise = torch.rand(real.shape, generator=random, dtype=real.dtype, device=real.device)
    size = spread * real.std(correction=0)
    return real + _uniform_per_event(real, random) * size * noise


def clip_weights(parameters: Iterable[Tensor], limit: float) -> None:
    """Clip parameters in place to [-limit, limit], which bounds the Lipschitz constant of a critic.

    References:
        Wasserstein GAN (Arjovsky et al., 2017), Algorithm 1, https://arxiv.org/abs/1701.07875

    The limit is 0.01 in the paper.

    Raises:
        RangeError: The limit is not positive.
    """
    if not limit > 0:
        raise RangeError(
            f"weights cannot be clipped to +-{limit}",
            remedy="choose a positive limit, such as 0.01",
            value=limit,
            constraint="> 0",
        )
    with torch.no_grad():
        for parameter in parameters:
            parameter.clamp_(-limit, limit)


def _uniform_per_event(x: Tensor, random: torch.Generator) -> Tensor:
    """Return one uniform number per event, in a shape that multiplies x (N, ...)."""
    shape = (len(x),) + (1,) * (x.dim() - 1)
    return torch.rand(shape, generator=random, dtype=x.dtype, device=x.device)


def historical_distance(parameters: Iterable[Tensor], averages: Iterable[Tensor]) -> Tensor:
    r"""Return the squared distance of parameters from their average over the past.

    .. math:: \Bigl\lVert \theta - \frac{1}{t} \sum_{i=1}^t \theta_i \Bigr\rVert^2

    Gradients flow into the parameters only, not into their averages.

    References:
        Improved Techniques for Training GANs (Salimans et al., 2016), Sec. 3.3,
        https://arxiv.org/abs/1606.03498

    Raises:
        ValueError: There are not as many averages as parameters.
    """
    squares = [
        (parameter - average.detach()).square().sum()
        for parameter, average in zip(parameters, averages, strict=True)
    ]
    return torch.stack(squares).sum()


def feature_matching(real_features: Tensor, fake_features: Tensor) -> Tensor:
    r"""Return the squared distance between mean features of real and generated events.

    .. math:: L_G = \lVert \mathbb{E} f(x) - \mathbb{E} f(G(z)) \rVert_2^2

    with f a hidden layer of the discriminator, (N, ...) for real and (M, ...) for generated events.
    Those of real events are detached: gradients flow through generated events only.

    References:
        Improved Techniques for Training GANs (Salimans et al., 2016), Sec. 3.1,
        https://arxiv.org/abs/1606.03498
    """
    return (real_features.detach().mean(0) - fake_features.mean(0)).square().sum()


def cycle_consistency(x: Tensor, back: Tensor) -> Tensor:
    r"""Return the mean absolute difference of events from their translation there and back.

    .. math:: L = \mathbb{E} \lVert F(G(x)) - x \rVert_1

    for one direction; the full loss adds that of G(F(y)). The norm is a mean over the numbers of
    an event, as in the authors' program, so that its weight does not depend on their count.

    References:
        Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks
        (Zhu et al., 2017), Eq. 2, https://arxiv.org/abs/1703.10593
    """
    return l1_loss(back, x)


def identity(x: Tensor, same: Tensor) -> Tensor:
    r"""Return the mean absolute change of events that need no translation.

    .. math:: L = \mathbb{E} \lVert G(y) - y \rVert_1

    with y from the target of the translator, and the same mean as in :func:`cycle_consistency`.

    References:
        Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks
        (Zhu et al., 2017), Sec. 5.2, https://arxiv.org/abs/1703.10593
    """
    return l1_loss(same, x)
