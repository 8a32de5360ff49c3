"""Recipes: complete named configurations in TOML, checked before anything runs."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from phys_gan.encodings import AnyEncodingConfig
from phys_gan.errors import ConfigError, MissingError
from phys_gan.networks import AnyNetworkConfig

__all__ = ["MethodConfig", "Recipe", "TrainingConfig", "load_recipe", "recipe_names"]

_RECIPES = resources.files("phys_gan") / "recipes"


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class MethodConfig(_Section):
    """How the networks learn from each other.

    Attributes:
        kind: The method.
        loss: The adversarial loss.
        r1: Weight gamma of the R1 penalty, taken on what the discriminator sees; 0 leaves it out.
        r1_every: The penalty is computed every so many steps, with its weight times as much.
        generator_steps: Steps of the generator for each one of the discriminator.
        energy_weight: Weight of the mean |E_tot - E_inc| [GeV] in the generator's loss, as in
            CaloGAN; 0 leaves it out.
    """

    kind: Literal["adversarial"] = "adversarial"
    loss: Literal["non-saturating"] = "non-saturating"
    r1: float = Field(default=0.0, ge=0)
    r1_every: int = Field(default=8, ge=1)
    generator_steps: int = Field(default=1, ge=1)
    energy_weight: float = Field(default=0.0, ge=0)


class TrainingConfig(_Section):
    """The schedule; progress counts events shown to the discriminator, not epochs.

    Attributes:
        events: Events to show.
        batch_size: Events per step and device.
        lr_g: Learning rate of the generator (Adam).
        lr_d: Learning rate of the discriminator: a second time scale (TTUR, arXiv:1706.08500).
        beta1: First-moment decay of Adam.
        beta2: Second-moment decay of Adam.
        decay: How the learning rates end: "cosine" lowers them to a hundredth over the second
            half, "none" keeps them.
        ema_half_life: Half-life of the averaged generator, in events shown.
        held_out: Share of the events that is never shown and chooses the best checkpoint.
        augment: Whether to apply the detector's symmetries to the events shown.
        report_every: Events between two reports and checkpoints.
        max_minutes: End after this time, with the schedule fitted to it; 0 for no limit.
        seed: Seed of everything random.
    """

    events: int = Field(default=2_000_000, ge=1)
    batch_size: int = Field(default=256, ge=2)
    lr_g: float = Field(default=2e-4, gt=0)
    lr_d: float = Field(default=4e-4, gt=0)
    beta1: float = Field(default=0.0, ge=0, lt=1)
    beta2: float = Field(default=0.99, ge=0, lt=1)
    decay: Literal["cosine", "none"] = "cosine"
    ema_half_life: float = Field(default=50_000, gt=0)
    held_out: float = Field(default=0.1, gt=0, lt=1)
    augment: bool = True
    report_every: int = Field(default=50_000, ge=1)
    max_minutes: float = Field(default=0.0, ge=0)
    seed: int = Field(default=0, ge=0)


class Recipe(_Section):
    """A complete configuration.

    Attributes:
        name: Name of the recipe.
        description: One line for people.
        reference: The paper it follows, if any.
        detector: The detector it is made for; empty for whatever the data have.
        encoding: The encoding and its options.
        network: The network pair and its options.
        method: The method and its options.
        training: The schedule.
    """

    name: str
    description: str = ""
    reference: str = ""
    detector: str = ""
    encoding: AnyEncodingConfig
    network: AnyNetworkConfig
    method: MethodConfig = MethodConfig()
    training: TrainingConfig = TrainingConfig()

    def to_toml(self) -> str:
        """Write the resolved recipe as TOML."""
        return tomli_w.dumps(self.model_dump())


def recipe_names() -> list[str]:
    """Return the names of the built-in recipes."""
    return sorted(
        entry.name.removesuffix(".toml")
        for entry in _RECIPES.iterdir()
        if entry.name.endswith(".toml")
    )


def load_recipe(recipe: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """Load a recipe by built-in name or by path, with ``section.key=value`` overrides.

    Raises:
        MissingError: There is no such recipe.
        ConfigError: It is not TOML, or a section, key or value is wrong.

    Example:
        >>> load_recipe("showers", ["training.lr_d=1e-4"]).training.lr_d
        0.0001
    """
    name = str(recipe)
    if name in recipe_names():
        text = (_RECIPES / f"{name}.toml").read_text("utf-8")
    elif Path(name).is_file():
        try:
            text = Path(name).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"cannot read the recipe '{name}': {error}") from error
    else:
        raise MissingError(
            f"there is no recipe '{name}'; available: {', '.join(recipe_names())}",
            remedy="name one of these or the path of a TOML file",
            value=name,
        )
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"the recipe '{name}' is not TOML: {error}") from error
    for override in overrides:
        _override(content, override)
    try:
        return Recipe.model_validate(content)
    except ValidationError as error:
        raise ConfigError(f"recipe '{name}': {_explain(error)}") from error


def _override(content: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise ConfigError(
            f"'{override}' is not an override", remedy="write section.key=value", value=override
        )
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    *sections, last = key.strip().split(".")
    for section in sections:
        content = content.setdefault(section, {})
        if not isinstance(content, dict):
            raise ConfigError(f"'{section}' in '{override}' is not a section", value=override)
    content[last] = value


def _explain(error: ValidationError) -> str:
    """Say the first complaint of pydantic with the nearest names that exist."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        section, unknown = first["loc"][0], str(first["loc"][-1])
        homes: dict[str, type[BaseModel]] = {"method": MethodConfig, "training": TrainingConfig}
        home = homes.get(str(section), Recipe)
        near = difflib.get_close_matches(unknown, home.model_fields, 3, 0.4)
        return f"there is no option '{where}'" + (f"; nearest: {', '.join(near)}" if near else "")
    return f"{where} = {first['input']!r}: {first['msg'].removeprefix('Value error, ')}"
