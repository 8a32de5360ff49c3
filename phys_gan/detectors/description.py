"""A detector in words: :func:`describe`; what it is made of, and what full simulation lacks.

:class:`Matter` is what a shower sees of the slabs: depth in radiation lengths, the mean medium.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from phys_gan.detectors.construction import Piece, Stack
from phys_gan.detectors.detector import Detector
from phys_gan.detectors.layers import CartesianLayer, ImageLayer, Layer, PolarLayer, ShowerLayer
from phys_gan.detectors.materials import Material, find_material, mixture
from phys_gan.errors import DetectorError

_COLUMN = 20
_WIDTH = 100
_SPACE = "\xa0"
"""Where lines are not broken."""
_ALIKE = 0.02
"""Layers whose depths differ by less are described together [mm]: those of files are rounded."""


@dataclass(frozen=True)
class Matter:
    """The slabs of a calorimeter, as an electromagnetic shower sees them.

    Attributes:
        pieces: All slabs from front to back.
        materials: What they are made of, by name in the order of appearance; None where the
            properties of a material are not known here.
    """

    pieces: tuple[Piece, ...]
    materials: Mapping[str, Material | None]

    @classmethod
    def of(cls, detector: Detector) -> Matter:
        """Return that of a detector.

        Raises:
            DetectorError: It is not a calorimeter, or nothing says what it is built of.
        """
        pieces = detector.pieces()
        assert detector.built is not None
        own = {
            name: (made.density, made.composition)
            for name, made in detector.built.materials.items()
        }

        def known(name: str) -> Material | None:
            try:
                return find_material(name, own)
            except DetectorError:
                return None

        names = dict.fromkeys(piece.material for piece in pieces)
        return cls(tuple(pieces), {name: known(name) for name in names})

    @property
    def inside(self) -> list[Piece]:
        """The slabs of the layers."""
        return [piece for piece in self.pieces if piece.layer >= 0]

    def radiation_lengths(self, pieces: Iterable[Piece]) -> float:
        """Return the depth of slabs [X_0]; NaN where a material is not known."""
        return sum((self._lengths(piece) for piece in pieces), 0.0)

    def _lengths(self, piece: Piece) -> float:
        material = self.materials[piece.material]
        return (piece.z[1] - piece.z[0]) / material.length if material else math.nan

    def mean(self) -> Material | None:
        """Return the mean of the layers by weight; None where a material is not known."""
        found = []
        for piece in self.inside:
            material = self.materials[piece.material]
            if material is None:
                return None
            found.append((material.density * (piece.z[1] - piece.z[0]), material))
        grams = sum(gram for gram, _ in found)
        depth = sum(piece.z[1] - piece.z[0] for piece in self.inside)
        return mixture([(gram / grams, material) for gram, material in found], grams / depth)


def describe(detector: Detector) -> list[str]:
    """Describe a detector in lines: cells, layers, materials, and what full simulation lacks."""
    lines = [_line("detector", detector.name)]
    for label, text in (("", detector.description), ("reference", detector.reference)):
        lines += [_line(label, text)] if text else []
    if detector.is_toy:
        names = ", ".join(layer.name for layer in detector.layers)
        return [*lines, _line("coordinates", names)]
    unit = f", in {detector.cell_unit}" if detector.cell_unit else ""
    threshold = f", hit above {detector.threshold:g}" if detector.threshold else ""
    count = f"{detector.n_layers} layer{'s' if detector.n_layers > 1 else ''}"
    lines.append(_line("cells", f"{detector.n_cells:,} in {count}{unit}{threshold}"))
    if detector.symmetries:
        lines.append(_line("symmetries", ", ".join(detector.symmetries)))
    for first, last, layer in layer_groups(detector):
        numbers = f"layer {first}" if first == last else f"layers {first}–{last}"
        lines.append(_line(numbers, _cells(layer)))
    if detector.kind != "calorimeter":
        return lines
    lines += _built(detector)
    if sampling := detector.sampling:
        lines.append(
            _line(
                "response", f"{sampling.response:g} of the incident energy, in parametric showers"
            )
        )
    lacking = missing(detector)
    lines.append(_line("full simulation", lacking[0] if lacking else "nothing is missing"))
    return lines + [_line("", text) for text in lacking[1:]]


def missing(detector: Detector) -> list[str]:
    """Return what full simulation of a calorimeter lacks, in sentences; nothing if it is complete.

    Raises:
        DetectorError: It is not a calorimeter.
    """
    if detector.kind != "calorimeter":
        raise DetectorError(
            f"'{detector.name}' is not a calorimeter", remedy="name one", value=detector.name
        )
    try:
        matter = Matter.of(detector)
    except DetectorError as error:
        return [str(error)]
    found = [
        f"'{name}' is not known here: unless it is a name of Geant4's, declare it under "
        "[construction.materials]"
        for name, material in matter.materials.items()
        if material is None
    ]
    return found


def detector_table(detectors: Sequence[Detector]) -> list[str]:
    """Return a table of detectors: name, kind, cells, layers, description."""
    rows = [("name", "kind", "cells", "layers", "description")]
    for each in detectors:
        count = f"{each.n_cells:,}"
        rows.append((each.name, each.kind, count, str(each.n_layers), each.description))
    name, kind, cells, layers = (max(len(row[i]) for row in rows) for i in range(4))
    return [
        f"{a:{name}}  {b:{kind}}  {c:>{cells}}  {d:>{layers}}  {text}".rstrip()
        for a, b, c, d, text in rows
    ]


def layer_groups(detector: Detector) -> Iterator[tuple[int, int, Layer]]:
    """Yield first and last number of layers in a row whose cells and depth are alike, and one."""
    first = 0
    for k in range(1, detector.n_layers + 1):
        if k == detector.n_layers or not _alike(detector.layers[first], detector.layers[k]):
            yield first, k - 1, detector.layers[first]
            first = k


def _alike(one: Layer, other: Layer) -> bool:
    depths = [layer.thickness if isinstance(layer, ShowerLayer) else 0.0 for layer in (one, other)]
    if abs(depths[0] - depths[1]) > _ALIKE:
        return False
    place = {"name", "z"}
    return one.model_dump(exclude=place) == other.model_dump(exclude=place)


def stack_text(stack: Stack) -> str:
    """Return the slabs of a stack on one line.

    Example:
        >>> from phys_gan.detectors import load_detector
        >>> stack_text(load_detector("calochallenge-2").built.stack[0])
        'W 1.4, Si 0.3* mm, to the back'
    """
    return _stack_text(stack).replace(_SPACE, " ")


def _stack_text(stack: Stack) -> str:
    slabs = ", ".join(
        f"{slab.material}{_SPACE}{slab.thickness:g}{'*' if slab.active else ''}"
        for slab in stack.slabs
    )
    if stack.layers:
        return f"{slabs} mm, in {stack.layers} layer{'s' if stack.layers > 1 else ''}"
    if stack.repeat:
        return f"{slabs} mm" + (f", {stack.repeat} times" if stack.repeat > 1 else "")
    return f"{slabs} mm, to the back"


def _line(label: str, text: str) -> str:
    """Return a line with its label in front, wrapped where it is long."""
    wrapped = textwrap.fill(
        text,
        _WIDTH,
        initial_indent=f"{label:{_COLUMN}}",
        subsequent_indent=" " * _COLUMN,
        break_on_hyphens=False,
        break_long_words=False,
    )
    return wrapped.replace(_SPACE, " ")


def _cells(layer: Layer) -> str:
    """Return the cells of a layer in words."""
    first, second = layer.shape
    if isinstance(layer, ImageLayer):
        return f"{first} x {second} pixels of {layer.pixel_scale:g} arcsec"
    assert isinstance(layer, ShowerLayer)
    deep = f"{layer.thickness:.4g} mm deep, "
    if isinstance(layer, PolarLayer):
        rings = f"{second} rings from {layer.r[0]:g} to {layer.r[-1]:g} mm"
        return f"{deep}{rings}" + (f", each in {first} segments" if first > 1 else "")
    assert isinstance(layer, CartesianLayer)
    sizes = " x ".join(_pitch(edges) for edges in (layer.x, layer.y))
    return f"{deep}{first} x {second} cells of {sizes} mm"


def _pitch(edges: Sequence[float]) -> str:
    widths = [high - low for low, high in pairwise(edges)]
    low, high = f"{min(widths):.4g}", f"{max(widths):.4g}"
    return low if low == high else f"{low}–{high}"


def _built(detector: Detector) -> list[str]:
    """Return what the slabs are, and what a shower sees of them."""
    try:
        matter = Matter.of(detector)
    except DetectorError:
        return []
    built, inside = detector.built, matter.inside
    assert built is not None
    depth = inside[-1].z[1] - inside[0].z[0]
    lines = [_line("depth", f"{depth:.4g} mm, {_x0(matter.radiation_lengths(inside))}")]
    front = [piece for piece in matter.pieces if piece.z[1] <= inside[0].z[0]]
    behind = [piece for piece in matter.pieces if piece.z[0] >= inside[-1].z[1]]
    for label, pieces in (("in front", front), ("behind", behind)):
        if pieces:
            slabs = ", ".join(f"{p.material} {p.z[1] - p.z[0]:.4g}" for p in pieces)
            lines.append(_line(label, f"{slabs} mm, {_x0(matter.radiation_lengths(pieces))}"))
    if mean := matter.mean():
        lines.append(
            _line(
                "mean",
                f"X0 {mean.length:.3g} mm, Moliere radius {mean.moliere_radius:.3g} mm, "
                f"critical energy {mean.critical_energy:.3g} MeV",
            )
        )
    for i, stack in enumerate(built.stack):
        lines.append(_line("" if i else "slabs (* read out)", _stack_text(stack)))
    longest = max((len(name) for name in matter.materials), default=0)
    for i, (name, material) in enumerate(matter.materials.items()):
        text = f"{name:{max(12, longest)}} {_properties(material)}"
        lines.append(_line("" if i else "materials", text))
    lines += _readout(detector, matter)
    return lines


def _readout(detector: Detector, matter: Matter) -> list[str]:
    built, inside = detector.built, matter.inside
    assert built is not None
    active = sum(p.z[1] - p.z[0] for p in inside if p.active)
    share = active / (inside[-1].z[1] - inside[0].z[0])
    factors = sorted({p.factor for p in inside if p.active} - {1.0})
    scaled = f", deposits times {', '.join(f'{f:.4g}' for f in factors)}" if factors else ""
    lines = [_line("read out", f"{share:.0%} of the depth{scaled}")]
    if built.birks:
        lines.append(_line("", f"Birks' constant {built.birks:g} mm/MeV"))
    if built.beside:
        lines.append(_line("beside", f"{built.beside}, {built.margin:g} mm wide"))
    if built.gun:
        lines.append(_line("gun", f"{built.gun:g} mm in front of the first slab"))
    if any(built.field):
        lines.append(_line("field", f"({', '.join(f'{b:g}' for b in built.field)}) T"))
    return lines


def _x0(lengths: float) -> str:
    return "an unknown number of X0" if math.isnan(lengths) else f"{lengths:.3g} X0"


def _properties(material: Material | None) -> str:
    if material is None:
        return "not known here"
    return (
        f"{material.density:.4g} g/cm3, X0 {_length(material.length)}, "
        f"Moliere radius {_length(material.moliere_radius)}"
    )


def _length(value: float) -> str:
    return f"{value:.3g} mm" if value < 999.5 else f"{value / 1e3:.3g} m"
