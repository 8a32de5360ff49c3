"""Spoiled halves of a Geant4 sample against the other half: which finding names what was done."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from benchmarks.common import SAMPLE, SampleOption, print_header
from phys_gan.data import read
from phys_gan.events import Events
from phys_gan.validation import Comparison, Options, compare

Generator = np.random.Generator
_LIKE = 10
"""Events of like energy among which something is exchanged."""


def main(
    sample: SampleOption = SAMPLE,
    other: Annotated[str, typer.Option(help="Events of another particle to mix in.")] = "",
    seeds: Annotated[int, typer.Option(help="How many ways to halve the sample.")] = 3,
    halves: Annotated[int, typer.Option(help="Halves against halves, for false alarms.")] = 0,
    n: Annotated[int, typer.Option("-n", help="Most events of the sample.")] = 11_000,
    whole: Annotated[bool, typer.Option(help="Compare whole events too.")] = True,
    only: Annotated[str, typer.Option(help="Only this way to spoil a sample.")] = "",
) -> None:
    """Print what is found in spoiled samples, and how often anything is in equal ones.

    Every half is a random one of ``n`` random events.

    Example: python -m benchmarks.spoiled --sample eplus.h5 --other photon.h5 --halves 200
    """
    events = read(sample)
    others = read(other) if other else None
    options = Options(multivariate=whole)
    ways = {name: way for name, way in WAYS.items() if only in ("", name)}
    if others is not None and only in ("", _MIXED):
        ways[_MIXED] = lambda part, generator: mixed(part, others, generator)
    print_header(
        "spoiled", "seed", "named by", "p of it", "verdict", "p of the verdict", "all named"
    )
    for name, spoil in ways.items():
        for seed in range(seeds):
            generator = np.random.default_rng(seed)
            first, second = _halved(events, n, generator)
            found = compare(first, spoil(second, generator), seed=seed, options=options)
            _print_row(name, seed, found)
    if halves:
        _false_alarms(events, n, halves, options)


def _print_row(name: str, seed: int, found: Comparison) -> None:
    expected = [f for f in found.findings if f.name in NAMES[name]]
    named = f"{expected[0].name} | {expected[0].p_value:.1e}" if expected else "**nothing** | "
    passed = "passed" if found.verdict.passed else "failed"
    every = ", ".join(finding.name for finding in found.findings)
    typer.echo(f"| {name} | {seed} | {named} | {passed} | {found.verdict.p_value:.1e} | {every} |")


def _false_alarms(events: Events, n: int, halves: int, options: Options) -> None:
    """Compare halves with halves, and count findings and verdicts that are not passed."""
    failed, found_any = 0, 0
    p_values: dict[str, list[float]] = {}
    for seed in range(1000, 1000 + halves):
        generator = np.random.default_rng(seed)
        found = compare(*_halved(events, n, generator), seed=seed, options=options)
        failed += not found.verdict.passed
        found_any += bool(found.findings)
        for finding in found.asked:
            p_values.setdefault(finding.name, []).append(finding.p_value)
        for name, part in found.verdict.parts.items():
            p_values.setdefault(f"part: {name}", []).append(part.p_value)
        p_values.setdefault("verdict", []).append(found.verdict.p_value)
    typer.echo("")
    print_header("p-value of", "asked", "below 10 %", "below 1 %", "below 0.1 %", "smallest")
    for name, values in p_values.items():
        below = " | ".join(f"{100 * np.mean(np.less(values, p)):.1f} %" for p in (0.1, 0.01, 0.001))
        typer.echo(f"| {name} | {len(values)} | {below} | {min(values):.1e} |")
    typer.echo(f"\n{failed} of {halves} verdicts not passed (nominal {0.01 * halves:g} at most)")
    typer.echo(f"{found_any} of {halves} with any finding")


def _halved(events: Events, n: int, generator: Generator) -> tuple[Events, Events]:
    order = generator.permutation(len(events))[:n]
    first, second = (np.sort(part) for part in np.array_split(order, 2))
    return events[first], events[second]


# Ways to spoil a sample

_MIXED = "5 % of another particle"


def _with(events: Events, cells: NDArray[np.floating]) -> Events:
    return Events(cells.astype(np.float32), dict(events.conditions), events.detector)


def _like(events: Events, generator: Generator) -> NDArray[np.int64]:
    """Exchange events with others among ten of like energy."""
    order = np.arange(len(events))
    for block in np.array_split(np.argsort(events.energy), max(1, len(events) // _LIKE)):
        order[block] = generator.permutation(block)
    return order


def two_dead_cells(events: Events, generator: Generator) -> Events:
    """Kill two of the 50 brightest cells."""
    cells = events.cells.copy()
    brightest = np.argsort(cells.mean(axis=0))[-50:]
    cells[:, generator.choice(brightest, 2, replace=False)] = 0
    return _with(events, cells)


def mirrored(layer: int, axis: int) -> Callable[[Events, Generator], Events]:
    """Mirror one layer in x (axis 0) or y (axis 1)."""

    def spoil(events: Events, generator: Generator) -> Events:
        cells, part = events.cells.copy(), events.detector.slice(layer)
        images = cells[:, part].reshape(-1, *events.detector.layers[layer].shape)
        cells[:, part] = np.flip(images, axis + 1).reshape(len(cells), -1)
        return _with(events, cells)

    return spoil


def permuted_response(events: Events, generator: Generator) -> Events:
    """Give every shower the response of another one of like energy."""
    response = events.total_energy() / events.energy
    factor = response[_like(events, generator)] / response
    return _with(events, events.cells * factor[:, None])


def permuted_layer(layer: int) -> Callable[[Events, Generator], Events]:
    """Give every shower one layer of another one of like energy."""

    def spoil(events: Events, generator: Generator) -> Events:
        cells, part = events.cells.copy(), events.detector.slice(layer)
        cells[:, part] = cells[_like(events, generator)][:, part]
        return _with(events, cells)

    return spoil


def without_tail(events: Events, generator: Generator) -> Events:
    """Leave out the lowest 0.3 % of the responses."""
    response = events.total_energy() / events.energy
    return events[np.sort(np.argsort(response)[round(0.003 * len(events)) :])]


def repeated(events: Events, generator: Generator) -> Events:
    """Replace 1 % of the events by copies of others."""
    rows = generator.permutation(len(events))
    k = len(events) // 100
    chosen = np.arange(len(events))
    chosen[rows[:k]] = rows[k : 2 * k]
    return events[chosen]


def soft_hits(events: Events, generator: Generator) -> Events:
    """Add soft hits, of energies between those of others, to 1.7 times as many below 0.1 MeV."""
    cells = events.cells.copy()
    soft = cells[(cells > 0) & (cells < 0.1)]
    empty = cells == 0
    new = empty & (generator.random(cells.shape) < 0.7 * len(soft) / empty.sum())
    drawn = np.quantile(soft, generator.random(int(new.sum())))
    cells[new] = drawn
    return _with(events, cells)


def smeared_line(events: Events, generator: Generator) -> Events:
    """Smear the line at 511 keV by 8 %."""
    cells = events.cells.copy()
    line = np.abs(cells / 0.511 - 1) < 0.005
    cells[line] *= np.exp(generator.normal(0, 0.08, int(line.sum())))
    return _with(events, cells)


def with_hole(events: Events, generator: Generator) -> Events:
    """Leave out the incident energies from 45 to 50 GeV."""
    return events[(events.energy < 45_000) | (events.energy > 50_000)]


def mixed(events: Events, others: Events, generator: Generator) -> Events:
    """Replace 5 % of the events by those of another particle."""
    rows = generator.permutation(len(events))[len(events) // 20 :]
    new = generator.permutation(len(others))[: len(events) // 20]
    energy = np.concatenate([events.energy[rows], others.energy[new]])
    cells = np.concatenate([events.cells[rows], others.cells[new]])
    return Events(cells, {"energy": energy}, events.detector)


WAYS: dict[str, Callable[[Events, Generator], Events]] = {
    "two dead cells": two_dead_cells,
    "layer 0 mirrored in y": mirrored(0, 1),
    "layer 0 mirrored in x": mirrored(0, 0),
    "response permuted": permuted_response,
    "0.3 % lowest responses missing": without_tail,
    "1 % repeated": repeated,
    "soft hits x 1.7": soft_hits,
    "line smeared": smeared_line,
    "layer 0 permuted": permuted_layer(0),
    "layer 2 permuted": permuted_layer(2),
    "hole in energy": with_hole,
}
"""What is done to a sample."""

NAMES: dict[str, tuple[str, ...]] = {
    "two dead cells": ("dead cells",),
    "layer 0 mirrored in y": ("layer mirrored",),
    "layer 0 mirrored in x": ("layer mirrored",),
    "response permuted": ("response permuted",),
    "0.3 % lowest responses missing": ("missing tails",),
    "1 % repeated": ("repeated events",),
    "soft hits x 1.7": ("soft hits",),
    "line smeared": ("spectral lines",),
    "layer 0 permuted": ("layer permuted",),
    "layer 2 permuted": ("layer permuted",),
    "hole in energy": ("hole in energy",),
    _MIXED: ("another particle", "long tails"),
}
"""The findings that name it."""

if __name__ == "__main__":
    typer.run(main)
