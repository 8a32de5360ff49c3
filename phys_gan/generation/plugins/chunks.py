"""Particles of many chunks of events: :class:`ParticleProcessor`, :func:`map_particles`.

The former is what coffea runs: chunks of events in, sums that add up out. The latter prepares
chunks for the workers of a Dask cluster.
"""

from __future__ import annotations

import hashlib
import operator
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import TYPE_CHECKING, Any

import awkward as ak
import numpy as np

from phys_gan.errors import ConfigError, DataError, MissingError
from phys_gan.generation.plugins.detector import FastDetector
from phys_gan.generation.plugins.showers import SimulatedCells, simulate_particles

if TYPE_CHECKING:
    from dask.delayed import Delayed

Analysis = Callable[[ak.Array, SimulatedCells, FastDetector], Mapping[str, Any]]
"""Events, their simulation and the detector to sums by name."""


def sum_energies(
    events: ak.Array, simulated: SimulatedCells, detector: FastDetector
) -> dict[str, Any]:
    """Return the sums from which means and standard deviations of the energies follow.

    Returns:
        ``events``, ``particles`` and ``covered``: numbers; ``energy`` and ``energy_squared``: sums
        over events of the energy of each layer and of its square, shape (n_layers,).
    """
    starts = np.array(detector.detector.offsets[:-1])
    energies = np.add.reduceat(simulated.cells, starts, axis=1, dtype=np.float64)
    return {
        "events": len(events),
        "particles": int(ak.count(simulated.covered)),
        "covered": int(ak.sum(simulated.covered)),
        "energy": energies.sum(axis=0),
        "energy_squared": (energies**2).sum(axis=0),
    }


class ParticleProcessor:
    """Simulate the particles of chunks of events, and sum the results of an analysis.

    It has the methods of a processor of coffea without importing it; coffea itself requires a
    subclass of its own, ``class Showers(ParticleProcessor, ProcessorABC): pass``. The showers of
    an event depend on the seed, the file and the number of its entry there, not on the chunks.

    Arguments:
        detector: The models and what they cover.
        particles: The field of the events that holds the particles, or a function of the events
            that returns them.
        analyse: What to sum.
        seed: Seed of the production.
        unit: Unit of the energies, momenta and masses of the particles.

    Example:
        >>> fast = FastDetector.load(["calogan-photon"])
        >>> photon = {"pdgId": 22, "energy": 20.0, "theta": 0.0, "phi": 0.0}
        >>> about = {"dataset": "photons", "filename": "a.root", "entrystart": 0}
        >>> events = ak.Array({"GenPart": [[photon], []]}, attrs={"metadata": about})
        >>> ParticleProcessor(fast, "GenPart").process(events)["photons"]["covered"]
        1
    """

    def __init__(
        self,
        detector: FastDetector,
        particles: str | Callable[[ak.Array], ak.Array] = "GenPart",
        analyse: Analysis = sum_energies,
        *,
        seed: int = 0,
        unit: str = "GeV",
    ) -> None:
        self.detector, self.particles, self.analyse = detector, particles, analyse
        self.seed, self.unit = seed, unit

    def process(self, events: ak.Array) -> dict[str, dict[str, Any]]:
        """Return the sums of a chunk, under the name of its data set.

        Arguments:
            events: Events with ``metadata`` (an attribute, or among ``events.attrs``):
                ``dataset``; ``fileuuid`` or ``filename``; ``entrystart``, the number of the first
                event of the chunk in its file.

        Raises:
            MissingError: The events have no such particles, or the metadata lack something.
            PhysGanError: As in :func:`phys_gan.generation.plugins.simulate_particles`.
        """
        metadata = getattr(events, "metadata", None)
        if not isinstance(metadata, Mapping):
            metadata = getattr(events, "attrs", {}).get("metadata", {})
        for name in ("dataset", "entrystart"):
            if name not in metadata:
                raise MissingError(
                    f"the metadata of the events have no '{name}'; they have "
                    f"{', '.join(map(str, metadata)) or 'nothing'}",
                    remedy="run it as coffea does, or set events.attrs['metadata']",
                    value=name,
                )
        if callable(self.particles):
            particles = self.particles(events)
        elif self.particles in events.fields:
            particles = events[self.particles]
        else:
            raise MissingError(
                f"the events have no field '{self.particles}'; they have "
                f"{', '.join(events.fields) or 'none'}",
                remedy="name the field of the particles",
                value=self.particles,
                constraint=tuple(events.fields),
            )
        if len(particles) != len(events):
            raise DataError(
                f"there are particles of {len(particles)} events in a chunk of {len(events)}",
                remedy="leave particles out with ak.mask, or out of the list of their event",
                value=len(particles),
                constraint=len(events),
            )
        simulated = simulate_particles(
            particles,
            self.detector,
            seed=file_seed(self.seed, metadata),
            numbers=int(metadata["entrystart"]),
            unit=self.unit,
        )
        return {str(metadata["dataset"]): dict(self.analyse(events, simulated, self.detector))}

    def postprocess(self, accumulator: Any) -> Any:
        """Return the sums as they are."""
        return accumulator


def file_seed(seed: int, metadata: Mapping[str, Any]) -> int:
    """Return the seed of a file, so that its events may be counted from 0.

    Arguments:
        seed: Seed of the production.
        metadata: With ``fileuuid`` or ``filename``.

    Raises:
        MissingError: There is neither.

    Example:
        >>> file_seed(1, {"filename": "a.root"}) == file_seed(1, {"filename": "b.root"})
        False
    """
    name = metadata.get("fileuuid") or metadata.get("filename")
    if not name:
        raise MissingError(
            "the metadata of the events name no file, so the showers of all files would be alike",
            remedy="give 'fileuuid' or 'filename'",
            value="filename",
        )
    text = name.hex() if isinstance(name, bytes) else str(name)
    return int.from_bytes(hashlib.sha256(f"{seed} {text}".encode()).digest()[:8], "big")


def add_up(accumulators: Sequence[Any]) -> Any:
    """Add accumulators: dictionaries by key, anything else by ``+``.

    Raises:
        ConfigError: There is nothing to add.

    Example:
        >>> add_up([{"a": {"events": 1}}, {"a": {"events": 2}, "b": {"events": 5}}])
        {'a': {'events': 3}, 'b': {'events': 5}}
    """
    if not accumulators:
        raise ConfigError("there are no accumulators to add", remedy="give at least one chunk")
    return reduce(_add, accumulators)


def _add(a: Any, b: Any) -> Any:
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        keys = dict.fromkeys([*a, *b])
        return {k: _add(a[k], b[k]) if k in a and k in b else (a if k in a else b)[k] for k in keys}
    return operator.add(a, b)


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
