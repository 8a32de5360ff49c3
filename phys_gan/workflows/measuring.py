"""Measure the events of files on the workers of a cluster."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from threadpoolctl import threadpool_limits

from phys_gan._version import __version__
from phys_gan.data import Blocks
from phys_gan.validation.measuring import Measured, Measurement
from phys_gan.workflows.cluster import Cluster
from phys_gan.workflows.sharing import require_shared

__all__ = ["measure_on"]


def measure_on(
    cluster: Cluster,
    source: Blocks,
    name: str,
    *,
    parts: int | None = None,
    report: Callable[[int], None] | None = None,
    **given: Any,
) -> Measured:
    """Measure files as :func:`~phys_gan.validation.measuring.measure_sample` does, on workers.

    Arguments:
        cluster: The workers, which see the files under the same paths.
        source: The files.
        name: What the sample is called.
        parts: In how many parts they are measured; by default as many as suit the cluster.
        report: Called with the number of events done.
        given: Further arguments of ``measure_sample``.

    Raises:
        ConfigError: A worker does not see a file, or runs another phys_gan.
        PhysGanError: As in ``measure_sample``, or the scheduler is gone.
    """
    tasks = source.cut(parts or cluster.n_tasks)
    done = 0

    def count(place: int) -> None:
        nonlocal done
        done += tasks[place][1].n_events
        if report is not None:
            report(done)

    measure = partial(_measure, name=name, version=__version__, given=given)
    return cluster.reduce(measure, Measurement.merged, tasks, count).finish()


def _measure(
    task: tuple[int, Blocks], *, name: str, version: str, given: dict[str, Any]
) -> Measurement:
    """Measure a part, on a worker."""
    before, blocks = task
    for source in blocks.found.sources:
        require_shared(source.path, version)
    found = None
    # As in a comparison: other threads of BLAS would add up in another order.
    with threadpool_limits(1, user_api="blas"):
        for events in blocks:
            found = found or Measurement(events, name, before, **given)
            found.add(events)
    assert found is not None, "parts have at least one block"
    return found
