"""Make a ROOT file for the tutorial: ``python make_own_showers.py GEOMETRY.toml OUT.root N``.

It stands in for the file of a reader's own full simulation: a tree of hits whose names and units
are not those of phys_gan. Parametric showers are cut into hits at random places of their cells.
"""

from __future__ import annotations

import sys

import awkward as ak
import numpy as np
import uproot

import phys_gan as pg


def main(geometry: str, out: str, n: str) -> None:
    """Write N electrons of 1 to 50 GeV as hits in cm and MeV, and their energies in GeV."""
    detector = pg.load_detector(geometry)
    events = pg.simulate(detector, int(n), particle="e-", energy=(1e3, 5e4), seed=1)
    event, cell = np.nonzero(events.cells)
    counts = np.bincount(event, minlength=len(events))
    places = np.column_stack([detector.positions, detector.depths[detector.layer_of_cell]])
    sizes = np.concatenate(
        [
            np.tile([layer.x[1] - layer.x[0], layer.y[1] - layer.y[0], layer.thickness], (k, 1))
            for layer in detector.layers
            for k in [layer.n_cells]
        ]
    )
    somewhere = np.random.default_rng(1).uniform(-0.5, 0.5, (len(cell), 3)) * sizes[cell]
    hits = ((places[cell] + somewhere) / 10).astype(np.float32)  # cm
    columns = {"posX": hits[:, 0], "posY": hits[:, 1], "posZ": hits[:, 2]}
    columns["dE"] = events.cells[event, cell]  # MeV
    branches = {name: ak.unflatten(column, counts) for name, column in columns.items()}
    with uproot.recreate(out) as file:
        file["sim"] = {**branches, "Ebeam": events.energy / 1000}  # GeV
    print(f"{len(events)} showers with {len(cell)} hits are in {out}")  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
