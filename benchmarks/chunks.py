"""Files whose chunks hold a few columns of many events: streamed, and rewritten."""

from __future__ import annotations

import tempfile
import time
import warnings
from pathlib import Path
from typing import Annotated
from unittest.mock import patch

import h5py
import numpy as np
import typer

from benchmarks.common import print_header, sparse_cells
from phys_gan.data import convert, stream
from phys_gan.errors import Notice
from phys_gan.randomness import stream as random_stream

_N_CELLS = 6480
_COLUMNS = 8
_BATCH = 256


def main(
    events: Annotated[int, typer.Option(help="Showers in each file.")] = 6000,
    streamed: Annotated[bool, typer.Option(help="Stream the files too.")] = True,
    folder: Annotated[Path | None, typer.Option(help="Where to write the files.")] = None,
) -> None:
    """Write the same showers in chunks of rows and of columns, and time what is done with them.

    Times are those of the processor.

    Example: python -m benchmarks.chunks --events 40000 --no-streamed
    """
    with tempfile.TemporaryDirectory(dir=folder) as home:
        rows, columns, out = (Path(home) / name for name in ("rows.h5", "columns.h5", "out.h5"))
        _make(rows, events, (40, _N_CELLS))
        _make(columns, events, (events, _COLUMNS))
        print_header("what", "chunks", "seconds", "times as long")
        usual = _converted(rows, out)
        _row("convert", rows, usual, usual)
        with patch("phys_gan.data.survey.spare_memory", return_value=0):
            _row("convert, block by block", columns, _converted(columns, out), usual)
        _row("convert", columns, _converted(columns, out), usual)
        if streamed:
            usual = _streamed(rows)
            _row("stream", rows, usual, usual)
            _row("stream", columns, _streamed(columns), usual)
            _row("stream what convert wrote", out, _streamed(out), usual)


def _row(what: str, path: Path, seconds: float, usual: float) -> None:
    with h5py.File(path) as file:
        sizes = " x ".join(map(str, file["showers"].chunks))
    typer.echo(f"| {what} | {sizes} | {seconds:.1f} | {seconds / usual:.2g} |")


def _make(path: Path, n_events: int, chunks: tuple[int, int]) -> None:
    random = random_stream(1, "benchmark")
    totals = np.zeros((n_events, 1), np.float32)
    with h5py.File(path, "w") as file:
        showers = file.create_dataset(
            "showers", (n_events, _N_CELLS), "f4", chunks=chunks, compression="gzip"
        )
        # Some columns of all events at a time, and the same showers in either form.
        width = _N_CELLS // 5
        for start in range(0, _N_CELLS, width):
            cells = sparse_cells(random, (n_events, width))
            showers[:, start : start + width] = cells
            totals += cells.sum(axis=1, keepdims=True)
        file["incident_energies"] = totals


def _converted(path: Path, out: Path) -> float:
    begin = time.process_time()
    convert(path, out, detector="calochallenge-2")
    return time.process_time() - begin


def _streamed(path: Path) -> float:
    begin = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Notice)
        batches = stream(path, _BATCH, detector="calochallenge-2", seed=1, epochs=1)
    for _ in batches:
        pass
    return time.process_time() - begin


if __name__ == "__main__":
    typer.run(main)
