"""Export: the files of an exported model, written all together or not at all; :func:`export`.

``OUT.onnx`` is the graph; ``OUT-batch.onnx``, for programs that run one event at a time, the same
for any number of events; ``OUT.json`` describes both; the others are what the program is started
with.
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
from typing import Any

from phys_gan._version import __version__
from phys_gan.errors import ConfigError, OutputError
from phys_gan.files import atomic_file
from phys_gan.generation.export.graph import (
    OPSET,
    Parity,
    compare,
    one_event,
    require_onnx,
    translate,
)
from phys_gan.generation.export.target import TARGETS, Options, Port, Target
from phys_gan.model import FastSim, Model, find_model

_FORMAT = "phys_gan export 1"
_MARK = "written by phys_gan"
"""What distinguishes a file of this package from other people's."""
_COMMENTS = {".xml": "<!-- {} -->\n", ".mac": "# {}\n", ".py": "# {}\n"}


@dataclass(frozen=True)
class Export:
    """The files of an export.

    Attributes:
        target: Name of the target.
        files: The graph, its twin if there is one, the description, and the rest.
        parity: Difference between ONNX Runtime and torch.
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
        out: File to write, ``.onnx``; the others are named after it.
        target: ``generic``, ``par04``, ``ddml-grid``, ``fastcalosim`` or ``galsim``.
        energy_scale: Factor on all cells, such as 0.033 where the training events carry 1/0.033.
        energy_range: Energies [MeV] at which the condition of ``fastcalosim`` is 0 and 1; by
            default the range of the training events.
        particle: The particle whose showers these are, for ``fastcalosim`` and ``ddml-grid``.

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

    # Files that cannot be written are found before the work.
    by = f"{_MARK} {__version__}"
    beside = {
        path: (_COMMENTS.get(path.suffix, "").format(by) + text).encode()
        for path, text in chosen.companions(out).items()
    }
    twin, sidecar = out.with_stem(f"{out.stem}-batch"), out.with_suffix(".json")
    _require_free((out, *([twin] if chosen.twin else []), sidecar, *beside))

    # The graph, labelled with what a program may ask it.
    graph = translate(chosen)
    graph.producer_name, graph.producer_version = "phys_gan", __version__
    labels = {"target": chosen.name, "detector": chosen.detector.name} | chosen.settings()
    for key, value in labels.items():
        entry = graph.metadata_props.add()
        entry.key, entry.value = key, str(value)
    many = graph.SerializeToString()
    single = one_event(graph).SerializeToString() if chosen.single else None
    parity = compare(chosen, many, single)

    contents = {out: single or many}
    if chosen.twin:
        contents[twin] = many
    hashes = {path.name: hashlib.sha256(content).hexdigest() for path, content in contents.items()}
    description = {
        **_describe(opened, chosen),
        "sha256": {"model": digest, **hashes},
        "parity": asdict(parity),
        "files": [path.name for path in (*contents, *beside)],
    }
    contents[sidecar] = (json.dumps(description, indent=2) + "\n").encode()
    contents |= beside
    _write_together(contents)
    return Export(target, tuple(contents), parity)


def _check(
    out: Path, target: str, energy_scale: float, energy_range: tuple[float, float] | None
) -> None:
    if target not in TARGETS:
        raise ConfigError(
            f"'{target}' is not a target; available: {', '.join(TARGETS)}",
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
            f"energy_scale = {energy_scale:g} is not a factor on energies",
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
        return Model.load(path), hashlib.sha256(path.read_bytes()).hexdigest()
    opened = model.model if isinstance(model, FastSim) else model
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        opened.save(path)
        return opened, hashlib.sha256(path.read_bytes()).hexdigest()


def _describe(model: Model, target: Target) -> dict[str, Any]:
    """Return the description of a model for a target, ready for JSON."""

    def described(port: Port) -> dict[str, Any]:
        shape = [1 if target.single and size == "N" else size for size in port.shape]
        return {"name": port.name, "shape": shape, "type": "float32", "meaning": port.meaning}

    encoding = model.encoding
    ranges = dict(zip(encoding.named, encoding.ranges.tolist(), strict=True))
    return {
        "format": _FORMAT,
        "phys_gan": __version__,
        "target": target.name,
        "detector": model.detector.model_dump(mode="json", exclude_none=True),
        "cells": {"unit": target.unit, "order": target.order},
        "inputs": list(map(described, target.inputs)),
        "outputs": [described(target.output)],
        "conditions": ranges,
        "energy_range": ranges.get("energy"),
        "outside_the_range": "the event at the edge of the range is generated",
        "energy_scale": target.options.energy_scale,
        "settings": target.settings(),
        "opset": OPSET,
        "references": model.provenance.get("references", "").split(),
        "provenance": dict(model.provenance),
    }


def _require_free(paths: Iterable[Path]) -> None:
    """Raise unless files may be written, or written again."""
    for path in paths:
        if path.is_dir():
            raise OutputError(
                f"cannot write '{path}': it is a folder", remedy="choose another name"
            )
        # Its name is not the user's choice, and it may describe other networks as well.
        if path.name == "binning.xml" and path.exists() and _MARK.encode() not in path.read_bytes():
            raise OutputError(
                f"'{path}' exists, and phys_gan did not write it",
                remedy="export into another folder, and join the two by hand",
            )


def _write_together(contents: Mapping[Path, bytes]) -> None:
    """Write all files under temporary names, and then rename them; on a failure nothing changes."""
    with ExitStack() as stack:
        for path, content in contents.items():
            stack.enter_context(atomic_file(path)).write_bytes(content)
