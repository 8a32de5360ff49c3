"""What detectors are built of: stacks that fill layers, and periods that go on through them."""

from __future__ import annotations

import numpy as np
import pytest

from phys_gan.detectors import (
    CartesianLayer,
    Construction,
    Detector,
    Slab,
    Stack,
    StackSlab,
    load_detector,
)
from phys_gan.errors import DetectorError

PERIOD = (
    StackSlab(material="W", thickness=1.4),
    StackSlab(material="Si", thickness=0.3, active=True),
)


def block(n: int = 3, **given: object) -> Detector:
    """Return layers of 3.4 mm, each of two periods."""
    layers = tuple(
        CartesianLayer(z=(3.4 * k, 3.4 * (k + 1)), x=(-40, 0, 40), y=(-40.0, -10.0, 5.0, 40.0))
        for k in range(n)
    )
    return Detector(name="block", layers=layers, construction=Construction(**given))


def test_a_period_goes_on_through_layers_and_is_cut_where_they_end():
    pieces = block(2, stack=(Stack(slabs=PERIOD),)).pieces()
    assert [(piece.layer, piece.material) for piece in pieces] == [
        (0, "W"),
        (0, "Si"),
        (0, "W"),
        (0, "Si"),
        (1, "W"),
        (1, "Si"),
        (1, "W"),
        (1, "Si"),
    ]
    np.testing.assert_allclose([p.z[0] for p in pieces[1:]], [p.z[1] for p in pieces[:-1]])
    assert (pieces[0].z[0], pieces[-1].z[1]) == pytest.approx((0, 6.8))
    calogan = load_detector("calogan").pieces()
    assert sum(p.z[1] - p.z[0] for p in calogan) == pytest.approx(480)
    assert {p.active for p in calogan} == {True}
    # 437 mm is inside of a gap.
    assert next(p.material for p in calogan if p.layer == 2) == "LAr"


def test_stacks_fill_layers_of_their_depth():
    deep = (*PERIOD, StackSlab(material="G4_AIR", thickness=1.7))
    front = Slab(material="Fe", thickness=10)
    pieces = block(
        3, stack=(Stack(slabs=deep, layers=2), Stack(slabs=PERIOD)), before=(front,)
    ).pieces()
    assert [piece.material for piece in pieces[:5]] == ["Fe", "W", "Si", "G4_AIR", "W"]
    assert (pieces[0].z, pieces[0].layer) == ((-10, 0), -1)
    with pytest.raises(
        ValueError, match=r"layer 0 is 3\.4 mm deep, the slabs of its stack 1\.7 mm"
    ):
        block(3, stack=(Stack(slabs=PERIOD, layers=3),))
    with pytest.raises(ValueError, match="the stacks fill 2 of 3 layers"):
        block(3, stack=(Stack(slabs=deep, layers=2),))
    with pytest.raises(ValueError, match="the stacks fill more than 3 layers"):
        block(3, stack=(Stack(slabs=deep, layers=4),))
    with pytest.raises(DetectorError, match="nothing says what 'toy-ring' is built of"):
        load_detector("toy-ring").pieces()


def test_a_stack_repeats_where_layers_end_or_not():
    front = Stack(slabs=(StackSlab(material="Fe", thickness=0.5),), repeat=1)
    stacks = (front, Stack(slabs=PERIOD, repeat=5), Stack(slabs=PERIOD[1:]))
    pieces = block(3, stack=stacks).pieces()
    assert [p.material for p in pieces[:4]] == ["Fe", "W", "Si", "W"]
    # The third plate of tungsten lies across the border at 3.4 mm.
    third = [p for p in pieces if p.material == "W"][1:3]
    assert [p.layer for p in third] == [0, 1]
    np.testing.assert_allclose([*third[0].z, *third[1].z], [2.2, 3.4, 3.4, 3.6])
    assert sum(p.z[1] - p.z[0] for p in pieces if p.material == "W") == pytest.approx(7.0)
    assert pieces[-1].z[1] == pytest.approx(10.2)
    with pytest.raises(ValueError, match=r"the stacks are 11\.9 mm deep, the layers 10\.2 mm"):
        block(3, stack=(Stack(slabs=PERIOD, repeat=7),))
    with pytest.raises(ValueError, match="the stacks fill 1 of 3 layers"):
        block(3, stack=(Stack(slabs=PERIOD, repeat=3),))
    with pytest.raises(ValueError, match="a stack that fills layers begins inside of layer 0"):
        block(3, stack=(Stack(slabs=PERIOD, repeat=1), Stack(slabs=PERIOD, layers=1)))
    with pytest.raises(ValueError, match="layers that it fills, or a repeat, not both"):
        Stack(slabs=PERIOD, repeat=1, layers=1)


def test_factors_of_stacks_multiply_and_belong_to_layers():
    stacks = (Stack(slabs=PERIOD, repeat=2, factor=3), Stack(slabs=PERIOD))
    pieces = block(3, stack=stacks, factor=10).pieces()
    assert {(p.layer, p.factor) for p in pieces} == {(0, 30), (1, 10), (2, 10)}
    with pytest.raises(ValueError, match="the stacks in layer 0 have different factors"):
        block(3, stack=(Stack(slabs=PERIOD, repeat=1, factor=3), Stack(slabs=PERIOD)))


def test_materials_are_not_made_of_themselves():
    materials = {
        "a": {"density": 1, "composition": {"b": 1}},
        "b": {"density": 1, "composition": {"a": 1}},
    }
    with pytest.raises(ValueError, match="material 'a' is made of itself"):
        Construction(stack=(Stack(slabs=PERIOD),), materials=materials)


def test_every_layer_is_read_out():
    bare = tuple(StackSlab(material=slab.material, thickness=slab.thickness) for slab in PERIOD)
    with pytest.raises(ValueError, match="no slab of layer 0 has active = true, so that nothing"):
        block(2, stack=(Stack(slabs=bare),))
    with pytest.raises(ValueError, match="no slab of layer 1 has active = true"):
        block(2, stack=(Stack(slabs=PERIOD, repeat=2), Stack(slabs=bare, repeat=2)))
