"""Spectral normalisation of any network, put on for training and baked in afterwards."""

from __future__ import annotations

import copy
from typing import TypeVar, cast

from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm
from torch.nn.utils.parametrize import is_parametrized, type_before_parametrizations

__all__ = ["baked", "normalise_spectrally"]

_M = TypeVar("_M", bound=nn.Module)
_KINDS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose2d)


def normalise_spectrally(network: nn.Module) -> None:
    r"""Divide the weight of every linear and convolutional layer by its largest singular value.

    .. math:: \bar W = W / \sigma(W)

    With activations of slope at most 1, a chain of such layers is 1-Lipschitz. The singular
    value follows by one power iteration at each forward pass in training.

    References:
        Spectral Normalization for Generative Adversarial Networks (Miyato et al., 2018), Eq. 8
        and Algorithm 1, https://arxiv.org/abs/1802.05957; for the generator as well, Self-Attention
        Generative Adversarial Networks (Zhang et al., 2018), Sec. 4.1,
        https://arxiv.org/abs/1805.08318
    """
    for module in network.modules():
        if isinstance(module, _KINDS):
            if not module.weight.any():
                # Zeros have no singular vectors: a layer that starts as nothing starts at random.
                module.reset_parameters()
            spectral_norm(module)


def baked(network: _M) -> _M:
    """Return a copy with plain weights that does the same in evaluation."""
    plain = copy.deepcopy(network).eval()
    for module in plain.modules():
        if is_parametrized(module, "weight"):
            # Not remove_parametrizations, which takes the weight from the class that a copy shares.
            weight = cast("Tensor", module.weight).detach().clone()
            module.__class__ = type_before_parametrizations(module)
            del module.parametrizations
            module.register_parameter("weight", nn.Parameter(weight))
    return plain.requires_grad_(False)
