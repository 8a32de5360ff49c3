"""Reading files of events, against the bare reads of h5py and uproot.

Run ``python -m benchmarks.reading --help``.
"""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import h5py
import typer
import uproot

from benchmarks.common import SAMPLE, SampleOption
from phys_gan.data import read, write
from phys_gan.data.containers.container import container_of
from phys_gan.workflows.benchmark import seconds

__all__ = ["main"]


def main(
    file: Annotated[
        list[str] | None, typer.Argument(help="Files to read; by default the first one's layouts.")
    ] = None,
    sample: SampleOption = SAMPLE,
    times: Annotated[int, typer.Option(help="How often each is read; the best time counts.")] = 7,
) -> None:
    """Say how fast files are read, relative to the bare read of all their data sets or branches.

    Example: python -m benchmarks.reading --times 3
    """
    typer.echo("| file | bare read [ms] | phys_gan [ms] | relative speed |\n|---|---|---|---|")
    if file:
        for name in file:
            typer.echo(_row(Path(name), times))
        return
    with tempfile.TemporaryDirectory() as home:
        events = read(sample)
        for format, ending in (
            ("calogan-hdf5", "h5"),
            ("calochallenge-hdf5", "h5"),
            ("calogan-root", "root"),
        ):
            path = Path(home) / f"{format}.{ending}"
            write(path, events, format=format)
            typer.echo(_row(path, times))


def _row(path: Path, times: int) -> str:
    bare = _bare_hdf5 if container_of(path) == "HDF5" else _bare_root
    # In turns, so that what else the machine does meets both.
    pairs = [(seconds(partial(bare, path)), seconds(partial(read, path))) for _ in range(times)]
    plain, ours = (1e3 * min(column) for column in zip(*pairs, strict=True))
    return f"| {path.name} | {plain:.1f} | {ours:.1f} | {plain / ours:.2f} |"


def _bare_hdf5(path: Path) -> Any:
    arrays = []
    with h5py.File(path) as file:

        def take(name: str, entry: Any) -> None:
            if isinstance(entry, h5py.Dataset):
                arrays.append(entry[()])

        file.visititems(take)
    return arrays


def _bare_root(path: Path) -> Any:
    with uproot.open(path) as file:
        classes = file.classnames(cycle=False)
        trees = [name for name, kind in classes.items() if kind in ("TTree", "ROOT::RNTuple")]
        return [file[name].arrays() for name in trees]


if __name__ == "__main__":
    typer.run(main)
