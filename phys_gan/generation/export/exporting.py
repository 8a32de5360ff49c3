"""The verb: a trained model to a file that production programs load.

What an exported model says about itself, for people and programs that cannot ask it.

The files of an export: all of them, or none.
"""

from __future__ import annotations

import hashlib
import json
import math
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phys_gan._version import __version__
from phys_gan.errors import ConfigError, OutputError
from phys_gan.files import atomic_file
from phys_gan.generation.export.ddml_grid import DdmlGrid
from phys_gan.generation.export.fastcalosim import FastCaloSim
from phys_gan.generation.export.galsim import GalSim
from phys_gan.generation.export.generic import Generic
from phys_gan.generation.export.par04 import Par04
from phys_gan.generation.export.target import Options, Port, Target
from phys_gan.generation.export.translation import (
    OPSET,
    Parity,
    compare,
    one_event,
    require_onnx,
    translate,
)
from phys_gan.generation.fastsim import FastSim, find_model
from phys_gan.model import Model

if TYPE_CHECKING:
    import onnx

__all__ = ["MARK", "TARGETS", "Export", "describe", "export", "require_free", "write_together"]

_FORMAT = "phys_gan export 1"


def describe(model: Model, target: Target) -> dict[str, Any]:
    """Return the description of a model for a target, ready for JSON."""
    encoding = model.encoding
    ranges = dict(zip(encoding.named, encoding.ranges.tolist(), strict=True))
    return {
        "format": _FORMAT,
        "phys_gan": __version__,
        "target": target.name,
        "detector": model.detector.model_dump(mode="json", exclude_none=True),
        "cells": {"unit": target.unit, "order": target.order},
        "inputs": [_port(port, target.single) for port in target.inputs],
        "outputs": [_port(target.output, target.single)],
        "conditions": ranges,
        "energy_range": ranges.get("energy"),
        "outside_the_range": "the event at the edge of the range is generated",
        "energy_scale": target.options.energy_scale,
        "settings": target.settings(),
        "opset": OPSET,
        "references": model.provenance.get("references", "").split(),
        "provenance": dict(model.provenance),
    }


def _port(port: Port, single: bool) -> dict[str, Any]:
    shape = [1 if single and size == "N" else size for size in port.shape]
    return {"name": port.name, "shape": shape, "type": "float32", "meaning": port.meaning}


MARK = "written by phys_gan"
"""What tells a file of this package from one that somebody else made."""


def require_free(paths: Iterable[Path]) -> None:
    """Raise unless files may be written, or written again.

    Raises:
        OutputError: A folder is in the place of a file, or somebody else's binning.xml.
    """
    for path in paths:
        if path.is_dir():
            raise OutputError(
                f"cannot write '{path}': it is a folder", remedy="choose another name"
            )
        # It has a name that is not the user's choice, and may describe other networks as well.
        if path.name == "binning.xml" and path.exists() and MARK.encode() not in path.read_bytes():
            raise OutputError(
                f"'{path}' is there already, and phys_gan did not write it",
                remedy="export into another folder, and join the two by hand",
            )


def write_together(contents: Mapping[Path, bytes]) -> None:
    """Write all files under temporary names, and then give them theirs.

    Raises:
        OutputError: A file cannot be written; nothing is changed then.
    """
    with ExitStack() as stack:
        for path, content in contents.items():
            stack.enter_context(atomic_file(path)).write_bytes(content)


TARGETS: dict[str, type[Target]] = {
    target.name: target for target in (Generic, Par04, DdmlGrid, FastCaloSim, GalSim)
}


@dataclass(frozen=True)
class Export:
    """What was written.

    Attributes:
        target: Name of the target.
        files: The files: the graph, its twin if there is one, the description, and the rest.
        parity: How far ONNX Runtime is from torch.
    """

    target: str
    files: tuple[Path, ...]
    parity: Parity


