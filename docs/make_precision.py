"""Measure what arithmetic changes in events: ``python docs/make_precision.py [--compiled]``.

Prints the tables of docs/precision.md and puts them there: half a minute on one core, and another
one for compiling. Without onnxruntime, or with one core, the rows that need them are left out.
"""

from __future__ import annotations

import copy
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

import phys_gan as pg
from phys_gan.model import Model
from phys_gan.randomness import noise_on, normal_noise
from phys_gan.workflows import demo_sample

PAGE = Path(__file__).parent / "precision.md"
SEED = 5
N, N_ONE = 10_000, 500
BATCH = 500
"""Showers at once in double precision."""

HEADER = (
    "instead of float32, batches of 2,048, one thread",
    "cells: mean, max",
    "energy of a shower: mean, max",
    "hits in one only, per million",
    "showers equal bit for bit",
)

Cells = NDArray[np.floating]


def main(compiled: bool) -> None:
    """Measure, and put the tables into the page."""
    torch.set_num_threads(1)
    fast = pg.FastSim.load("calogan-eplus", "cpu")
    model = fast.model
    # Inside the range: beyond it an exported model stays at the edge.
    energy = np.geomspace(*model.encoding.energy_range.tolist(), N)
    usual = fast.generate({"energy": energy}, SEED).cells
    rows = [row(name, cells, usual) for name, cells in others(fast, energy, compiled)]
    fill("events", HEADER, rows)
    fill("pieces", ("what", "largest difference"), list(pieces(model, energy, usual)))


