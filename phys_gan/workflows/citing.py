"""What to cite for a recipe or a model."""

from __future__ import annotations

from pathlib import Path

from phys_gan.errors import MissingError
from phys_gan.generation import FastSim, pretrained_names
from phys_gan.references import bibtex, recipe_references
from phys_gan.training import load_recipe, recipe_names

__all__ = ["cite"]


def cite(what: str | Path) -> str:
    """Return the BibTeX of exactly what a recipe or a model used, phys_gan first.

    Arguments:
        what: The name of a recipe, the path of a recipe ``.toml``, a run directory, or a
            ``.safetensors`` model, or the name of a pretrained model. A recipe goes before a
            directory of the same name.

    Raises:
        ConfigError: The recipe is wrong.
        DataError: The model is damaged.
        MissingError: There is no such recipe or model, or the model does not say what it used.
    """
    path = Path(what)
    if str(what) in recipe_names() or path.suffix == ".toml":
        return bibtex(recipe_references(load_recipe(what)))
    if path.is_dir() or path.suffix == ".safetensors" or str(what) in pretrained_names():
        return bibtex(_model_references(path))
    raise MissingError(
        f"'{what}' is neither a recipe nor a model; recipes: {', '.join(recipe_names())}; "
        f"pretrained models: {', '.join(pretrained_names())}",
        remedy="name one of these, or the path of a recipe .toml, run directory or .safetensors",
        value=str(what),
    )


def _model_references(path: Path) -> list[str]:
    """Return the keys that the trainer wrote into the model: words between spaces."""
    keys = FastSim.load(path).model.provenance.get("references", "").split()
    if not keys:
        raise MissingError(
            f"the model '{path}' does not say what it used",
            remedy="cite the recipe that it was trained with, such as RUN/recipe.toml",
            value=str(path),
        )
    return keys
