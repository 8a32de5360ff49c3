"""Look at what a trained model does.

What to cite for a recipe or a model.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from phys_gan.errors import ConfigError, MissingError, RangeError
from phys_gan.events import Events
from phys_gan.generation import FastSim, pretrained_names
from phys_gan.generation.latents import mix_styles, n_structural, n_style_layers, spherical_walk
from phys_gan.randomness import normal_noise, stream
from phys_gan.references import bibtex, recipe_references
from phys_gan.training import load_recipe, recipe_names
from phys_gan.validation.exploration import Exploration, Mixed, Range, meaning_of, measure_ramp

__all__ = ["cite", "explore"]

_IMAGES = 40
_SHOWERS = 16
_STEPS = 9
_WALKS = 4
_MIXED = (4, 6)

Latents = NDArray[np.float32]
Conditions = dict[str, NDArray[np.float64]]


def explore(
    model: FastSim | str | Path,
    out: str | Path | None = None,
    *,
    n: int = 200,
    seed: int = 0,
    figures: bool = True,
    device: str = "cpu",
    report: Callable[[str, int], None] | None = None,
) -> Exploration:
    """Show what a model does, and measure whether it follows each condition that it is told.

    Every condition runs over its whole range while the others stay at their middle (the geometric
    one where values span more than a factor of 5) and the latents stay as they are.

    Arguments:
        model: A model, or its run directory or ``.safetensors`` file.
        out: Folder for ``index.html`` and ``explore.json``; nothing is written without.
        n: Latents at each step of a ramp.
        seed: Seed of all latents and random conditions.
        figures: Write every figure as PDF and PNG beside the page.
        device: Where to run a model that is to be loaded.
        report: Called to show progress.

    Raises:
        ConfigError: The model translates events, or makes points of a toy.
        RangeError: n is below 2.
        MissingError: There is no model.
        DataError: The file is not a model, or is damaged.
        OutputError: The folder cannot be written.
    """
    fast = model if isinstance(model, FastSim) else FastSim.load(model, device)
    _require_pictures(fast, n)
    tell = report or (lambda stage, done: None)
    ranges = _ranges(fast)
    fixed = _latents(fast, "ramps", n, seed)
    ramps = []
    for number, name in enumerate([one.name for one in ranges if one.high > one.low], 1):
        ramps.append(
            measure_ramp(lambda c: fast.model.respond(fixed, c), ranges, name, n, steps=_STEPS)
        )
        tell("running conditions over their ranges", number)
    done = Exploration(
        _random_events(fast, ranges, seed),
        ramps,
        [one.name for one in ranges if one.high == one.low],
        _walks(fast, ranges, seed),
        _mixed(fast, ranges, seed),
        n,
        seed,
        fast.model.provenance,
    )
    if out is not None:
        done.save(out, figures=figures, report=report)
    return done


def _require_pictures(fast: FastSim, n: int) -> None:
    if fast.translates:
        raise ConfigError(
            "this model translates events, and has no conditions and latents to explore",
            remedy="translate events with phys-gan generate --translate, and validate them",
        )
    if fast.detector.is_toy:
        raise ConfigError(
            f"'{fast.detector.name}' has points and no pictures, so there is nothing to explore",
            remedy="generate points, and compare them with phys-gan validate",
            value=fast.detector.name,
        )
    if n < 2:
        raise RangeError(
            f"{n} latents have no spread", remedy="ask for two or more", value=n, constraint=">= 2"
        )


def _ranges(fast: FastSim) -> list[Range]:
    encoding = fast.model.encoding
    return [
        Range(name, low, high, meaning_of(fast.detector, name).angle)
        for name, (low, high) in zip(encoding.named, encoding.ranges.tolist(), strict=True)
    ]


def _latents(fast: FastSim, what: str, n: int, seed: int) -> Latents:
    own = int(stream(seed, f"explore {what}").integers(2**63))
    return normal_noise(own, 0, n, fast.model.generator.latent)


def _middle(ranges: list[Range], n: int) -> Conditions:
    return {one.name: np.full(n, one.middle) for one in ranges}


def _random_events(fast: FastSim, ranges: list[Range], seed: int) -> Events:
    n = _SHOWERS if fast.detector.kind == "calorimeter" else _IMAGES
    draws = stream(seed, "explore conditions")
    conditions = {one.name: one.at(draws.random(n)) for one in ranges}
    return fast.model.respond(_latents(fast, "events", n, seed), conditions)


def _walks(fast: FastSim, ranges: list[Range], seed: int) -> list[Events]:
    """Walk between pairs of latents; those of single cells stay as they are."""
    shape = n_structural(fast.model)
    walks = []
    for start, end in _latents(fast, "walks", 2 * _WALKS, seed).reshape(_WALKS, 2, -1):
        latents = np.tile(start, (_STEPS, 1))
        latents[:, :shape] = spherical_walk(start[:shape], end[:shape], _STEPS)
        walks.append(fast.model.respond(latents, _middle(ranges, _STEPS)))
    return walks


def _mixed(fast: FastSim, ranges: list[Range], seed: int) -> Mixed | None:
    n_layers = n_style_layers(fast.model)
    if not n_layers:
        return None
    rows, columns = _MIXED
    latents = _latents(fast, "styles", rows + columns, seed)
    coarse, fine = latents[:rows], latents[rows:]
    layer = n_layers // 2
    pairs = np.repeat(coarse, columns, axis=0), np.tile(fine, (rows, 1))
    return Mixed(
        fast.model.respond(coarse, _middle(ranges, rows)),
        fast.model.respond(fine, _middle(ranges, columns)),
        mix_styles(fast.model, *pairs, _middle(ranges, rows * columns), layer),
        layer,
        n_layers,
    )


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
