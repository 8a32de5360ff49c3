"""The TOML file in which a user names hits and conditions."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest

from phys_gan.data.format import HitMapping, load_mapping
from phys_gan.errors import ConfigError

TEXT = """
tree = "showers"
[hits]
x = "hit_x"
y = "hit_y"
z = "hit_z"
energy = "hit_e"
length_unit = "cm"
energy_unit = "keV"
[conditions]
energy = { branch = "beam", unit = "GeV" }
angle = { branch = "tilt", unit = "deg" }
pdg = "id"
[frame]
direction = ["px", "py", "pz"]
radius = 1804.7
"""


def test_a_whole_mapping(tmp_path: Path) -> None:
    path = tmp_path / "mapping.toml"
    path.write_text(TEXT)
    mapping = load_mapping(path)
    assert mapping.tree == "showers"
    assert mapping.hits.names == ("hit_x", "hit_y", "hit_z", "hit_e")
    assert mapping.conditions["energy"].scale == 1000
    assert mapping.conditions["angle"].scale == pytest.approx(math.pi / 180, rel=1e-15)
    assert mapping.conditions["pdg"].branch == "id"
    assert mapping.conditions["pdg"].scale == 1
    assert mapping.frame is not None
    assert mapping.frame.point is None
    assert load_mapping(mapping) is mapping


def test_everything_may_be_left_out() -> None:
    assert HitMapping() == HitMapping.model_validate({})
    assert HitMapping().hits.names == ("", "", "", "")


NAMES = 'x = "a"\ny = "b"\nz = "c"\nenergy = "d"\n'


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("tree =", "is not TOML: Invalid value"),
        ("[hits]\ncolour = 1", "is wrong: hits.colour: Extra inputs are not permitted; see docs"),
        ('[hits]\nx = "a"\ny = "b"', "hits: the branches of z, energy are not named"),
        ('[hits]\nlength_unit = "inch"', "hits.length_unit: Input should be 'um', 'mm'"),
        ('[hits]\naxes = "xxy"', "hits.axes: Input should be 'xyz'"),
        (f'[hits]\ncollections = ["A"]\n{NAMES}', "hits: collections are those of EDM4hep"),
        ('[conditions]\nenergy = { branch = "e", unit = "erg" }', "'erg' is not a unit; available"),
        ('[conditions]\nenergy = ""', "conditions.energy.branch: String should have at least 1"),
        ("conditions = 3", "conditions: Input should be a valid dictionary"),
        ("[frame]\nradius = -1", "frame.radius: Input should be greater than 0"),
        ("[frame]\nradius = inf", "frame.radius"),
        ("[frame]\nhalf_length = 3", "frame: half_length needs radius"),
        ('[hits]\naxes = "zxy"\n[frame]', "with a frame, axes and depth follow from the direction"),
        ('[hits]\ndepth = "layer"\n[frame]', "with a frame, axes and depth follow"),
    ],
)
def test_wrong_mappings(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "mapping.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_mapping(path)
    assert sentence in str(caught.value)
    assert "mapping.toml' is" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_such_mapping(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read the mapping .*; check the path"):
        load_mapping(tmp_path / "none.toml")
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="is not TOML"):
        load_mapping(tmp_path / "bytes.toml")


def test_the_examples_in_the_documentation(tmp_path: Path) -> None:
    page = Path(__file__).resolve().parents[2] / "docs" / "formats.md"
    examples = re.findall(r"```toml\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    assert len(examples) == 4
    for text in examples:
        (tmp_path / "mapping.toml").write_text(text)
        mapping = load_mapping(tmp_path / "mapping.toml")
        assert mapping.hits.energy or mapping.hits.collections
