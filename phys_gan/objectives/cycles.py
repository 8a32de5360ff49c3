"""What ties two translators together when no event has a partner on the other side."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import l1_loss

__all__ = ["cycle_consistency", "identity"]


def cycle_consistency(x: Tensor, back: Tensor) -> Tensor:
    r"""Return how far events are from themselves after a translation there and back.

    .. math:: L = \mathbb{E} \lVert F(G(x)) - x \rVert_1

    for one direction; the full loss adds that of G(F(y)). The norm is a mean over the numbers of
    an event, as in the authors' program, so that its weight does not depend on their count.

    References:
        Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks
        (Zhu et al., 2017), Eq. 2, https://arxiv.org/abs/1703.10593

    Arguments:
        x: Events, (N, ...).
        back: F(G(x)), of the same shape.
    """
    return l1_loss(back, x)


def identity(x: Tensor, same: Tensor) -> Tensor:
    r"""Return how much a translator changes events that need no translation.

    .. math:: L = \mathbb{E} \lVert G(y) - y \rVert_1

    with the same mean as in :func:`cycle_consistency`.

    References:
        Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks
        (Zhu et al., 2017), Sec. 5.2, https://arxiv.org/abs/1703.10593

    Arguments:
        x: Events y of the side that the translator leads to, (N, ...).
        same: G(y), of the same shape.
    """
    return l1_loss(same, x)
