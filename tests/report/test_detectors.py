"""Drawings of detectors: what is drawn where, in all kinds of files."""

from __future__ import annotations

from pathlib import Path

import pytest
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure

from phys_gan.detectors import Detector, detector_names, load_detector
from phys_gan.errors import ConfigError, DetectorError
from phys_gan.report.detectors import detector_figure, save_detector

DRAWN = [name for name in detector_names() if not load_detector(name).is_toy]


def texts(figure: Figure) -> str:
    parts = [*figure.texts, *(text for axes in figure.axes for text in axes.texts)]
    titles = [axes.get_title("left") for axes in figure.axes]
    return "\n".join([*(part.get_text() for part in parts), *titles])


@pytest.mark.parametrize("name", DRAWN)
def test_every_detector_is_drawn(name: str) -> None:
    detector = load_detector(name)
    said = texts(detector_figure(detector))
    assert name in said
    if detector.kind == "calorimeter":
        assert {piece.material for piece in detector.pieces()} <= set(said.splitlines())


def test_notebooks_show_it() -> None:
    assert detector_figure(load_detector("calogan"))._repr_png_().startswith(b"\x89PNG")


def test_slabs_lie_where_they_are() -> None:
    side, enlarged, *fronts = detector_figure(load_detector("calogan")).axes
    lead, argon, active = side.collections[:3]
    assert isinstance(lead, PolyCollection)
    assert (len(lead.get_paths()), len(argon.get_paths())) == (80, 81)
    first = lead.get_paths()[0].get_extents()
    assert (first.x0, first.x1, first.y0, first.y1) == pytest.approx((0, 2, -240, 240))
    # Lead is read out too.
    assert len(active.get_paths()) == 161
    assert enlarged.get_xlim() == pytest.approx((0, 24))
    assert [axes.get_title("left") for axes in fronts] == [
        "layer 0: 3 x 96",
        "layer 1: 12 x 12",
        "layer 2: 12 x 6",
    ]


def test_effective_lengths_and_factor_are_named() -> None:
    said = texts(detector_figure(load_detector("calochallenge-2")))
    assert {"4.22", "10.9", "critical energy 8.23 MeV"} <= set(said.splitlines())
    assert "read out, deposits times 30.3" in said
    assert "every layer: 9 rings x 16" in said


def test_cells_without_material_are_drawn_alone() -> None:
    bare = Detector(name="a $b$", layers=load_detector("calochallenge-3").layers)
    figure = detector_figure(bare)
    (axes,) = figure.axes
    assert axes.get_title("left") == "every layer: 18 rings x 50"
    assert r"a \$b\$" in texts(figure)


@pytest.mark.parametrize(
    ("ending", "begin"), [("png", b"\x89PNG"), ("pdf", b"%PDF"), ("svg", b"<svg")]
)
def test_files_are_written(tmp_path: Path, ending: str, begin: bytes) -> None:
    path = tmp_path / f"d.{ending}"
    save_detector(load_detector("calogan"), path)
    assert path.read_bytes().startswith(begin)


def test_what_cannot_be_drawn_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DetectorError, match="'toy-ring' is a toy, whose coordinates have no place"):
        save_detector(load_detector("toy-ring"), tmp_path / "d.png")
    with pytest.raises(ConfigError, match=r"d\.gif' does not end in \.png, \.pdf, \.svg"):
        save_detector(load_detector("calogan"), tmp_path / "d.gif")
    assert not list(tmp_path.iterdir())
