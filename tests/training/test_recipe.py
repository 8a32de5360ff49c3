"""Recipes: the built-in ones, overrides, and which combinations are refused."""

import itertools
import tomllib

import pytest
from pydantic import ValidationError

from phys_gan.errors import ConfigError, MissingError
from phys_gan.losses import LOSSES
from phys_gan.networks import CompactConfig
from phys_gan.training import Recipe, load_recipe, recipe_names


@pytest.mark.parametrize("name", recipe_names())
def test_built_in_recipes_are_valid_and_named_after_their_files(name):
    recipe = load_recipe(name)
    assert recipe.name == name
    assert recipe.description


def test_a_resolved_recipe_reads_back_equal(tmp_path):
    recipe = load_recipe("showers", ["training.lr_d=1e-4", "network.width=32"])
    assert recipe.training.lr_d == 1e-4
    (tmp_path / "mine.toml").write_text(recipe.to_toml())
    assert load_recipe(tmp_path / "mine.toml") == recipe
    assert tomllib.loads(recipe.to_toml())["training"]["batch_size"] == 256


def test_overrides_may_be_texts():
    assert load_recipe("showers", ["training.decay=none"]).training.decay == "none"
    assert load_recipe("showers", ['name="mine"']).name == "mine"


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("training.lr_x=1", "there is no option 'training.lr_x'; nearest: .*lr_g"),
        ("training.lr_d=fast", "training.lr_d = 'fast'.*number"),
        ("training.batch_size=1", "greater than or equal to 2"),
        ("network.kind=transformer", "network"),
        ("method.loss=cross", "method.loss = 'cross': should be one of 'minimax', .*'hinge'"),
        ("training.held_out=1.0", "less than 1"),
        ("lr_d", "'lr_d' is not an override; write section.key=value"),
        ("name.x=1", "'name' in 'name.x=1' is not a section"),
    ],
)
def test_wrong_overrides(override, words):
    with pytest.raises(ConfigError, match=words):
        load_recipe("showers", [override])


def test_a_loss_that_somebody_registered(monkeypatch):
    monkeypatch.setitem(LOSSES, "mine", LOSSES["hinge"])
    assert load_recipe("showers", ["method.loss=mine"]).method.loss == "mine"


def test_unknown_recipe():
    with pytest.raises(
        MissingError, match=r"no recipe .nope.; available: calogan, .*demo, .*showers"
    ):
        load_recipe("nope")


def test_a_recipe_that_is_not_toml(tmp_path):
    path = tmp_path / "bad.toml"
    path.write_text("name = ")
    with pytest.raises(ConfigError, match="is not TOML"):
        load_recipe(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="cannot read the recipe"):
        load_recipe(path)


# Combinations that cannot work

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