def others(
    fast: pg.FastSim, energy: NDArray[np.float64], compiled: bool
) -> Iterator[tuple[str, Cells]]:
    """Yield the same showers made in other ways: name, cells (N, n_cells)."""
    named = {"energy": energy}
    yield "the same again", fast.generate(named, SEED).cells
    halves = [
        fast.generate({"energy": part}, SEED, first=first).cells
        for first, part in ((0, energy[: N // 2]), (N // 2, energy[N // 2 :]))
    ]
    yield "two halves, one after the other", np.concatenate(halves)
    yield "batches of 100", fast.generate(named, SEED, batch_size=100).cells
    first = {"energy": energy[:N_ONE]}
    yield f"one at a time ({N_ONE} showers)", fast.generate(first, SEED, batch_size=1).cells
    if (os.cpu_count() or 1) > 1:
        torch.set_num_threads(2)
        yield "two threads", fast.generate(named, SEED).cells
        torch.set_num_threads(1)
    if find_spec("onnxruntime") is not None:
        yield "ONNX Runtime", in_onnx(fast.model, energy)
    yield "float64, network and decoding", in_double(fast.model, energy)
    if compiled:
        yield "compiled", replace(fast, compiled=True).generate(named, SEED).cells
    yield "bfloat16", replace(fast, precision="bfloat16").generate(named, SEED).cells


def in_double(model: Model, energy: NDArray[np.float64]) -> Cells:
    """Return the showers of a model whose network and decoding are in double precision."""
    generator = copy.deepcopy(model.generator).double()
    encoding = copy.deepcopy(model.encoding).double()
    z = torch.from_numpy(normal_noise(SEED, 0, len(energy), generator.latent)).double()
    c = model.encoding.encode_conditions({"energy": energy}, len(energy)).double()
    with torch.inference_mode():
        parts = zip(z.split(BATCH), c.split(BATCH), strict=True)
        return torch.cat([encoding.decode(generator(*part), part[1]) for part in parts]).numpy()


def in_onnx(model: Model, energy: NDArray[np.float64]) -> Cells:
    """Return the showers of the exported model in ONNX Runtime."""
    import onnxruntime

    noise = normal_noise(SEED, 0, len(energy), model.generator.latent)
    with tempfile.TemporaryDirectory() as folder:
        pg.export(model, Path(folder) / "model.onnx")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(
            Path(folder) / "model.onnx", options, providers=["CPUExecutionProvider"]
        )
        given = {"noise": noise, "energy": energy[:, np.newaxis].astype(np.float32)}
        cells: Cells = session.run(["cells"], given)[0]
    return cells


def row(name: str, cells: Cells, usual: Cells) -> tuple[str, ...]:
    """Compare showers with the usual ones, those of the same numbers."""
    one, two = cells.astype(np.float64), usual[: len(cells)].astype(np.float64)
    apart = np.abs(one - two) / two.max(axis=1, keepdims=True)
    hit = (one > 0) | (two > 0)
    total = np.abs(one.sum(axis=1) / two.sum(axis=1) - 1)
    flips = ((one > 0) != (two > 0)).sum() / hit.sum()
    return (
        name,
        f"{apart[hit].mean():.1g}, {apart.max():.1g}",
        f"{total.mean():.1g}, {total.max():.1g}",
        f"{1e6 * flips:,.0f}",
        f"{(one == two).all(axis=1).mean():.0%}",
    )


def pieces(model: Model, energy: NDArray[np.float64], usual: Cells) -> Iterator[tuple[str, str]]:
    """Yield what is said of noise, sums and layer energies: what, largest difference."""
    size = model.generator.latent
    noise = normal_noise(SEED, 0, N, size)
    alone = np.concatenate([normal_noise(SEED, first, 1, size) for first in range(N_ONE)])
    found = {
        "latents of one shower at a time and of all at once": np.abs(alone - noise[:N_ONE]).max(),
        "latents by torch, as on a GPU, and by NumPy": np.abs(
            noise_on("cpu", SEED, 0, N, size).numpy() - noise
        ).max(),
        "energy of a layer with its cells and with those of another shower, relative": closure(
            model, torch.from_numpy(noise), energy
        ),
        "sum of a shower in float32 and in float64, relative": relative(
            usual.sum(axis=1), usual.sum(axis=1, dtype=np.float64)
        ),
    }
    there_and_back = again(model)
    found["a cell of Geant4, encoded and decoded, relative: half of the hits"] = np.quantile(
        there_and_back, 0.5
    )
    found["the same: 99 % of the hits"] = np.quantile(there_and_back, 0.99)
    for what, difference in found.items():
        yield what, f"{difference:.1g}"


def closure(model: Model, z: Tensor, energy: NDArray[np.float64]) -> float:
    """Return how far layer energies move when a shower gets the cells of its neighbour.

    They are numbers of their own in front of the cells, so nothing but rounding may change.
    """
    encoding, front = model.encoding, model.encoding.n_globals
    with torch.inference_mode():
        c = encoding.encode_conditions({"energy": energy}, len(energy))
        parts = zip(z.split(BATCH), c.split(BATCH), strict=True)
        raw = torch.cat([model.generator(*part) for part in parts])
        mixed = torch.cat([raw[:, :front], raw[:, front:].roll(1, 0)], dim=1)
        one, two = (
            pg.Events(encoding.decode(x, c).numpy(), {"energy": energy}, model.detector)
            for x in (raw, mixed)
        )
    first, second = one.layer_energies(), two.layer_energies()
    # A layer with less than one smallest cell is empty whatever its cells are.
    full = (first > 0) & (second > 0)
    return relative(first[full], second[full])


def again(model: Model) -> NDArray[np.float64]:
    """Return how far each hit of Geant4's showers is from itself, encoded and decoded, (hits,)."""
    geant4 = pg.read(demo_sample())
    cells = model.encoding.decode(*model.encoding.encode(geant4)).numpy()
    hit = (geant4.cells > 0) & (cells > 0)
    return np.abs(cells[hit].astype(np.float64) / geant4.cells[hit] - 1)


def relative(one: Cells, two: Cells) -> float:
    """Return the largest relative difference."""
    return float(np.abs(one / two - 1).max())


def fill(mark: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table, and put it between its marks in the page."""
    lines = [header, ["---"] * len(header), *rows]
    table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    sys.stdout.write(f"{table}\n\n")
    begin, end = f"<!-- {mark} -->", f"<!-- /{mark} -->"
    head, rest = PAGE.read_text("utf-8").split(begin)
    tail = rest.split(end)[1]
    PAGE.write_text(f"{head}{begin}\n{table}\n{end}{tail}", "utf-8")


if __name__ == "__main__":
    main("--compiled" in sys.argv[1:])
