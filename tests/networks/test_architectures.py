"""Networks that a script registers: trained by recipes, saved, loaded, and missed where unknown."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from pydantic import Field, ValidationError

import phys_gan as pg
from phys_gan.detectors import Detector, load_detector
from phys_gan.errors import ConfigError, DataError
from phys_gan.networks import (
    ARCHITECTURES,
    Architecture,
    Discriminator,
    Generator,
    HeadConfig,
    NetworkConfig,
    Sizes,
    build_discriminator,
    build_generator,
    register_discriminator,
    register_generator,
)
from phys_gan.training import load_recipe
from phys_gan.training.recipe import Recipe


class LinearConfig(NetworkConfig):
    kind: Literal["linear"] = "linear"
    latent: int = Field(default=2, ge=1, le=10)


class LinearGenerator(Generator):
    def __init__(self, detector: Detector, sizes: Sizes, config: LinearConfig) -> None:
        super().__init__()
        self.latent = config.latent
        self.map = torch.nn.Linear(self.latent + sizes.n_conditions, sizes.n_numbers)

    def forward(self, z: torch.Tensor, c: torch.Tensor) -> torch.Tensor:
        mapped: torch.Tensor = self.map(torch.cat([z, c], dim=1))
        return mapped


class LinearDiscriminator(Discriminator):
    def __init__(
        self, detector: Detector, sizes: Sizes, config: LinearConfig, head: HeadConfig
    ) -> None:
        super().__init__(4, sizes.n_conditions, head)
        self.map = torch.nn.Linear((sizes.n_numbers + self.n_concatenated) * head.pack, 4)

    def features(self, x: torch.Tensor, c: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.map(self.with_conditions(x, c))
        return found


@pytest.fixture
def linear() -> Iterator[None]:
    """Register the pair for one test."""
    register_generator(LinearConfig)(LinearGenerator)
    register_discriminator(LinearConfig)(LinearDiscriminator)
    yield
    del ARCHITECTURES["linear"]


FEW = ["network.kind=linear", "simulated.events=600", "training.events=640"]


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_a_name_is_the_kind_of_its_options(kind: str) -> None:
    assert ARCHITECTURES[kind].config(kind=kind) == ARCHITECTURES[kind].config()


@pytest.mark.usefixtures("linear")
def test_options_are_checked_by_their_own_class() -> None:
    recipe = load_recipe("toy-ring", ["network.kind=linear", "network.latent=3"])
    assert recipe.network == LinearConfig(latent=3)
    assert 'kind = "linear"\nlatent = 3' in recipe.to_toml()
    with pytest.raises(ConfigError, match=r"network\.latent = 11: .* less than or equal to 10"):
        load_recipe("toy-ring", ["network.kind=linear", "network.latent=11"])
    with pytest.raises(ConfigError, match=r"no option 'network\.latend'; nearest: latent"):
        load_recipe("toy-ring", ["network.kind=linear", "network.latend=3"])
    with pytest.raises(ConfigError, match="'linear' and the method 'cycle' do not go together"):
        load_recipe("toy-ring", ["network.kind=linear", "method.kind=cycle"])


@pytest.mark.usefixtures("linear")
@pytest.mark.parametrize("method", ["adversarial", "moment-matching"])
def test_a_recipe_trains_it(tmp_path: Path, method: str) -> None:
    overrides = [*FEW, *([f"method.kind={method}"] if method != "adversarial" else [])]
    fast = pg.train("toy-ring", None, tmp_path / "run", overrides=overrides)
    again = pg.FastSim.load(tmp_path / "run")
    first, second = (model.generate(50, seed=1) for model in (fast, again))
    np.testing.assert_array_equal(first.cells, second.cells)
    assert again.model.network_config == LinearConfig()


@pytest.mark.usefixtures("linear")
def test_where_it_is_not_registered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pg.train("toy-ring", None, tmp_path / "run", overrides=FEW)
    monkeypatch.delitem(ARCHITECTURES, "linear")
    unknown = "no architecture 'linear' unless a script registers it; there are autoencoder"
    with pytest.raises(DataError, match=unknown):
        pg.FastSim.load(tmp_path / "run")
    with pytest.raises(ConfigError, match=unknown):
        load_recipe("toy-ring", FEW)


def test_options_of_an_unknown_kind_are_refused() -> None:
    content = load_recipe("toy-ring").model_dump()
    with pytest.raises(ValidationError, match="no architecture 'linear' unless a script"):
        Recipe.model_validate(content | {"network": LinearConfig()})


@pytest.mark.usefixtures("linear")
def test_a_name_is_taken_once() -> None:
    with pytest.raises(ConfigError, match="architecture 'linear' exists already; choose another"):
        register_generator(LinearConfig)(LinearGenerator)
    with pytest.raises(ConfigError, match="has a discriminator already"):
        register_discriminator(LinearConfig)(LinearDiscriminator)


def test_a_generator_is_registered_first() -> None:
    with pytest.raises(ConfigError, match="'linear' has no generator yet"):
        register_discriminator(LinearConfig)(LinearDiscriminator)


@pytest.mark.parametrize("build", [build_generator, build_discriminator])
def test_an_unknown_architecture(build: Callable[..., object]) -> None:
    with pytest.raises(ConfigError, match="no architecture 'linear'; register it with"):
        build(LinearConfig(), load_detector("calogan"), Sizes(3, 504, 2))


def test_without_a_discriminator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ARCHITECTURES, "linear", Architecture(LinearConfig, LinearGenerator))
    with pytest.raises(ConfigError, match="'linear' have no single discriminator; choose"):
        build_discriminator(LinearConfig(), load_detector("calogan"), Sizes(3, 504, 2))
