"""Reading files of events, against the bare reads of h5py and uproot."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import h5py
import typer
import uproot

from benchmarks.common import SAMPLE, SampleOption, in_turns, print_header
from phys_gan.data import read, write
from phys_gan.data.containers.container import container_of


def main(
    file: Annotated[
        list[str] | None,
        typer.Argument(help="Files to read; by default the sample."),
    ] = None,
    sample: SampleOption = SAMPLE,
    times: Annotated[int, typer.Option(help="How often each is read; the best time counts.")] = 7,
) -> None:
    """Time reading of files, relative to the bare read of all their data sets or branches.

    Example: python -m benchmarks.reading --times 3
    """
    print_header("file", "bare read [ms]", "phys_gan [ms]", "relative speed")
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
    plain, ours = 1e3 * in_turns([partial(bare, path), partial(read, path)], times).min(axis=0)
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
