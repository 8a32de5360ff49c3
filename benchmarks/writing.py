"""Writing files of events, against h5py's own compression in one thread."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import h5py
import numpy as np
import typer

from benchmarks.common import SAMPLE, SampleOption, print_header
from phys_gan.data import join, read, writing
from phys_gan.events import Events
from phys_gan.randomness import stream as random_stream

_CHUNK_BYTES = 1 << 20
_LAYOUTS = (
    ("calogan-hdf5", ".h5"),
    ("calochallenge-hdf5", ".h5"),
    ("calogan-root", ".root"),
    ("hits-root", ".root"),
)


class _Cost(NamedTuple):
    """What writing took: seconds on the clock, seconds of all cores, bytes on disk."""

    wall: float
    cores: float
    size: float


def main(
    n: Annotated[int, typer.Option("-n", help="Number of showers.")] = 100_000,
    sample: SampleOption = SAMPLE,
    block: Annotated[int, typer.Option(help="Showers that come at once.")] = 16_384,
    times: Annotated[int, typer.Option(help="How often each is written; the best counts.")] = 3,
    folder: Annotated[Path | None, typer.Option(help="Where to write.")] = None,
) -> None:
    """Time writing of showers, and measure the size of the files.

    Example: python -m benchmarks.writing -n 20000
    """
    events = read(sample)
    blocks = [_drawn(events, min(block, n - start), start) for start in range(0, n, block)]
    volume = 4 * n * events.detector.n_cells / 1e6
    with tempfile.TemporaryDirectory(dir=folder) as home:
        ways: dict[str, Callable[[], Path]] = {
            "h5py alone: gzip 1, shuffle": partial(_plain, Path(home) / "plain.h5", blocks)
        }
        for layout, ending in _LAYOUTS:
            path = Path(home) / f"{layout}{ending}"
            ways[layout] = partial(_written, path, layout, blocks)
        parts = [
            _written(Path(home) / f"part{number:06d}.h5", "calogan-hdf5", [events])
            for number, events in enumerate(blocks)
        ]
        ways["parts joined, calogan-hdf5"] = partial(_joined, parts, Path(home) / "joined.h5")
        # In turns, so that other work on the machine meets all.
        rounds = [{name: _cost(way) for name, way in ways.items()} for _ in range(times)]
    best = {
        name: _Cost(
            *(min(values) for values in zip(*(costs[name] for costs in rounds), strict=True))
        )
        for name in ways
    }
    plain = next(iter(best.values()))
    typer.echo(f"{n} showers of {events.detector.n_cells} cells, {volume:.0f} MB of them\n")
    print_header("way", "showers/s", "MB/s of cells", "relative speed", "core-µs per shower",
                 "bytes per shower", "relative size")  # fmt: skip
    for name, cost in best.items():
        typer.echo(
            f"| {name} | {n / cost.wall:,.0f} | {volume / cost.wall:.0f} | "
            f"{plain.wall / cost.wall:.2f} | {1e6 * cost.cores / n:.1f} | {cost.size / n:.0f} | "
            f"{cost.size / plain.size:.2f} |"
        )


def _drawn(events: Events, n: int, start: int) -> Events:
    """Draw showers with replacement, and scale each, so that no two are alike."""
    random = random_stream(1, f"benchmark {start}")
    rows = random.integers(0, len(events), n)
    scale = random.uniform(0.9, 1.1, n)
    cells = events.cells[rows] * scale[:, np.newaxis].astype(np.float32)
    return Events(cells, {"energy": events.energy[rows] * scale}, events.detector)


def _cost(way: Callable[[], Path]) -> _Cost:
    wall, cores = time.perf_counter(), time.process_time()
    path = way()
    return _Cost(time.perf_counter() - wall, time.process_time() - cores, path.stat().st_size)


def _written(path: Path, layout: str, blocks: list[Events]) -> Path:
    with writing(path, blocks[0], layout) as add:
        for events in blocks:
            add(events)
    return path


def _plain(path: Path, blocks: list[Events]) -> Path:
    """Write the data sets of CaloGAN's layout as anybody would with h5py."""
    with h5py.File(path, "w") as file:
        for events in blocks:
            _append(file, "energy", events.energy[:, np.newaxis] / 1e3)
            for k in range(events.detector.n_layers):
                _append(file, f"layer_{k}", events.layer(k))
    return path


def _append(file: Any, name: str, values: Any) -> None:
    if name not in file:
        rows = max(1, min(len(values), _CHUNK_BYTES // values[:1].nbytes))
        file.create_dataset(
            name,
            data=values,
            maxshape=(None, *values.shape[1:]),
            chunks=(rows, *values.shape[1:]),
            compression="gzip",
            compression_opts=1,
            shuffle=True,
        )
        return
    data_set = file[name]
    first = len(data_set)
    data_set.resize(first + len(values), axis=0)
    data_set[first:] = values


def _joined(parts: list[Path], path: Path) -> Path:
    join(parts, path)
    return path


if __name__ == "__main__":
    typer.run(main)
