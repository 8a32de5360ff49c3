"""Detectors in words: lines, radiation lengths, and what full simulation lacks."""

from __future__ import annotations

import math

import pytest

from phys_gan.detectors import Detector, load_detector
from phys_gan.detectors.construction import Construction, Slab, Stack, StackSlab
from phys_gan.detectors.description import Matter, describe, detector_table, layer_groups, missing
from phys_gan.errors import DetectorError


def test_depth_and_mean_are_those_of_the_slabs() -> None:
    matter = Matter.of(load_detector("calogan"))
    # 80 periods of 2 mm of lead and 4 mm of argon: 2 / 5.612 + 4 / 140.0 X0 each (PDG).
    assert matter.radiation_lengths(matter.inside) == pytest.approx(80 * 0.38494, rel=1e-3)
    mean = matter.mean()
    assert mean is not None
    assert mean.length == pytest.approx(6 / 0.38494, rel=1e-3)
    assert mean.density == pytest.approx((2 * 11.35 + 4 * 1.396) / 6)
    # 1 / R_M = sum of w_i E_c,i / X_0,i / E_s.
    assert 1 / mean.moliere_radius == pytest.approx((2 / 16.02 + 4 / 90.43) / 6, rel=2e-3)


def test_a_calorimeter_in_words() -> None:
    text = "\n".join(describe(load_detector("calochallenge-2")))
    assert "6,480 in 45 layers, in MeV, hit above 0.01515" in text
    assert (
        "layers 0–44         3.4 mm deep, 9 rings from 0 to 41.85 mm, each in 16 segments" in text
    )
    assert "153 mm, 36.3 X0" in text
    assert "W 1.4, Si 0.3* mm, to the back" in text
    assert "18% of the depth, deposits times 30.3" in text
    assert text.endswith("full simulation     nothing is missing")
    for line in describe(load_detector("ild-ecal")):
        assert max(map(len, line.splitlines())) <= 100


def test_what_is_around_the_cells_is_told() -> None:
    around = Construction(
        stack=(Stack(slabs=(StackSlab(material="Pb", thickness=1, active=True),)),),
        before=(Slab(material="Fe", thickness=17.57),),
        beside="air",
        gun=500,
        field=(0, 3.5, 0),
        birks=0.126,
    )
    text = "\n".join(describe(load_detector("calogan").model_copy(update={"construction": around})))
    assert "in front            Fe 17.57 mm, 1 X0" in text
    assert "beside              air, 260 mm wide" in text
    assert "gun                 500 mm in front of the first slab" in text
    assert "field               (0, 3.5, 0) T" in text
    assert "Birks' constant 0.126 mm/MeV" in text


def test_what_full_simulation_lacks_is_named() -> None:
    calogan = load_detector("calogan")
    bare = calogan.model_copy(update={"sampling": None})
    (sentence,) = missing(bare)
    assert "nothing says what 'calogan' is built of" in sentence
    assert "[[construction.stack]]" in sentence
    assert "full simulation     nothing says" in "\n".join(describe(bare))
    stack = Stack(slabs=(StackSlab(material="unobtainium", thickness=1, active=True),))
    exotic = calogan.model_copy(update={"construction": Construction(stack=(stack,))})
    (material,) = missing(exotic)
    assert "'unobtainium' is not known here" in material
    matter = Matter.of(exotic)
    assert matter.mean() is None
    assert math.isnan(matter.radiation_lengths(matter.inside))
    with pytest.raises(DetectorError, match="'toy-ring' is not a calorimeter"):
        missing(load_detector("toy-ring"))


def test_images_and_toys_in_words() -> None:
    assert "32 x 32 pixels of 0.2 arcsec" in describe(load_detector("galaxies-32"))[-1]
    assert describe(load_detector("toy-ring"))[-1] == "coordinates         x, y"


def test_layers_alike_are_told_together() -> None:
    groups = [(first, last) for first, last, _ in layer_groups(load_detector("ild-ecal"))]
    assert groups == [(0, 0), (1, 18), (19, 19), (20, 29)]
    assert [last for _, last, _ in layer_groups(load_detector("calogan"))] == [0, 1, 2]


def test_the_table_has_a_row_for_each() -> None:
    own = Detector(name="own", layers=load_detector("calogan").layers)
    head, first, second = detector_table([load_detector("toy-grid"), own])
    assert head.split() == ["name", "kind", "cells", "layers", "description"]
    assert first.split()[:4] == ["toy-grid", "points", "2", "2"]
    assert second.split() == ["own", "calorimeter", "504", "3"]
