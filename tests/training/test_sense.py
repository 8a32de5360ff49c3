"""Senseless combinations are refused with the reason; sensible ones are not."""

import itertools

import pytest
from pydantic import ValidationError

from phys_gan.errors import ConfigError
from phys_gan.losses import LOSSES
from phys_gan.networks import CompactConfig
from phys_gan.training import Recipe, load_recipe

CLIP, GRADIENT = "method.penalties.clipping.limit=0.01", "method.penalties.gradient.weight=10"
SPECTRAL = "method.techniques.spectral.discriminator=true"


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (
            ["method.loss=wasserstein", CLIP, GRADIENT, "network.d_norm=batch"],
            "bound the critic twice",
        ),
        (
            ["method.loss=wasserstein", CLIP, "method.penalties.r1.weight=1"],
            "'r1' bound the critic",
        ),
        (["method.loss=wasserstein", CLIP, SPECTRAL], "spectral normalisation bound the critic"),
        (["method.loss=hinge", CLIP], "weight clipping belongs to the Wasserstein loss"),
        (["method.loss=wasserstein"], "grows without bound.*method.penalties.gradient.weight"),
        ([GRADIENT, "network.d_norm=batch"], "depends on the whole batch .*1704.00028"),
        ([SPECTRAL, "network.d_norm=layer"], "undo that"),
        (["method.loss=hinge", "method.techniques.label_smoothing.real=0.9"], "has no label"),
        (["method.techniques.unrolling.steps=2", GRADIENT], "third derivatives"),
        (["method.loss=wasserstein", CLIP, "method.techniques.unrolling.steps=2"], "no derivative"),
        (
            ["method.techniques.unrolling.steps=2", "method.techniques.feature_matching.weight=1"],
            "feature matching replaces",
        ),
        (["network.kind=autoencoder"], "do not go together; choose method.kind = 'variational'"),
        (["method.kind=cycle"], "do not go together; choose network.kind = 'translator'"),
        (["method.techniques.packing.m=3"], "do not divide into packs of 3"),
        (["method.techniques.packing.m=2", "network.d_norm=batch"], "mixes the packs"),
    ],
)
def test_refused(overrides, words):
    with pytest.raises(ConfigError, match=words):
        load_recipe("toy-ring", overrides)


def test_refused_at_construction_in_python_too():
    recipe = load_recipe("toy-ring").model_dump()
    recipe["method"]["loss"] = "wasserstein"
    with pytest.raises(ValidationError, match="grows without bound"):
        Recipe.model_validate(recipe)


@pytest.mark.parametrize(
    ("loss", "penalty"), list(itertools.product(LOSSES, ["r1", "r2", "gradient", "dragan"]))
)
def test_gradient_penalties_go_with_every_loss(loss, penalty):
    load_recipe("toy-ring", [f"method.loss={loss}", f"method.penalties.{penalty}.weight=1.0"])


def test_another_kind_begins_its_section_anew():
    for overrides in (
        ["network.kind=compact", "network.width=16"],
        ["network.width=16", "network.kind=compact"],
    ):
        assert load_recipe("toy-ring", overrides).network == CompactConfig(width=16)
