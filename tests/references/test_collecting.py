"""Walking through a configuration: every section that is there, in order, each key once."""

import pytest
from pydantic import BaseModel

from phys_gan.references import known, recipe_references
from phys_gan.training import load_recipe, recipe_names


class Loss(BaseModel):
    kind: str = "non-saturating"

    @property
    def references(self) -> tuple[str, ...]:
        return {"wgan": ("arjovsky2017wgan",)}.get(self.kind, ("goodfellow2014gan",))


class Penalty(BaseModel):
    weight: float = 1.0
    references: tuple[str, ...] = ("mescheder2018r1",)


class Plain(BaseModel):
    size: int = 1


class Method(BaseModel):
    plain: Plain = Plain()
    loss: Loss = Loss()
    penalty: Penalty | None = None
    stages: tuple[Loss, ...] = ()
    named: dict[str, Penalty] = {}

    @property
    def references(self) -> tuple[str, ...]:
        return ("kingma2014adam", "heusel2017ttur")


class Made(BaseModel):
    name: str = "made"
    detector: str = ""
    method: Method = Method()
    again: Loss = Loss()


def test_sections_come_in_order_and_each_key_once():
    assert recipe_references(Made()) == (
        "physgan",
        "kingma2014adam",
        "heusel2017ttur",
        "goodfellow2014gan",
    )


def test_the_detector_comes_second():
    calogan = recipe_references(Made(detector="calogan"))
    assert calogan[:3] == ("physgan", "paganini2017calogan", "kingma2014adam")
    assert recipe_references(Made(), detector="calogan") == calogan
    assert recipe_references(Made(detector="calogan"), detector="ild-ecal")[1] == "ild2020idr"
    assert recipe_references(Made(detector="mine.toml")) == recipe_references(Made())


def test_only_what_is_there_counts():
    assert "mescheder2018r1" not in recipe_references(Made())
    with_penalty = Made(method=Method(penalty=Penalty()))
    assert recipe_references(with_penalty)[-1] == "mescheder2018r1"


@pytest.mark.parametrize(
    "method",
    [
        Method(stages=(Loss(), Loss(kind="wgan"))),
        Method(named={"a": Penalty(references=("arjovsky2017wgan",))}),
    ],
)
def test_sections_in_lists_and_tables_count(method):
    assert recipe_references(Made(method=method))[-1] == "arjovsky2017wgan"


def test_a_tree_without_references():
    assert recipe_references(Plain()) == ("physgan",)


@pytest.mark.parametrize("name", recipe_names())
def test_every_key_of_every_recipe_is_known(name):
    recipe = load_recipe(name)
    assert set(recipe_references(recipe)) <= set(known())
