"""Descriptions of detectors that are meant to fill the memory: one sentence at once."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from phys_gan.detectors import Detector, load_detector, read_binning_xml
from phys_gan.errors import DetectorError
from phys_gan.files import MOST_TEXT

HEAD = 'name = "x"\n[[layers]]\n'
POLAR = HEAD + 'kind = "polar"\nz = [0, 1]\n'
RING = "r = [0, 1]\n"
TEN = "1" + 400 * "0"

BOMBS: dict[str, tuple[str, str]] = {
    "axis": (POLAR + "n_alpha = 1\nr = { start = 0, stop = 1, cells = 1000000000 }", "cells"),
    "segments": (POLAR + RING + "n_alpha = 1000000000", "at most 10,000,000 may be"),
    "segments as text": (POLAR + RING + 'n_alpha = "99999999"', "n_alpha: Input should be less"),
    "pixels": (
        HEAD + 'kind = "image"\nrows = 1000000\ncolumns = 1000000\npixel_scale = 1',
        "1e+12 cells",
    ),
    "pixels as text": (
        HEAD + 'kind = "image"\nrows = "1000000"\ncolumns = "1000000"\npixel_scale = 1',
        "1e+12 cells",
    ),
    "repeats": (
        POLAR + "n_alpha = 1\nrepeat = 10000\nr = { start = 0, stop = 1, cells = 100000 }",
        "1e+09 cells",
    ),
    "layers": ('name = "x"\n' + 10_001 * '[[layers]]\nkind = "axis"\n', "10,001 layers"),
    "rotations": (
        'symmetries = ["rotate-alpha"]\n' + POLAR + RING + "n_alpha = 1000000",
        "make a table of 1,000,000,000,000 numbers",
    ),
    "symmetries": (
        "symmetries = [" + 40 * '"reflect-alpha",' + "]\n" + POLAR + RING + "n_alpha = 10",
        "make a table of",
    ),
    "large number": (POLAR + f"n_alpha = 1\nr = [0, {TEN}]", "a number is too large"),
    "large end": (
        POLAR + f"n_alpha = 1\nr = {{ start = 0, stop = {TEN}, cells = 5 }}",
        "a number is too large",
    ),
    "far ends": (
        POLAR + "n_alpha = 1\nr = { start = -1e308, stop = 1e308, cells = 5 }",
        "finite numbers",
    ),
    "digits": (POLAR + RING + f"n_alpha = 1{6000 * '0'}", "digits"),
    "brackets": ("a = " + 10**5 * "[" + 10**5 * "]", "nested too deeply"),
    "tables": ("a = " + 10**5 * "{ a = ", "nested too deeply"),
    "dots": (10**5 * "a." + "a = 1", "dots outside numbers"),
    "numbers of dots": (10**5 * "1.1." + "a = 1", "dots outside numbers"),
    "quoted dots": (10**5 * '"1.1".' + "a = 1", "dots outside numbers"),
    "length": (MOST_TEXT * "#" + "#", "characters, and at most"),
    "a long value": (
        POLAR + RING + 'n_alpha = 1\nrepeat = "' + 10**5 * "a" + '"',
        "repeat = 'aaaa",
    ),
    "markup and lines": (HEAD + 'kind = "' + 1000 * "<b>\\n\\u001b" + '"', "Input tag '<b>"),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_bombs(bomb: str) -> None:
    text, words = BOMBS[bomb]
    begin = time.process_time()
    with pytest.raises(DetectorError) as caught:
        Detector.from_toml(text, "mine.toml")
    # What is refused is not made: seconds would mean that it was.
    assert time.process_time() - begin < 5
    said = str(caught.value)
    assert said.startswith("'mine.toml' is not")
    assert words in said
    assert len(said) < 500
    assert said.isprintable()


def test_large_detectors_are_possible() -> None:
    text = POLAR + "n_alpha = 100\nr = { start = 0, stop = 1, cells = 1000 }\nrepeat = 50"
    assert Detector.from_toml(text).n_cells == 5_000_000
    edges = ", ".join(f"{k}.{k % 7}" for k in range(20_000))
    detector = Detector.from_toml(POLAR + f"n_alpha = 1\nr = [{edges}]")
    assert Detector.from_toml(detector.to_toml()) == detector


ENTITIES = """<?xml version="1.0"?>
<!DOCTYPE lolz [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>
<Bins><Bin name="&b;"/></Bins>"""
OUTSIDE = """<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><Bins><Bin name="&e;"/></Bins>"""
BIN = '<Bins><Bin pid="22"><Layer id="0" r_edges="0,1" n_bin_alpha="{}"/></Bin></Bins>'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (ENTITIES, "declares a document type"),
        (OUTSIDE, "declares a document type"),
        (10**5 * "<a>", "is not XML"),
        ("<Bins>" + MOST_TEXT * " " + "</Bins>", "characters, and at most"),
        (BIN.format("99999999"), "at most 10,000,000 may be"),
        (BIN.format(5000 * "9"), "digits"),
        (BIN.format(10**6), "make a table of"),
        ('<Bins><Bin name="' + 10**5 * "a" + '"/><Bin/></Bins>', "it holds aaa"),
    ],
)
def test_xml_bombs(text: str, words: str) -> None:
    with pytest.raises(DetectorError) as caught:
        read_binning_xml(text, source="b.xml")
    said = str(caught.value)
    assert words in said
    assert len(said) < 600


def test_xml_in_another_encoding_is_no_way_round(tmp_path: Path) -> None:
    path = tmp_path / "b.xml"
    path.write_bytes(ENTITIES.replace("1.0", '1.0" encoding="utf-16').encode("utf-16"))
    with pytest.raises(DetectorError, match="it is not text"):
        load_detector(path)
