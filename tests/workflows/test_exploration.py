"""What a model does, as a page and as numbers, and what to cite; of models that learned little."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch

import phys_gan as pg
from phys_gan.encodings import build_encoding
from phys_gan.errors import ConfigError, DataError, MissingError, RangeError
from phys_gan.events import Events
from phys_gan.model import Model
from phys_gan.networks import Sizes, build_generator
from phys_gan.references import bibtex, recipe_references
from phys_gan.report import sections
from phys_gan.report.sections import Plot, Rendered
from phys_gan.simulation.galaxies import simulate_galaxies
from phys_gan.toys import simulate_toy
from phys_gan.training import load_recipe, recipe_names
from phys_gan.workflows import demo_sample
from phys_gan.workflows.exploration import cite

# So alike and so bright that a network which makes their mean makes a galaxy.
GALAXIES = simulate_galaxies(
    pg.load_detector("galaxies-32"),
    300,
    conditions={"flux": (300, 330), "half_light_radius": (0.6, 0.65), "sersic_index": (1, 1.2),
                "axis_ratio": (0.7, 0.75), "position_angle": (1, 1.2)},
    threads=1,
)  # fmt: skip
GEANT4 = pg.read(demo_sample())[:300]
SMALL = ("network.width=4", "network.d_width=4", "network.latent=6")


def untrained(recipe: str, events: Events, *overrides: str) -> pg.FastSim:
    """Return a model of a recipe that knows the scales of the events, and nothing else."""
    options = pg.load_recipe(recipe, overrides)
    torch.manual_seed(1)
    encoding = build_encoding(options.encoding, events.detector).fit(events)
    generator = build_generator(options.network, events.detector, Sizes.of(encoding))
    generator.adapt(*encoding.encode(events))
    generator.eval().requires_grad_(False)
    return pg.FastSim(
        Model(encoding, options.encoding, generator, options.network, {"recipe": recipe})
    )


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Leave the figures out, and return the list of their names."""
    names: list[str] = []

    def draw(plot: Plot, stem: str, *, files: bool) -> Rendered:
        names.append(plot.name)
        return Rendered(plot, "data:image/none", 1, 1, stem, {"pdf": b""} if files else {})

    monkeypatch.setattr(sections, "render_plot", draw)
    return names


def test_images_as_a_page(tmp_path: Path) -> None:
    styled = untrained("galaxies-dcgan", GALAXIES, "network.kind=stylegan", *SMALL)
    stages: list[str] = []
    done = pg.explore(
        styled, tmp_path, n=5, seed=2, figures=False, report=lambda stage, k: stages.append(stage)
    )
    page = (tmp_path / "index.html").read_text("utf-8")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["explore.json", "index.html"]
    assert not re.search(r"(src|href)=\"(?!data:|#)", page)
    assert page.count("<img ") == 6 + 3
    for title in ("Generated events", "Condition sweeps", "Latent walks", "Style mixing"):
        assert f">{title}</h2>" in page
    numbers = json.loads((tmp_path / "explore.json").read_text("utf-8"))
    assert list(numbers["conditions"]) == list(GALAXIES.conditions)
    assert numbers["latents"] == 5
    for name, found in numbers["conditions"].items():
        assert len(found["values"]) == 9
        assert found["values"][0] == found["low"] == GALAXIES.condition(name).min()
        (response,) = found["responses"].values()
        assert {"mean", "spread", "spearman", "monotonic", "verdict"} <= set(response)
        assert response["verdict"].split(":")[0].replace("'", "&#39;") in page
    assert set(stages) == {"running conditions over their ranges", "drawing figures"}
    assert done.mixed is not None
    assert len(done.mixed.events) == len(done.mixed.coarse) * len(done.mixed.fine)


def test_showers_as_a_page(tmp_path: Path, undrawn: list[str]) -> None:
    fast = untrained("showers", GEANT4, "network.width=16", "network.latent=8")
    done = pg.explore(fast, tmp_path, n=20, figures=True)
    assert undrawn == ["generated events", "energy", "latent walks"]
    assert (tmp_path / "figures" / "sweeps-energy.pdf").exists()
    (ramp,) = done.ramps
    assert [r.observable.name for r in ramp.responses] == ["E_tot"]
    assert done.mixed is None
    # The encoding scales a shower by its energy, also where a network has learnt nothing.
    assert done.headline == "E_tot rises with energy over its whole range."


def test_only_the_structure_moves_along_a_walk() -> None:
    fast = untrained("galaxies-dcgan", GALAXIES, *SMALL)
    walk = pg.explore(fast, n=2).walks[0]
    steps = np.diff(walk.cells, axis=0)
    apart = fast.generate({name: v[:9] for name, v in walk.conditions.items()}, seed=3).cells
    assert np.abs(steps).max() > 0
    assert steps.std() < 0.3 * np.diff(apart, axis=0).std()


def test_the_seed_decides(undrawn: list[str]) -> None:
    fast = untrained("galaxies-dcgan", GALAXIES, *SMALL)
    first, again, other = (pg.explore(fast, n=2, seed=seed) for seed in (1, 1, 2))
    assert first.numbers == again.numbers
    np.testing.assert_array_equal(first.events.cells, again.events.cells)
    assert not np.array_equal(first.events.cells, other.events.cells)
    assert not undrawn


def test_conditions_that_nothing_answers_to(tmp_path: Path, undrawn: list[str]) -> None:
    """One that has no counterpart, one that never changes, and none at all."""
    n = len(GALAXIES)
    told = {"redshift": np.linspace(0, 1, n), "exposure": np.full(n, 30.0)}
    events = Events(GALAXIES.cells, told, GALAXIES.detector)
    options = ("conditions={redshift='linear',exposure='linear'}",)
    done = pg.explore(untrained("galaxies-dcgan", events, *options, *SMALL), tmp_path, n=2)
    assert "Nothing that is measured in 'galaxies-32' answers to a condition." in done.summary()
    assert "exposure had one value in all training events." in done.summary()
    page = (tmp_path / "index.html").read_text("utf-8")
    assert "answers to redshift" in page
    none = ("conditions={}",)
    done = pg.explore(untrained("galaxies-dcgan", events, *none, *SMALL), tmp_path, n=2)
    assert done.headline == "The model is told no conditions that change."
    assert undrawn[-2:] == ["generated events", "latent walks"]


def test_what_cannot_be_explored() -> None:
    toy = untrained("toy-ring", simulate_toy("toy-ring", 100, seed=0))
    with pytest.raises(ConfigError, match="'toy-ring' has points and no pictures"):
        pg.explore(toy)
    with pytest.raises(ConfigError, match="this model translates events"):
        pg.explore(untrained("cycle", GEANT4))
    with pytest.raises(RangeError, match="n = 1 latents are too few; ask for 2 or more"):
        pg.explore(untrained("galaxies-dcgan", GALAXIES, *SMALL), n=1)


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
