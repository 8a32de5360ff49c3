"""What to cite for a recipe and for a model."""

import re
from pathlib import Path

import pytest

import phys_gan as pg
from phys_gan.encodings import build_encoding
from phys_gan.errors import ConfigError, DataError, MissingError
from phys_gan.model import Model
from phys_gan.networks import Sizes, build_generator
from phys_gan.references import bibtex, recipe_references
from phys_gan.training import load_recipe, recipe_names
from phys_gan.workflows.exploration import cite

EVENTS = pg.simulate(pg.load_detector("calogan"), 50)


def keys(text: str) -> list[str]:
    return re.findall(r"^@\w+\{(.+),$", text, re.MULTILINE)


def save(path: Path, provenance: dict[str, str]) -> Path:
    """Write a small model that says in its provenance what it used."""
    recipe = load_recipe("showers", ["network.latent=4", "network.width=8", "network.depth=1"])
    encoding = build_encoding(recipe.encoding, EVENTS.detector).fit(EVENTS)
    generator = build_generator(recipe.network, EVENTS.detector, Sizes.of(encoding))
    Model(encoding, recipe.encoding, generator.eval(), recipe.network, provenance).save(path)
    return path


@pytest.mark.parametrize("name", recipe_names())
def test_a_recipe_by_name_and_by_file(name: str, tmp_path: Path) -> None:
    recipe = load_recipe(name)
    (tmp_path / "own.toml").write_text(recipe.to_toml(), "utf-8")
    assert cite(name) == cite(tmp_path / "own.toml") == bibtex(recipe_references(recipe))
    assert keys(cite(name))[0] == "physgan"


def test_a_recipe_cites_its_detector() -> None:
    assert keys(cite("calogan"))[1] == "paganini2017calogan"


def test_a_model_cites_what_it_says(tmp_path: Path) -> None:
    used = ("physgan", "paganini2017calogan", "mescheder2018r1")
    model = save(tmp_path / "model.safetensors", {"references": " ".join(used)})
    assert cite(model) == cite(tmp_path) == cite(str(tmp_path)) == bibtex(used)


@pytest.mark.parametrize("provenance", [{}, {"references": " "}])
def test_a_model_that_does_not_say(provenance: dict[str, str], tmp_path: Path) -> None:
    model = save(tmp_path / "model.safetensors", provenance)
    with pytest.raises(MissingError, match="does not name its references; cite the recipe"):
        cite(model)


def test_what_is_neither_a_recipe_nor_a_model(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match=r"neither a recipe nor a model; recipes: .*showers"):
        cite("nothing")
    (tmp_path / "showers.h5").touch()
    with pytest.raises(MissingError, match="neither"):
        cite(tmp_path / "showers.h5")
    with pytest.raises(MissingError, match="there is no recipe"):
        cite(tmp_path / "none.toml")
    with pytest.raises(MissingError, match="there is no model"):
        cite(tmp_path)
    (tmp_path / "bad.toml").write_text("name = ", "utf-8")
    with pytest.raises(ConfigError, match="is not TOML"):
        cite(tmp_path / "bad.toml")
    (tmp_path / "bad.safetensors").write_bytes(b"no model")
    with pytest.raises(DataError, match="is not a model"):
        cite(tmp_path / "bad.safetensors")
