"""Models by name or path: runs, files, and the pretrained ones that come with phys_gan."""

from __future__ import annotations

import difflib
from importlib import resources
from pathlib import Path

from phys_gan.errors import MissingError

__all__ = ["find_model", "model_card", "pretrained_names"]

_SUFFIX = ".safetensors"


def _folder() -> Path:
    return Path(str(resources.files("phys_gan") / "generation" / "packaged"))


def pretrained_names() -> list[str]:
    """Return the names of the pretrained models.

    Example:
        >>> "calogan-eplus" in pretrained_names()
        True
    """
    return sorted(path.name.removesuffix(_SUFFIX) for path in _folder().glob(f"*{_SUFFIX}"))


def find_model(model: str | Path) -> Path:
    """Return the file of a model.

    Arguments:
        model: A run directory of ``phys-gan train``, a ``.safetensors`` file, or the name of a
            pretrained model. What lies on the disk goes before a name.

    Raises:
        MissingError: There is no such model.
    """
    path = Path(model)
    if path.is_dir():
        path = path / "model.safetensors"
    if path.is_file():
        return path
    names = pretrained_names()
    if str(model) in names:
        return _folder() / f"{model}{_SUFFIX}"
    near = difflib.get_close_matches(str(model), names, 1)
    raise MissingError(
        f"there is no model '{path}'" + (f"; nearest pretrained one: {near[0]}" if near else ""),
        remedy="give a run directory or a .safetensors file that `phys-gan train` wrote, or one of "
        f"the pretrained models: {', '.join(names)}",
        value=str(model),
        constraint=tuple(names),
    )


def model_card(name: str) -> str:
    """Return the card of a pretrained model, in Markdown: data, recipe, numbers, validity.

    Raises:
        MissingError: There is no pretrained model of this name.
    """
    names = pretrained_names()
    if name not in names:
        raise MissingError(
            f"'{name}' is not a pretrained model; available: {', '.join(names)}",
            remedy="name one of these",
            value=name,
            constraint=tuple(names),
        )
    return (_folder() / f"{name}.md").read_text("utf-8")
