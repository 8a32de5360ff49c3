"""What is cited: entries that are whole, those of detectors, and those of recipes."""

from __future__ import annotations

import re
from importlib import resources
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from phys_gan.detectors import detector_names, load_detector
from phys_gan.errors import MissingError
from phys_gan.references import bibtex, detector_keys, known, recipe_references
from phys_gan.references.lookup import _KEYS
from phys_gan.training import load_recipe, recipe_names

TEXT = (resources.files("phys_gan.references") / "references.bib").read_text("utf-8")
FIELD = re.compile(r"^    (\w+) = \{(.*)\},?$", re.MULTILINE)
# Published without a number at arXiv.
NO_EPRINT = {
    "tobin1958limited",
    "agostinelli2003geant4",
    "allison2016geant4",
    "gretton2012mmd",
    "mandelbaum2012cosmos",
    "physgan",
    "sohn2015cvae",
}


def fields(key):
    return dict(FIELD.findall(bibtex([key])))


def test_every_key_of_the_file_is_known_once():
    keys = re.findall(r"^@\w+\{(.+),$", TEXT, re.MULTILINE)
    assert len(keys) == TEXT.count("\n@") + 1
    assert sorted(keys) == known()
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("key", known())
def test_every_entry_is_whole(key):
    entry = bibtex([key])
    steps = [(letter == "{") - (letter == "}") for letter in entry]
    depths = list(accumulate(steps))
    # The first brace is closed by the last letter, and by none before.
    assert depths[-1] == 0
    assert min(depths[entry.index("{") : -1]) > 0
    assert entry.isascii()
    # First and last line frame the entry; each line between them is one field.
    assert len(FIELD.findall(entry)) == len(entry.splitlines()) - 2
    lines = entry.splitlines()[1:-1]
    assert all(line.endswith("},") for line in lines[:-1])
    assert lines[-1].endswith("}")


@pytest.mark.parametrize("key", known())
def test_every_entry_has_its_fields(key):
    entry, found = bibtex([key]), fields(key)
    assert {"author", "title", "year"} <= set(found)
    assert re.fullmatch(r"\{.+\}", found["title"])
    assert re.fullmatch(r"(19|20)\d\d", found["year"])
    assert ("booktitle" in found) == entry.startswith("@inproceedings{")
    for author in found["author"].split(" and "):
        assert author == "others" or ", " in author or author.startswith("{")
    if "pages" in found:
        first, _, last = found["pages"].partition("--")
        assert not last or int(first) < int(last)
    if "doi" in found:
        assert re.fullmatch(r"10\.\d{4,5}/\S+", found["doi"])


@pytest.mark.parametrize("key", sorted(set(known()) - NO_EPRINT))
def test_the_number_at_arxiv_fits_the_year(key):
    found = fields(key)
    assert found["archivePrefix"] == "arXiv"
    assert re.fullmatch(r"\d{4}\.\d{4,5}|(hep-ex|astro-ph)/\d{7}", found["eprint"])
    posted = 2000 + int(found["eprint"].split("/")[-1][:2])
    # Numbers with the name of an archive in front end in 2007, and begin in 1991.
    posted -= 100 if posted > 2090 else 0
    assert 0 <= int(found["year"]) - posted <= 2
    # From 2015 on, numbers have five digits.
    if "/" not in found["eprint"]:
        assert len(found["eprint"]) == (10 if posted >= 2015 else 9)


@pytest.mark.parametrize("field", ["eprint", "doi", "title"])
def test_no_publication_is_there_twice(field):
    values = [found[field] for found in map(fields, known()) if field in found]
    assert len(set(values)) == len(values)


def test_what_has_no_number_at_arxiv():
    assert {key for key in known() if "eprint" not in fields(key)} == NO_EPRINT


@given(st.lists(st.sampled_from(known())))
def test_entries_come_in_the_order_of_first_mention_each_once(keys):
    text = bibtex(keys)
    assert re.findall(r"^@\w+\{(.+),$", text, re.MULTILINE) == list(dict.fromkeys(keys))
    assert all(entry in TEXT for entry in text.split("\n\n"))


def test_an_unknown_key_names_near_ones():
    with pytest.raises(MissingError, match="'goodfellow2014'; nearest: goodfellow2014gan") as error:
        bibtex(["physgan", "goodfellow2014"])
    assert error.value.value == "goodfellow2014"
    with pytest.raises(MissingError, match=r"^there is no reference '0'; name a key"):
        bibtex(["0"])


def test_nothing_is_asked_for():
    assert bibtex([]) == ""


@pytest.mark.parametrize("name", detector_names())
def test_what_a_detector_names_is_cited(name):
    keys = detector_keys(name)
    assert set(keys) <= set(known())
    numbers = re.findall(r"(?:arXiv|doi):(\S+)", load_detector(name).reference)
    assert bool(numbers) == bool(keys)
    for number in numbers:
        assert f"{{{number}}}" in bibtex(keys)


def test_no_name_is_out_of_date():
    assert set(_KEYS) <= set(detector_names())


def test_an_own_detector_has_none():
    assert detector_keys("mine") == ()
    assert detector_keys("") == ()


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
