"""One-dimensional comparison of two samples, relative to a plain NumPy script."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from benchmarks.common import SAMPLE, SampleOption, print_header, run_child
from benchmarks.plain_observables import plain_comparison, plain_observables
from phys_gan.data import read
from phys_gan.detectors import load_detector
from phys_gan.events import Events
from phys_gan.observables import Observable, Showers, map_blocks, measure_block, select
from phys_gan.observables.registry import counts, extended
from phys_gan.observables.spectrum import open_edges, spectrum_block, trimmed
from phys_gan.randomness import stream
from phys_gan.simulation import simulate
from phys_gan.validation import Options, compare
from phys_gan.validation.averages import ProfileSums
from phys_gan.workflows.benchmark import seconds

_SMEARING = 0.05
_SIMULATED = 1000
_BLOCK = 1000


def main(
    n: Annotated[int, typer.Option("-n", help="Events of each sample of 504 cells.")] = 100_000,
    many: Annotated[int, typer.Option(help="Events of each sample of 6480 cells.")] = 20_000,
    times: Annotated[int, typer.Option(help="How often each runs; the best time counts.")] = 3,
    sample: SampleOption = SAMPLE,
    child: Annotated[str, typer.Option(hidden=True)] = "",
) -> None:
    """Time observables, spectra, profiles and histograms of two samples.

    Each way runs in a process of its own, in turns, so that other work on the machine meets both;
    memory is the peak beyond the events themselves.

    Example: python -m benchmarks.validation -n 20000 --many 0
    """
    if child:
        detector, way, what = child.split("|")
        reference, candidate = make_samples(detector, n, sample)
        measure_it = seconds if what == "seconds" else _megabytes
        typer.echo(json.dumps(measure_it(partial(_WAYS[way], reference, candidate))))
        return
    print_header("events", "way", "time [s]", "times as fast", "memory beside the events [MB]")
    for detector, size in (("calogan", n), ("calochallenge-2", many)):
        if size:
            _report(detector, size, times, sample)


def _report(detector: str, n: int, times: int, sample: str) -> None:
    def run(way: str, what: str) -> float:
        words = ["-n", str(n), "--sample", sample, "--child", f"{detector}|{way}|{what}"]
        return float(json.loads(run_child("validation", words)))

    rounds = [{way: run(way, "seconds") for way in _WAYS} for _ in range(times)]
    best = {way: min(taken[way] for taken in rounds) for way in _WAYS}
    events = f"2 x {n} x {load_detector(detector).n_cells} cells"
    for way, shortest in best.items():
        faster = best["plain"] / shortest
        megabytes = run(way, "megabytes")
        typer.echo(f"| {events} | {way} | {shortest:.2f} | {faster:.1f} | {megabytes:.0f} |")


def _megabytes(action: Callable[[], None]) -> float:
    """Return how much more memory was held at any time than before."""
    tracemalloc.start()
    action()
    return tracemalloc.get_traced_memory()[1] / 1e6


def make_samples(detector: str, n: int, sample: str) -> tuple[Events, Events]:
    """Return two samples of n events that differ, from few showers."""
    if detector == "calogan":
        seeds = read(sample)
    else:
        seeds = simulate(load_detector(detector), _SIMULATED, seed=1)
    return _resampled(seeds, n, "reference"), _resampled(seeds, n, "candidate")


def _resampled(events: Events, n: int, name: str) -> Events:
    """Draw events again and again, with every cell smeared a little: many that differ."""
    random = stream(1, name)
    chosen = random.integers(0, len(events), n)
    cells = np.empty((n, events.detector.n_cells), np.float32)
    for start in range(0, n, _BLOCK):
        part = events.cells[chosen[start : start + _BLOCK]]
        noise = random.standard_normal(part.shape, np.float32)
        cells[start : start + _BLOCK] = part * np.exp(np.float32(_SMEARING) * noise)
    return Events(cells, {"energy": events.energy[chosen]}, events.detector)


def _plain(reference: Events, candidate: Events) -> None:
    energies = (reference.energy, candidate.energy)
    plain_comparison(reference.cells, candidate.cells, energies, reference.detector)


def _ours(reference: Events, candidate: Events) -> None:
    chosen = _same_observables(reference)
    edges = open_edges(reference.detector)
    (first, hits), (second, _) = (_one_pass(e, chosen, edges) for e in (reference, candidate))
    for o in chosen:
        p, q = (values[o.name][np.isfinite(values[o.name])] for values in (first, second))
        bins = extended(o.binning.edges(p), q)
        counts(p, bins)
        counts(q, bins)
    trimmed(edges, hits.sum(axis=0, dtype=np.float64), threshold=reference.detector.threshold)


def _one_pass(
    events: Events, chosen: list[Observable], edges: NDArray[np.float64]
) -> tuple[dict[str, NDArray[np.float64]], NDArray[np.unsignedinteger]]:
    """Return the values of all observables and the spectra, and average the showers."""

    def work(showers: Showers) -> tuple[dict[str, NDArray[np.float64]], Any, ProfileSums]:
        sums = ProfileSums(showers.detector).add(showers)
        return measure_block(showers, chosen), spectrum_block(showers, edges), sums

    values: dict[str, list[NDArray[np.float64]]] = {o.name: [] for o in chosen}
    spectra, total = [], ProfileSums(events.detector)
    for _, (block, spectrum, sums) in map_blocks(events, work):
        for name, column in block.items():
            values[name].append(column)
        spectra.append(spectrum)
        total.merge(sums)
    total.profiles()
    return {name: np.concatenate(v) for name, v in values.items()}, np.concatenate(spectra)


def _same_observables(events: Events) -> list[Observable]:
    """Return those that the plain script computes."""
    first = events[:1]
    names = plain_observables(first.cells.astype(np.float64), first.energy, events.detector)
    return select(events.detector, names=list(names))


def _judged(reference: Events, candidate: Events) -> None:
    """Compare with all metrics, their errors, floors and verdicts."""
    names = [o.name for o in _same_observables(reference)]
    options = Options(observables=[*names, "cell_energy"], slices=(), multivariate=False)
    compare(reference, candidate, options=options)


_WAYS: dict[str, Callable[[Events, Events], None]] = {
    "plain": _plain,
    "phys_gan, the same": _ours,
    "phys_gan, with all metrics, errors, floors, verdicts": _judged,
}


if __name__ == "__main__":
    typer.run(main)