def export(
    model: str | Path | FastSim | Model,
    out: str | Path,
    target: str = "generic",
    *,
    energy_scale: float = 1.0,
    energy_range: tuple[float, float] | None = None,
    particle: str = "gamma",
) -> Export:
    """Write a model for another program, with a description and what that program is started with.

    Noise, units, thresholds, the order of cells and the range of conditions are all taken care
    of inside the graph. Before anything is written, ONNX Runtime must give the events of torch
    from the same noise, in, at and beyond the range of the training events.

    Arguments:
        model: A run directory, a ``.safetensors`` file, or a model.
        out: File to write, ``.onnx``; the others get its name.
        target: ``generic``, ``par04``, ``ddml-grid``, ``fastcalosim`` or ``galsim``.
        energy_scale: Factor on all cells, such as 0.033 where the training events carry 1/0.033.
        energy_range: Energies [MeV] at which the condition of ``fastcalosim`` is 0 and 1; the
            range of the training events without.
        particle: The particle whose showers these are; ``fastcalosim`` and ``ddml-grid`` ask.

    Raises:
        ConfigError: There is no such target, or the model or an option is not for it.
        DetectorError: The target cannot take the detector's cells.
        MissingError: There is no such model, or a package is not installed.
        DataError: ONNX Runtime and torch differ; nothing is written then.
        OutputError: A file cannot be written.
    """
    out = Path(out)
    _check(out, target, energy_scale, energy_range)
    require_onnx()
    opened, digest = _open(model)
    chosen = TARGETS[target](opened, Options(energy_scale, energy_range, particle))
    beside = {path: _marked(path, text).encode() for path, text in chosen.companions(out).items()}
    twin, sidecar = out.with_stem(f"{out.stem}-batch"), out.with_suffix(".json")
    require_free((out, *([twin] if chosen.twin else []), sidecar, *beside))
    graph = translate(chosen)
    _label(graph, chosen)
    many = graph.SerializeToString()
    single = one_event(graph).SerializeToString() if chosen.single else None
    parity = compare(chosen, many, single)
    contents = {out: single or many}
    if chosen.twin:
        contents[twin] = many
    hashes = {path.name: _sha256(content) for path, content in contents.items()}
    said = {
        **describe(opened, chosen),
        "sha256": {"model": digest, **hashes},
        "parity": asdict(parity),
        "files": [path.name for path in (*contents, *beside)],
    }
    contents[sidecar] = (json.dumps(said, indent=2) + "\n").encode()
    contents |= beside
    write_together(contents)
    return Export(target, tuple(contents), parity)


def _check(
    out: Path, target: str, energy_scale: float, energy_range: tuple[float, float] | None
) -> None:
    """Raise unless the options fit together."""
    if target not in TARGETS:
        raise ConfigError(
            f"'{target}' is no target; available: {', '.join(TARGETS)}",
            remedy="name one of these",
            value=target,
            constraint=tuple(TARGETS),
        )
    if out.suffix != ".onnx":
        raise ConfigError(
            f"'{out}' does not end in .onnx", remedy="name the file OUT.onnx", value=str(out)
        )
    if not 0 < energy_scale < math.inf:
        raise ConfigError(
            f"energy_scale = {energy_scale:g} is no factor on energies",
            remedy="give a number above 0, such as 0.033",
            value=energy_scale,
        )
    if energy_range is not None and target != "fastcalosim":
        raise ConfigError(
            f"'{target}' has no condition with ends", remedy="leave --energy-range out"
        )


def _open(model: str | Path | FastSim | Model) -> tuple[Model, str]:
    """Return a model, and the hash of its file."""
    if isinstance(model, str | Path):
        path = find_model(model)
        return Model.load(path), _sha256(path.read_bytes())
    opened = model.model if isinstance(model, FastSim) else model
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        opened.save(path)
        return opened, _sha256(path.read_bytes())


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _label(graph: onnx.ModelProto, target: Target) -> None:
    """Write into the graph what a program may ask it."""
    graph.producer_name, graph.producer_version = "phys_gan", __version__
    attributes = {"target": target.name, "detector": target.detector.name}
    attributes |= {key: str(value) for key, value in target.settings().items()}
    for key, value in attributes.items():
        entry = graph.metadata_props.add()
        entry.key, entry.value = key, value


def _marked(path: Path, text: str) -> str:
    """Say who wrote a file in a comment of its language."""
    by = f"{MARK} {__version__}"
    return {
        ".xml": f"<!-- {by} -->\n{text}",
        ".mac": f"# {by}\n{text}",
        ".py": f"# {by}\n{text}",
    }.get(path.suffix, text)
