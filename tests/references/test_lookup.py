"""The file of references: every entry is whole, and is found by its key."""

import re
from importlib import resources
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phys_gan.errors import MissingError
from phys_gan.references import bibtex, known

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
