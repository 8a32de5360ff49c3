"""The files of one training run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from phys_gan.encodings import Encoding
from phys_gan.errors import ConfigError, MissingError, OutputError
from phys_gan.files import atomic_file
from phys_gan.model import Model
from phys_gan.training.checkpoint import load_checkpoint, save_checkpoint
from phys_gan.training.recipe import Recipe, load_recipe

__all__ = ["RUN_FILES", "Run"]

_MODEL, _CHECKPOINT = "model.safetensors", "checkpoint.safetensors"
_STATS, _RECIPE = "stats.jsonl", "recipe.toml"
RUN_FILES = (_MODEL, _CHECKPOINT, _STATS, _RECIPE)
"""What a run directory holds."""


class Run:
    """A run directory: the recipe, a line per report, the state to go on from, the best model.

    Arguments:
        path: The directory.
        resume: Go on with what is there.

    Raises:
        ConfigError: There is a run already, and it shall not be resumed.
        MissingError: There is nothing to resume.
        OutputError: The directory cannot be made.
    """

    def __init__(self, path: Path, resume: bool) -> None:
        self.path, self.model = path, path / _MODEL
        if resume and not (path / _CHECKPOINT).is_file():
            raise MissingError(
                f"there is no run to resume in '{path}'",
                remedy="train without --resume, or name the directory of the run",
                value=str(path),
            )
        if not resume and (path / _CHECKPOINT).exists():
            raise ConfigError(
                f"'{path}' holds a training run already",
                remedy="go on with --resume, or choose another directory",
                value=str(path),
            )
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(
                f"cannot make the run directory '{path}': {error.strerror}",
                remedy="choose another place",
            ) from error

    def start(self, recipe: Recipe) -> None:
        """Begin anew."""
        # A run that never came to its first checkpoint may have left reports.
        (self.path / _STATS).unlink(missing_ok=True)
        with atomic_file(self.path / _RECIPE) as temporary:
            temporary.write_text(recipe.to_toml())

    def load(self, recipe: Recipe, encoding: Encoding) -> dict[str, Any]:
        """Read the checkpoint, and forget reports that were written after it."""
        begun = load_recipe(self.path / _RECIPE)
        if begun != recipe:
            raise ConfigError(
                f"the run in '{self.path}' began with another recipe",
                remedy=f"resume with '{self.path / _RECIPE}', or choose another directory",
            )
        state = load_checkpoint(self.path / _CHECKPOINT)
        fitted = encoding.state_dict()
        if not all(torch.equal(fitted[name].cpu(), t) for name, t in state["encoding"].items()):
            raise ConfigError(
                f"the run in '{self.path}' began with other data",
                remedy="give the same files in the same order, or choose another directory",
            )
        with atomic_file(self.path / _STATS) as temporary:
            kept = [line for line in self.lines() if line["events"] <= state["shown"]]
            temporary.write_text("".join(json.dumps(line) + "\n" for line in kept))
        return state

    def lines(self) -> list[dict[str, Any]]:
        """Return the reports so far."""
        text = (self.path / _STATS).read_text() if (self.path / _STATS).is_file() else ""
        return [json.loads(line) for line in text.splitlines()]

    def log(self, line: Mapping[str, Any]) -> None:
        """Add a report."""
        try:
            with (self.path / _STATS).open("a") as file:
                file.write(json.dumps(line) + "\n")
        except OSError as error:
            raise OutputError(
                f"cannot write '{self.path / _STATS}': {error.strerror}",
                remedy="free space, then go on with --resume",
            ) from error

    def keep(self, model: Model) -> None:
        """Make this the model of the run."""
        model.save(self.model)

    def save(self, state: dict[str, Any]) -> None:
        """Write the state to go on from."""
        save_checkpoint(self.path / _CHECKPOINT, state)
