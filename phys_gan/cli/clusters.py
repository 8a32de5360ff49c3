"""The workers that ``--cluster`` names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from phys_gan.workflows.cluster import Cluster

__all__ = ["on_cluster"]


@contextmanager
def on_cluster(address: str | None) -> Iterator[Cluster | None]:
    """Connect to the workers at an address and say how many there are; None where none is named."""
    if address is None:
        yield None
        return
    from phys_gan.workflows.cluster import connect

    with connect(address) as cluster:
        n = cluster.n_workers
        said = f"{n} workers" if n else "no workers yet: waiting for some"
        typer.echo(f"{address}: {said}", err=True)
        yield cluster
