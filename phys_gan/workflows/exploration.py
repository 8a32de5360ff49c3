"""What a trained model does, :func:`explore`, and what it is based on, :func:`cite`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from phys_gan.errors import ConfigError, MissingError, RangeError
from phys_gan.generation import FastSim, pretrained_names
from phys_gan.generation.latents import mix_styles, n_structural, n_style_layers, spherical_walk
from phys_gan.randomness import normal_noise, stream
from phys_gan.references import bibtex, recipe_references
from phys_gan.training import load_recipe, recipe_names
from phys_gan.validation import Progress
from phys_gan.validation.exploration import Exploration, Mixed, Range, meaning_of, measure_ramp

_IMAGES = 40
_SHOWERS = 16
_STEPS = 9
_WALKS = 4
_MIXED = (4, 6)


def explore(
    model: FastSim | str | Path,
    out: str | Path | None = None,
    *,
    n: int = 200,
    seed: int = 0,
    figures: bool = False,
    device: str = "cpu",
    report: Progress | None = None,
) -> Exploration:
    """Show what a model does, and measure whether it follows each of its conditions.

    Every condition runs over its whole range while the others stay at their middle (the geometric
    one where values span more than a factor of 5) and the latents stay as they are.

    Arguments:
        model: A model, or its run directory or ``.safetensors`` file.
        out: Folder for ``index.html`` and ``explore.json``; without it nothing is written.
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
    encoding, respond = fast.model.encoding, fast.respond
    ranges = [
        Range(name, low, high, meaning_of(fast.detector, name).angle)
        for name, (low, high) in zip(encoding.named, encoding.ranges.tolist(), strict=True)
    ]

    def latents(purpose: str, n: int) -> NDArray[np.float32]:
        own = int(stream(seed, f"explore {purpose}").integers(2**63))
        return normal_noise(own, 0, n, fast.model.generator.latent)

    def middle(n: int) -> dict[str, NDArray[np.float64]]:
        return {one.name: np.full(n, one.middle) for one in ranges}

    # Every condition over its range.
    fixed = latents("ramps", n)
    ramps = []
    for number, name in enumerate([one.name for one in ranges if one.high > one.low], 1):
        ramps.append(measure_ramp(lambda c: respond(fixed, c), ranges, name, n, steps=_STEPS))
        if report is not None:
            report("running conditions over their ranges", number)

    # Random events.
    n_random = _IMAGES if fast.detector.is_image else _SHOWERS
    draws = stream(seed, "explore conditions")
    conditions = {one.name: one.at(draws.random(n_random)) for one in ranges}
    events = respond(latents("events", n_random), conditions)

    # Walks between pairs of latents; those of single cells stay as they are.
    shape = n_structural(fast.model)
    walks = []
    for start, end in latents("walks", 2 * _WALKS).reshape(_WALKS, 2, -1):
        path = np.tile(start, (_STEPS, 1))
        path[:, :shape] = spherical_walk(start[:shape], end[:shape], _STEPS)
        walks.append(respond(path, middle(_STEPS)))

    # Coarse styles of some events (rows) with fine styles of others (columns).
    mixed = None
    if n_layers := n_style_layers(fast.model):
        rows, columns = _MIXED
        styles, layer = latents("styles", rows + columns), n_layers // 2
        coarse, fine = styles[:rows], styles[rows:]
        pairs = np.repeat(coarse, columns, axis=0), np.tile(fine, (rows, 1))
        mixed = Mixed(
            respond(coarse, middle(rows)),
            respond(fine, middle(columns)),
            mix_styles(fast.model, *pairs, middle(rows * columns), layer),
            layer,
            n_layers,
        )

    constant = [one.name for one in ranges if one.high == one.low]
    done = Exploration(events, ramps, constant, walks, mixed, n, seed, fast.model.provenance)
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
            f"n = {n} latents are too few", remedy="ask for 2 or more", value=n, constraint=">= 2"
        )


def cite(what: str | Path) -> str:
    """Return the BibTeX of exactly what a recipe or a model used, phys_gan first.

    Arguments:
        what: A recipe (name or ``.toml``) or a model (run directory, ``.safetensors`` file or name
            of a pretrained one). A recipe takes precedence over a directory of the same name.

    Raises:
        ConfigError: The recipe is wrong.
        DataError: The model is damaged.
        MissingError: There is no such recipe or model, or the model does not name its references.
    """
    path = Path(what)
    if str(what) in recipe_names() or path.suffix == ".toml":
        return bibtex(recipe_references(load_recipe(what)))
    if path.is_dir() or path.suffix == ".safetensors" or str(what) in pretrained_names():
        # Keys that the training wrote into the model: words between spaces.
        keys = FastSim.load(path).model.provenance.get("references", "").split()
        if not keys:
            raise MissingError(
                f"the model '{path}' does not name its references",
                remedy="cite the recipe that it was trained with, such as RUN/recipe.toml",
                value=str(path),
            )
        return bibtex(keys)
    raise MissingError(
        f"'{what}' is neither a recipe nor a model; recipes: {', '.join(recipe_names())}; "
        f"pretrained models: {', '.join(pretrained_names())}",
        remedy="name one of these, or the path of a recipe .toml, run directory or .safetensors",
        value=str(what),
    )
