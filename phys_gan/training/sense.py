"""Combinations that cannot work, refused with the reason before anything runs."""

from __future__ import annotations

from collections.abc import Iterator

from phys_gan.networks import ARCHITECTURES, DcganConfig, MlpConfig, NetworkConfig, StackedConfig
from phys_gan.objectives import LOSSES
from phys_gan.training.methods import AnyMethodConfig, GameConfig
from phys_gan.training.schedule import TrainingConfig

__all__ = ["nonsense"]


def nonsense(
    network: NetworkConfig, method: AnyMethodConfig, training: TrainingConfig
) -> str | None:
    """Return why this combination cannot work, with what to change; None when it can."""
    reasons = [*_partners(network, method)]
    if isinstance(method, GameConfig):
        reasons += [*_batches(network, method, training), *_bounds(network, method)]
        reasons += _goals(method)
    return reasons[0] if reasons else None


def _partners(network: NetworkConfig, method: AnyMethodConfig) -> Iterator[str]:
    """Say which networks and method are not made for each other."""
    wanted = ARCHITECTURES[network.kind].methods
    networks = {method: kind for kind, pair in ARCHITECTURES.items() for method in pair.methods}
    if (wanted or method.kind in networks) and method.kind not in wanted:
        remedy = (
            f"choose method.kind = {' or '.join(map(repr, wanted))}"
            if wanted
            else f"choose network.kind = '{networks[method.kind]}'"
        )
        yield (
            f"the networks '{network.kind}' and the method '{method.kind}' do not go together; "
            f"{remedy}"
        )


def _bounds(network: NetworkConfig, game: GameConfig) -> Iterator[str]:
    """Say what does not keep the discriminator smooth, or twice."""
    penalties, spectral = game.penalties, game.techniques.spectral
    normalised = spectral is not None and spectral.discriminator
    names = penalties.of_gradients
    per_event = [name for name in names if name in ("gradient", "dragan")]
    if penalties.clipping and names:
        yield (
            f"weight clipping and the gradient penalty '{names[0]}' bound the critic twice: "
            "clipped weights keep it from the slope that the penalty asks for; leave out one"
        )
    if penalties.clipping and normalised:
        yield (
            "weight clipping and spectral normalisation bound the critic twice: normalised weights "
            "have no size of their own to clip; leave out one of them"
        )
    if penalties.clipping and LOSSES[game.loss].bounded:
        yield (
            f"weight clipping belongs to the Wasserstein loss, whose critic it bounds; with the "
            f"loss '{game.loss}' it only keeps the discriminator from a judgement; leave out "
            "method.penalties.clipping, or choose method.loss = 'wasserstein'"
        )
    if not LOSSES[game.loss].bounded and not (penalties.clipping or names or normalised):
        yield (
            f"the critic of the loss '{game.loss}' grows without bound when nothing makes it "
            "Lipschitz; add method.penalties.gradient.weight = 10, method.penalties.clipping.limit "
            "= 0.01 or method.techniques.spectral.discriminator = true"
        )
    norm = _norm(network)
    if per_event and norm == "batch":
        yield (
            f"the penalty '{per_event[0]}' is on the gradient at single events, but with batch "
            "normalisation in the discriminator a judgement depends on the whole batch "
            "(arXiv:1704.00028, Sec. 4); choose network.d_norm = 'layer' or 'none'"
        )
    if normalised and norm != "none":
        yield (
            "spectral normalisation bounds each layer, and the norms between them undo that by "
            "rescaling; choose network.d_norm = 'none'"
        )


def _goals(game: GameConfig) -> Iterator[str]:
    """Say where the players want what they cannot have."""
    techniques, loss = game.techniques, LOSSES[game.loss]
    if techniques.label_smoothing is not None and not loss.smooth:
        yield (
            f"the loss '{game.loss}' has no label that could be smoothed; leave out "
            "method.techniques.label_smoothing, or choose the loss 'non-saturating', 'minimax' or "
            "'least-squares'"
        )
    if techniques.unrolling is not None and game.penalties.of_gradients:
        yield (
            "unrolling differentiates through the discriminator's steps, and gradient penalties in "
            "them would need third derivatives; leave out method.penalties or the unrolling"
        )
    if techniques.unrolling is not None and game.penalties.clipping is not None:
        yield (
            "unrolling differentiates through the discriminator's steps, and clipped weights have "
            "no derivative; leave out the clipping or the unrolling"
        )
    matching = techniques.feature_matching
    if matching is not None and matching.replace and techniques.unrolling is not None:
        yield (
            "unrolling changes the adversarial loss of the generator, which feature matching "
            "replaces; set method.techniques.feature_matching.replace = false, or leave out one"
        )


def _batches(network: NetworkConfig, game: GameConfig, training: TrainingConfig) -> Iterator[str]:
    """Say what a batch cannot be."""
    packing = game.techniques.packing
    if packing is not None and training.batch_size % packing.m:
        yield (
            f"batches of {training.batch_size} events do not divide into packs of {packing.m}; "
            "choose a multiple for training.batch_size"
        )
    if packing is not None and _norm(network) == "batch":
        yield (
            "batch normalisation mixes the packs that packing keeps apart; choose "
            "network.d_norm = 'layer' or 'none'"
        )


def _norm(network: NetworkConfig) -> str:
    """Return the normalisation in the discriminator."""
    if isinstance(network, StackedConfig):
        network = network.energies
    return network.d_norm if isinstance(network, MlpConfig | DcganConfig) else "none"
