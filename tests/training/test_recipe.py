"""Recipes: the built-in ones, overrides, and what is said about wrong ones."""

import tomllib

import pytest

from phys_gan.errors import ConfigError, MissingError
from phys_gan.losses import LOSSES
from phys_gan.training import load_recipe, recipe_names


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
