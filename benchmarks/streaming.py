"""Stream a large file with little memory, against holding it in memory."""

from __future__ import annotations

import json
import resource
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import h5py
import numpy as np
import typer

from benchmarks.common import run_child, sparse_cells
from phys_gan.data import read
from phys_gan.data.streaming import stream
from phys_gan.randomness import stream as random_stream

_N_CELLS = 6480
_BLOCK = 2000
_BATCH = 256


def main(
    gigabytes: Annotated[float, typer.Option(help="Size of the cells in the file.")] = 4.0,
    limit: Annotated[float, typer.Option(help="Address space for streaming [GB].")] = 1.5,
    gzip: Annotated[bool, typer.Option(help="Compress the file.")] = False,
    folder: Annotated[Path | None, typer.Option(help="Where to write the file.")] = None,
    child: Annotated[str, typer.Option(hidden=True)] = "",
) -> None:
    """Make a file in CaloChallenge's layout, and shuffle through it once in three ways.

    Example: python -m benchmarks.streaming --gigabytes 0.5
    """
    if child:
        name, way, use = child.rsplit("|", 2)
        typer.echo(json.dumps(_measure(Path(name), way, use, limit)))
        return
    with tempfile.TemporaryDirectory(dir=folder) as home:
        path = Path(home) / "large.h5"
        n_events = _make(path, gigabytes, gzip)
        size = path.stat().st_size / 1e9
        typer.echo(f"{n_events} showers, {gigabytes:g} GB of cells, {size:.2f} GB on disk")
        for use in ("nothing", "logarithm"):
            rows = {}
            for way in ("stream", "memory"):
                words = ["--limit", str(limit), "--child", f"{path}|{way}|{use}"]
                rows[way] = json.loads(run_child("streaming", words))
            _report(use, limit, rows["stream"], rows["memory"])


def _report(use: str, limit: float, streamed: dict[str, float], held: dict[str, float]) -> None:
    what = {"nothing": "nothing is done", "logarithm": "ln(1 + e) is taken of each cell"}[use]
    typer.echo(f"\nwith each batch {what}:")
    typer.echo(
        f"  streamed in {limit:g} GB of address space: {streamed['seconds']:.1f} s, "
        f"at most {streamed['peak']:.2f} GB resident"
    )
    epoch = held["seconds"] - held["reading"]
    typer.echo(
        f"  in memory: {held['reading']:.1f} s for reading and {epoch:.1f} s for one epoch, "
        f"{held['peak']:.2f} GB resident"
    )
    whole, alone = held["seconds"] / streamed["seconds"], epoch / streamed["seconds"]
    typer.echo(
        f"  speed of streaming: {whole:.2f} x reading and one epoch, {alone:.2f} x the epoch"
    )


def _make(path: Path, gigabytes: float, gzip: bool) -> int:
    n_events = max(_BLOCK, round(gigabytes * 1e9 / (4 * _N_CELLS) / _BLOCK) * _BLOCK)
    random = random_stream(1, "benchmark")
    options = {"compression": "gzip", "compression_opts": 1} if gzip else {}
    with h5py.File(path, "w") as file:
        showers = file.create_dataset(
            "showers", (n_events, _N_CELLS), "f4", chunks=(40, _N_CELLS), **options
        )
        energies = file.create_dataset("incident_energies", (n_events, 1), "f4")
        for start in range(0, n_events, _BLOCK):
            cells = sparse_cells(random, (_BLOCK, _N_CELLS))
            showers[start : start + _BLOCK] = cells
            energies[start : start + _BLOCK, 0] = cells.sum(axis=1)
    return n_events


def _measure(path: Path, way: str, use: str, limit: float) -> dict[str, float]:
    """Go through the file once; return the time [s] and the peak memory [GB]."""
    reading = 0.0
    if way == "stream":
        resource.setrlimit(resource.RLIMIT_AS, (int(limit * 1e9), int(limit * 1e9)))
    begin = time.perf_counter()
    if way == "stream":
        batches: Any = stream(path, _BATCH, detector="calochallenge-2", seed=1, epochs=1)
    else:
        events = read(path, detector="calochallenge-2")
        reading = time.perf_counter() - begin
        order = random_stream(1, "order").permutation(len(events))
        starts = range(0, len(events), _BATCH)
        batches = (events[order[start : start + _BATCH]] for start in starts)
    for batch in batches:
        if use == "logarithm":
            np.log1p(batch.cells)
    seconds = time.perf_counter() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    return {"seconds": seconds, "reading": reading, "peak": peak}


if __name__ == "__main__":
    typer.run(main)
