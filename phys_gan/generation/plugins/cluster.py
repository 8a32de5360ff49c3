"""Particles of many chunks of events on the workers of a Dask cluster: :func:`map_particles`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import awkward as ak

from phys_gan.errors import ConfigError
from phys_gan.generation.plugins.detector import FastDetector
from phys_gan.generation.plugins.showers import simulate_particles

if TYPE_CHECKING:
    from dask.delayed import Delayed


def map_particles(
    chunks: Any,
    detector: FastDetector,
    analyse: Callable[[ak.Array, Any, FastDetector], Any] | None = None,
    *,
    simulate: Callable[..., Any] = simulate_particles,
    firsts: Sequence[int] | None = None,
    **options: Any,
) -> list[Delayed]:
    """Prepare to simulate chunks of particles wherever Dask computes them.

    A detector that was loaded is sent as the names of its models, which each worker process loads
    once. Events are counted through all chunks, so the showers do not depend on how events are
    cut.

    Arguments:
        chunks: Awkward arrays, delayed ones, or a collection with ``to_delayed``: a
            ``dask_awkward`` array, or a ``dask.bag`` with a list of particles (dictionaries) per
            event.
        detector: The models and what they cover.
        analyse: Function of the particles of a chunk, what was simulated and the detector, called
            on the worker, such as :func:`phys_gan.generation.plugins.sum_energies`; by default
            what was simulated is returned.
        simulate: :func:`phys_gan.generation.plugins.simulate_particles` or ``simulate_hits``.
        firsts: Number of the first event of each chunk; by default they are counted, for which
            all chunks before a chunk have to be there first.
        options: Further arguments of ``simulate``, such as ``seed`` and ``unit``.

    Returns:
        One delayed result per chunk, for ``dask.compute``.

    Raises:
        ConfigError: Dask is not installed, or there is not one first event per chunk.
    """
    try:
        from dask.delayed import delayed
    except ImportError as error:
        raise ConfigError(
            "Dask is not installed", remedy="pip install 'phys_gan[cluster]'"
        ) from error
    parts = list(chunks.to_delayed() if hasattr(chunks, "to_delayed") else chunks)
    if firsts is not None and len(firsts) != len(parts):
        raise ConfigError(
            f"there are {len(parts)} chunks, but {len(firsts)} numbers of first events",
            remedy="give one for each chunk, or none at all",
            value=len(firsts),
            constraint=len(parts),
        )
    arrays = [delayed(_as_array)(part) for part in parts]
    shared = delayed(detector)
    begins: list[Any] = list(firsts or ())
    if firsts is None:
        # Without waiting for any chunk.
        begins = [0]
        for array in arrays[:-1]:
            begins.append(delayed(_end)(begins[-1], array))
    run = delayed(_run)
    return [
        run(array, shared, analyse, simulate, begin, options)
        for array, begin in zip(arrays, begins[: len(arrays)], strict=True)
    ]


def _end(begin: int, array: ak.Array) -> int:
    return begin + len(array)


def _as_array(chunk: Any) -> ak.Array:
    return chunk if isinstance(chunk, ak.Array) else ak.from_iter(list(chunk))


def _run(
    particles: ak.Array,
    detector: FastDetector,
    analyse: Callable[[ak.Array, Any, FastDetector], Any] | None,
    simulate: Callable[..., Any],
    first: int,
    options: dict[str, Any],
) -> Any:
    simulated = simulate(particles, detector, numbers=first, **options)
    return simulated if analyse is None else analyse(particles, simulated, detector)
