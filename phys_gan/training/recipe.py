""":class:`Recipe`: a complete named configuration in TOML, checked before anything runs.

Combinations of networks, method and schedule that cannot work are refused with the reason.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, get_args

import tomli_w
from pydantic import BaseModel, Field, ValidationError, model_validator

from phys_gan.encodings import AnyEncodingConfig
from phys_gan.encodings.conditions import Condition
from phys_gan.errors import ConfigError, MissingError
from phys_gan.files import parse_toml, read_text, shortened
from phys_gan.losses import LOSSES
from phys_gan.networks import (
    ARCHITECTURES,
    AnyNetworkConfig,
    DcganConfig,
    MlpConfig,
    NetworkConfig,
    StackedConfig,
)
from phys_gan.training.methods import AdversarialConfig, AnyMethodConfig, GameConfig
from phys_gan.training.schedule import TrainingConfig
from phys_gan.training.techniques import Config

_RECIPES = resources.files("phys_gan") / "recipes"
_OF_KINDS = ("encoding", "method")
_KIND = re.compile(r"\s*[\w.]*kind\s*=")


class Simulated(Config):
    """Events to learn from if no files are given, made by the detector's own simulator.

    Attributes:
        events: Number of events.
        seed: Seed of the simulation.
    """

    events: int = Field(ge=1)
    seed: int = Field(default=0, ge=0)


class Recipe(Config):
    """A complete configuration.

    In a file, the section ``[conditions]`` names what networks are told, with the kind of each;
    without it, they are told all that the training events vary.

    Attributes:
        name: Name of the recipe.
        description: One line.
        reference: The paper it follows, if any.
        detector: The detector it is made for; empty for that of the data.
        simulated: Events to learn from if no files are given; None for recipes that need files.
        encoding: The encoding and its options.
        network: The network pair and its options.
        method: The method and its options.
        training: The schedule.
    """

    name: str
    description: str = ""
    reference: str = ""
    detector: str = ""
    simulated: Simulated | None = None
    encoding: AnyEncodingConfig
    network: AnyNetworkConfig
    method: AnyMethodConfig = AdversarialConfig()
    training: TrainingConfig = TrainingConfig()

    @model_validator(mode="before")
    @classmethod
    def _move_conditions(cls, content: Any) -> Any:
        if isinstance(content, dict) and isinstance(content.get("encoding"), dict):
            content = dict(content)
            if (conditions := content.pop("conditions", None)) is not None:
                content["encoding"] = {**content["encoding"], "conditions": conditions}
        return content

    @property
    def conditions(self) -> dict[str, Condition] | None:
        """What networks are told, by name; None for all that the training events vary."""
        return self.encoding.conditions

    @model_validator(mode="after")
    def _refuse_contradictions(self) -> Recipe:
        if reason := next(_contradictions(self.network, self.method, self.training), None):
            raise ValueError(reason)
        return self

    def to_toml(self) -> str:
        """Return the resolved recipe as TOML."""
        content = self.model_dump(exclude_none=True)
        if (conditions := content["encoding"].pop("conditions", None)) is not None:
            content["conditions"] = conditions
        return tomli_w.dumps(content)


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
            text = read_text(Path(name))
        except (OSError, ValueError) as error:
            raise ConfigError(f"cannot read the recipe '{name}': {error}") from error
    else:
        raise MissingError(
            f"there is no recipe '{name}'; available: {', '.join(recipe_names())}",
            remedy="name one of these or the path of a TOML file",
            value=name,
        )
    try:
        content = parse_toml(text)
    except ValueError as error:
        raise ConfigError(f"the recipe '{name}' is not TOML: {error}") from error
    # A new kind clears its section, so kinds come first, whatever the order.
    for override in sorted(overrides, key=lambda text: not _KIND.match(text)):
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
        value = parse_toml(f"value = {text}")["value"]
    except ValueError:
        value = text
    *sections, last = key.strip().split(".")
    for section in sections:
        content = content.setdefault(section, {})
        if not isinstance(content, dict):
            raise ConfigError(f"'{section}' in '{override}' is not a section", value=override)
    if last == "kind" and content.get("kind") != value:
        # Another kind has other options.
        content.clear()
    content[last] = value


def _explain(error: ValidationError) -> str:
    """Return the first error of pydantic in words, with the nearest names that exist."""
    first = error.errors()[0]
    keys = [str(part) for part in first["loc"]]
    if keys and keys[0] in _OF_KINDS:
        # pydantic names the kind of such a section after its key.
        keys = [keys[0], *keys[2:]]
    where = ".".join(keys)
    if first["type"] == "extra_forbidden":
        near = difflib.get_close_matches(keys[-1], _options(keys[:-1]), 3, 0.4)
        return f"there is no option '{where}'" + (f"; nearest: {', '.join(near)}" if near else "")
    message = first["msg"].removeprefix("Value error, ")
    return shortened(f"{where} = {first['input']!r}: {message}" if where else message)


def _options(keys: Sequence[str]) -> set[str]:
    """Return the keys of a section, of all its kinds."""
    kinds: list[type[BaseModel]] = [Recipe]
    for key in keys:
        annotations = [
            kind.model_fields[key].annotation for kind in kinds if key in kind.model_fields
        ]
        kinds = [model for annotation in annotations for model in _models(annotation)]
    return {key for kind in kinds for key in kind.model_fields}


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        if annotation is NetworkConfig:
            return [pair.config for pair in ARCHITECTURES.values()]
        return [annotation]
    return [model for part in get_args(annotation) for model in _models(part)]


# Combinations that cannot work: each function yields the reasons, with what to change


def _contradictions(
    network: NetworkConfig, method: AnyMethodConfig, training: TrainingConfig
) -> Iterator[str]:
    yield from _partners(network, method)
    if isinstance(method, GameConfig):
        yield from _batches(network, method, training)
        yield from _bounds(network, method)
        yield from _goals(method)


def _partners(network: NetworkConfig, method: AnyMethodConfig) -> Iterator[str]:
    """Networks and method that are not made for each other."""
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


def _batches(network: NetworkConfig, game: GameConfig, training: TrainingConfig) -> Iterator[str]:
    """Batches that cannot be packed."""
    packing = game.techniques.packing
    if packing is None:
        return
    if training.batch_size % packing.m:
        yield (
            f"batches of {training.batch_size} events do not divide into packs of {packing.m}; "
            "choose a multiple for training.batch_size"
        )
    if _norm(network) == "batch":
        yield (
            "batch normalisation mixes the packs that packing keeps apart; choose "
            "network.d_norm = 'layer' or 'none'"
        )


def _bounds(network: NetworkConfig, game: GameConfig) -> Iterator[str]:
    """Discriminators that nothing bounds, or two techniques, or one that cannot."""
    penalties, spectral = game.penalties, game.techniques.spectral
    normalised = spectral is not None and spectral.discriminator
    names, bounded, norm = penalties.of_gradients, LOSSES[game.loss].bounded, _norm(network)
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
    if penalties.clipping and bounded:
        yield (
            f"weight clipping belongs to the Wasserstein loss, whose critic it bounds; with the "
            f"loss '{game.loss}' it only limits what the discriminator can learn; leave out "
            "method.penalties.clipping, or choose method.loss = 'wasserstein'"
        )
    if not bounded and not (penalties.clipping or names or normalised):
        yield (
            f"the critic of the loss '{game.loss}' grows without bound when nothing makes it "
            "Lipschitz; add method.penalties.gradient.weight = 10, method.penalties.clipping.limit "
            "= 0.01 or method.techniques.spectral.discriminator = true"
        )
    if per_event and norm == "batch":
        yield (
            f"the penalty '{per_event[0]}' is on the gradient at single events, but with batch "
            "normalisation in the discriminator a logit depends on the whole batch "
            "(arXiv:1704.00028, Sec. 4); choose network.d_norm = 'layer' or 'none'"
        )
    if normalised and norm != "none":
        yield (
            "spectral normalisation bounds each layer, and the norms between them undo that by "
            "rescaling; choose network.d_norm = 'none'"
        )


def _goals(game: GameConfig) -> Iterator[str]:
    """Techniques on the losses that exclude each other, or that the loss excludes."""
    techniques, penalties = game.techniques, game.penalties
    if techniques.label_smoothing is not None and not LOSSES[game.loss].smooth:
        yield (
            f"the loss '{game.loss}' has no label that could be smoothed; leave out "
            "method.techniques.label_smoothing, or choose the loss 'non-saturating', 'minimax' or "
            "'least-squares'"
        )
    if techniques.unrolling is None:
        return
    if penalties.of_gradients:
        yield (
            "unrolling differentiates through the discriminator's steps, and gradient penalties in "
            "them would need third derivatives; leave out method.penalties or the unrolling"
        )
    if penalties.clipping is not None:
        yield (
            "unrolling differentiates through the discriminator's steps, and clipped weights have "
            "no derivative; leave out the clipping or the unrolling"
        )
    matching = techniques.feature_matching
    if matching is not None and matching.replace:
        yield (
            "unrolling changes the adversarial loss of the generator, which feature matching "
            "replaces; set method.techniques.feature_matching.replace = false, or leave out one"
        )


def _norm(network: NetworkConfig) -> str:
    """Return the normalisation in the discriminator."""
    if isinstance(network, StackedConfig):
        network = network.energies
    return network.d_norm if isinstance(network, MlpConfig | DcganConfig) else "none"
