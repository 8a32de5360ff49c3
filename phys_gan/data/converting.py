"""Files to files, also such as do not fit into memory.

Files of events into one.

Cut events into parts that never overlap and look alike in their conditions.
"""

from __future__ import annotations

import shlex
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from phys_gan.data.containers import hdf5_tables
from phys_gan.data.containers.hdf5_chunks import spare_memory
from phys_gan.data.containers.hdf5_tables import CHUNK_ROWS
from phys_gan.data.format import Format, HitMapping
from phys_gan.data.reading import How, open_events
from phys_gan.data.source import Paths, find_sources
from phys_gan.data.survey import Survey, blocks
from phys_gan.data.writing import choose_format, writing
from phys_gan.detectors import Detector
from phys_gan.errors import DataError, Notice
from phys_gan.events import Events, first_copies
from phys_gan.randomness import stream

ALIGNED = CHUNK_ROWS
"""HDF5 files of ours of a multiple of so many events are joined without decompression."""


def join(
    parts: Paths,
    out: str | Path,
    format: str | None = None,
    tell: Callable[[str], None] = lambda note: None,
) -> int:
    """Write the events of several files into one, in order and in bounded memory.

    HDF5 files that phys_gan wrote in one layout cost little more than their copy, where all but
    the last have a multiple of 8192 events. Provenance that differs is joined.

    Arguments:
        parts: The files, as in :func:`read`.
        out: The file to write.
        format: Name of its layout; by default that of the parts, or what its ending tells.
        tell: Is told at the end what of the files no events can hold, a sentence each.

    Returns:
        The number of events.

    Raises:
        PhysGanError: As in :func:`read` and :func:`write`; ``out`` is untouched then.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from phys_gan.data import read, write
        >>> events = read("datasets/geant4_calogan_eplus.h5")
        >>> with TemporaryDirectory() as folder:
        ...     write(f"{folder}/0.h5", events[:3000])
        ...     write(f"{folder}/1.h5", events[3000:])
        ...     join(f"{folder}/?.h5", f"{folder}/all.h5")
        5000
    """
    target, sources = Path(out), find_sources(parts)
    counts, firsts, layouts, notes = [], [], [], list[str]()
    for source in sources:
        with open_events(source, How()) as (reader, layout):
            counts.append(len(reader))
            firsts.append(reader.read(0, 1))
            layouts.append(layout)
            notes += reader.notes
    sample = Events.concatenate(firsts)
    known = [events.overflow is not None for events in firsts]
    if any(known) and not all(known):
        raise DataError(
            f"'{sources[known.index(False)]}' does not know the energy outside its cells, and "
            f"other files do",
            remedy="convert the others with --drop overflow first",
        )
    chosen = choose_format(target, sample, format or _common(layouts, target))
    same = {layout.name for layout in layouts} == {chosen.name}
    if same and chosen.container == "HDF5" and hdf5_tables.alike(sources, counts, chosen.name):
        hdf5_tables.join_tables(sources, target)
        return sum(counts)
    with writing(target, sample, chosen.name) as add:
        for source in sources:
            with open_events(source, How(), spare_memory()) as (reader, _):
                for events in reader.blocks():
                    add(events)
    for note in dict.fromkeys(notes):
        tell(note)
    return sum(counts)


def _common(layouts: list[Format], target: Path) -> str | None:
    """Return the layout of all parts, if ``target`` is a name for it."""
    first = layouts[0]
    same = all(layout.name == first.name for layout in layouts)
    return first.name if same and target.suffix in first.extensions else None


_BLOCK = 100
_MOST_KINDS = 20


def split(events: Events, shares: Sequence[float], seed: int = 0) -> list[Events]:
    """Split events at random, stratified in their conditions.

    Events that are copies of each other (all cells equal to the last bit, see
    :func:`~phys_gan.events.first_copies`) come into the same part, so that what a model has seen is
    never in its test sample. The smallest and the largest value of each condition come into the
    largest part, unless too many copies of such an event leave no room for it there, so that a
    model which has learned from it may be asked for the conditions of all others.

    Shares are shares of events, copies and events of small or negative weight included; weights
    stay with their events.

    Arguments:
        events: The events.
        shares: Shares of the parts, which add up to 1.
        seed: Seed of the deal; the same seed gives the same parts.

    Returns:
        One set of events per share, each in the order of the original.

    Raises:
        DataError: The shares do not add up to 1, or a part would be empty.

    Warns:
        Notice: Copies of events that stay together leave a share wrong by more than a percent of
            the events.
    """
    parts = split_indices(events.conditions, shares, seed, copies_among([events]))
    return [events[part] for part in parts]


def copies_among(parts: Iterable[Events]) -> NDArray[np.int64]:
    """Return for each event of all parts the number of the first one that is its copy, shape (N,).

    Of the parts, which may be read one after the other, 17 bytes per event stay in memory.
    """
    found = [(events.digests(), events.empty()) for events in parts]
    digests, empty = zip(*found, strict=True)
    return first_copies(np.concatenate(digests), np.concatenate(empty))


def split_indices(
    conditions: Mapping[str, NDArray[np.float64]],
    shares: Sequence[float],
    seed: int,
    first: NDArray[np.int64],
) -> list[NDArray[np.int64]]:
    """Split numbers of events at random, stratified in the conditions.

    Events with the same value of a condition that has few values (a particle, a class) are
    strata of their own. Inside, events are sorted so that neighbours have similar conditions, by
    energy where that is the only one, and each run of a hundred is dealt out by the shares.

    Events that come several times are dealt before others, those with the most copies first, and
    what remains is dealt so that the shares come out right as far as copies that stay together
    allow.

    Arguments:
        conditions: Name to values, shape (N,).
        shares: Shares of the parts, which add up to 1.
        seed: Seed of the deal.
        first: For each event the number of the first one that is its copy, shape (N,), from
            :func:`copies_among`.

    Returns:
        The numbers of the events of each part, in rising order.

    Raises:
        DataError: The shares do not add up to 1, or a part would be empty.

    Warns:
        Notice: As :func:`split`.
    """
    if not (min(shares) >= 0 and abs(sum(shares) - 1) <= 1e-9):
        raise DataError(
            f"shares {list(shares)} do not add up to 1",
            remedy="give fractions, such as 0.8 and 0.2",
            value=list(shares),
        )
    n_events, largest = len(first), int(np.argmax(shares))
    # How often each event comes, told of its first copy; 0 of the others.
    times = np.bincount(first, minlength=n_events)
    originals = np.flatnonzero(times)
    random = stream(seed, "split")
    if len(originals) == n_events:
        part = np.empty(n_events, np.int64)
        for block in _blocks(originals, conditions):
            part[block] = _dealt(times[block], shares, random)
        _keep_ends(part, conditions, largest)
    else:
        part = _deal_copies(first, times, conditions, shares, random)[first]
    counts = np.bincount(part, minlength=len(shares))
    if ((counts == 0) & (np.array(shares) > 0)).any():
        without = f": without copies they are {len(originals)}" * (len(originals) < n_events)
        raise DataError(
            f"{n_events} events are too few to be split into shares {list(shares)}{without}",
            remedy="give more events",
            value=n_events,
        )
    wanted = np.array(shares) * n_events
    if len(originals) < n_events and np.abs(counts - wanted).max() > _tolerance(n_events):
        warnings.warn(
            f"the parts have {' and '.join(map(str, counts))} events instead of "
            f"{' and '.join(f'{aim:.0f}' for aim in wanted)}: copies stay together, and one event "
            f"is there {times.max()} times; remove copies, or choose other shares",
            Notice,
            stacklevel=3,
        )
    return [np.flatnonzero(part == number) for number in range(len(shares))]


def _tolerance(n_events: int) -> float:
    """Return by how many events a part may be wrong: rounding cannot be helped."""
    return max(1.0, 0.01 * n_events)


def _dealt(
    times: NDArray[np.int64],
    shares: Sequence[float] | NDArray[np.float64],
    random: np.random.Generator,
) -> NDArray[np.int64]:
    """Deal out events that come so often; return the number of the part of each."""
    # A random shift keeps the shares right on average where they do not divide the block.
    shift = random.random()
    place = random.permutation(len(times))
    width = np.empty(len(times), np.int64)
    width[place] = times
    points = (np.cumsum(width) - width + shift * width) / width.sum()
    deal = np.searchsorted(np.cumsum(shares)[:-1], points, side="right")
    return np.asarray(deal[place], np.int64)


def _deal_copies(
    first: NDArray[np.int64],
    times: NDArray[np.int64],
    conditions: Mapping[str, NDArray[np.float64]],
    shares: Sequence[float],
    random: np.random.Generator,
) -> NDArray[np.int64]:
    """Return the part of each event that comes first of its copies.

    The ends of all conditions are put into the largest part. Others follow by how often they
    come, to a factor of two, so that the many which come once make up for the few which come often;
    each block is dealt by what the parts still lack.
    """
    part = np.full(len(first), -1)
    lack = np.array(shares) * len(first)
    largest = int(np.argmax(shares))
    for values in conditions.values():
        for extreme in (values.min(), values.max()):
            ends = first[values == extreme]
            end = ends[np.argmin(times[ends])]
            # Not where it fits into another part only.
            if part[end] < 0 and not lack[largest] < times[end] - 0.5 <= lack.max():
                part[end] = largest
                lack[largest] -= times[end]
    rest = np.flatnonzero((times > 0) & (part < 0))
    magnitude = np.frexp(times[rest])[1]
    for number in np.unique(magnitude)[::-1]:
        for block in _blocks(rest[magnitude == number], conditions):
            room = np.maximum(lack, 0)
            deal = _dealt(times[block], room / room.sum(), random)
            if (np.bincount(deal, times[block], len(lack)) - 0.5 > lack).any():
                _fit(deal, times[block], lack.copy())
            lack -= np.bincount(deal, times[block], len(lack))
            part[block] = deal
    while np.abs(lack).max() > _tolerance(len(first)) and _exchange(part, rest, times, lack):
        pass
    for number in np.setdiff1d(np.flatnonzero(shares), part[times > 0]):
        # Rather a share that is too large than a part without events.
        mine = rest[part[rest] == largest]
        if len(mine):
            part[mine[np.argmin(times[mine])]] = number
    return part


def _fit(deal: NDArray[np.int64], times: NDArray[np.int64], lack: NDArray[np.float64]) -> None:
    """Give what a part has no room for to the one that lacks most, the largest first."""
    for event in np.argsort(-times, kind="stable"):
        if times[event] - 0.5 > lack[deal[event]]:
            deal[event] = np.argmax(lack)
        lack[deal[event]] -= times[event]


def _exchange(
    part: NDArray[np.int64],
    movable: NDArray[np.int64],
    times: NDArray[np.int64],
    lack: NDArray[np.float64],
) -> bool:
    """Make the fullest and the emptiest part more equal; return False where nothing does.

    An event goes to the emptiest part, alone or in exchange for one that comes less often: those
    two for which the parts come closest to each other in what they lack.
    """
    full, poor = int(np.argmin(lack)), int(np.argmax(lack))
    give, take = (movable[part[movable] == number] for number in (full, poor))
    if not len(give):
        return False
    take = take[np.argsort(times[take], kind="stable")]
    back = np.concatenate([[0], times[take]])
    aim = (lack[poor] - lack[full]) / 2
    # The best of sorted numbers is on one of the two sides of what would be right.
    right = np.minimum(np.searchsorted(back, times[give] - aim), len(take))
    sides = np.stack([np.maximum(right - 1, 0), right])
    off = np.abs(times[give] - back[sides] - aim)
    side, given = np.unravel_index(np.argmin(off), off.shape)
    if off[side, given] >= aim:
        return False
    taken = sides[side, given]
    moved = times[give[given]] - back[taken]
    part[give[given]] = poor
    if taken:
        part[take[taken - 1]] = full
    lack[full] += moved
    lack[poor] -= moved
    return True


def _keep_ends(
    part: NDArray[np.int64], conditions: Mapping[str, NDArray[np.float64]], largest: int
) -> None:
    """Put the ends of every condition into the largest part, in exchange for their neighbours."""
    if not len(part):
        return
    kept: set[int] = set()
    for values in conditions.values():
        rising = np.argsort(values, kind="stable")
        for order in (rising, rising[::-1]):
            end = int(order[0])
            others = (int(k) for k in order[1:] if part[k] == largest and int(k) not in kept)
            if part[end] != largest and (neighbour := next(others, None)) is not None:
                part[neighbour], part[end] = part[end], largest
            kept.add(end)


def _blocks(
    chosen: NDArray[np.int64], conditions: Mapping[str, NDArray[np.float64]]
) -> Iterator[NDArray[np.int64]]:
    """Yield the chosen events, at most a hundred similar ones at a time."""
    for stratum in _strata(chosen, conditions):
        for begin in range(0, len(stratum), _BLOCK):
            yield stratum[begin : begin + _BLOCK]


def _strata(
    chosen: NDArray[np.int64], conditions: Mapping[str, NDArray[np.float64]]
) -> list[NDArray[np.int64]]:
    """Return the events of each kind, in an order in which neighbours have similar conditions."""
    names = sorted(conditions, key=lambda name: name != "energy")
    columns = [conditions[name] for name in names]
    n_values = [len(np.unique(values[chosen])) for values in columns]
    # Values that hardly repeat are not kinds, however few there are.
    most = min(_MOST_KINDS, len(chosen) // 20)
    kinds = [v for v, n in zip(columns, n_values, strict=True) if 1 < n <= most]
    spread = [v for v, n in zip(columns, n_values, strict=True) if n > max(1, most)]
    order = _halved(chosen, spread, 0) if spread else chosen
    if not kinds:
        return [order]
    _, kind = np.unique(np.stack(kinds, axis=1)[order], axis=0, return_inverse=True)
    sizes = np.bincount(kind.ravel())
    return np.split(order[np.argsort(kind.ravel(), kind="stable")], np.cumsum(sizes)[:-1])


def _halved(
    chosen: NDArray[np.int64], columns: Sequence[NDArray[np.float64]], axis: int
) -> NDArray[np.int64]:
    """Sort by one condition after the other, halving at each step, as a k-d tree does."""
    order = chosen[np.argsort(columns[axis][chosen], kind="stable")]
    if len(columns) == 1 or len(order) <= _BLOCK:
        return order
    # Whole blocks in each half, so that no run of a hundred lies across the cut.
    middle = -(-len(order) // (2 * _BLOCK)) * _BLOCK
    following = (axis + 1) % len(columns)
    halves = [_halved(half, columns, following) for half in (order[:middle], order[middle:])]
    return np.concatenate(halves)


def convert(
    paths: Paths,
    out: str | Path,
    *,
    detector: str | Path | Detector | None = None,
    format: str | None = None,
    mapping: str | Path | HitMapping | None = None,
    to: str | None = None,
    drop: Collection[str] = (),
    append: bool = False,
    tell: Callable[[str], None] = lambda note: None,
) -> int:
    """Rewrite files of events in another layout, block by block.

    Arguments:
        paths: The files to read, as in :func:`read`.
        out: The file to write.
        detector: As in :func:`read`.
        format: As in :func:`read`.
        mapping: As in :func:`read`.
        to: Name of the layout to write; by default the ending of ``out`` tells.
        drop: Conditions to leave out, ``"overflow"`` and ``"weights"``, where a file has them.
        append: Add the events to those that ``out`` holds.
        tell: Is told at the end what of the files no events can hold, a sentence each.

    Returns:
        How many events were rewritten.

    Raises:
        PhysGanError: As in :func:`read` and :func:`write`; ``out`` is untouched then.
    """
    parts = blocks(paths, detector=detector, format=format, mapping=mapping, drop=drop)
    found = parts.found
    _require_alike(found)
    with writing(out, found.sample, to, append=append) as add:
        for events in parts:
            add(events)
    for note in found.notes:
        tell(note)
    return found.n_events


def split_files(
    paths: Paths,
    outs: Sequence[str | Path],
    shares: Sequence[float],
    seed: int = 0,
    *,
    detector: str | Path | Detector | None = None,
    format: str | None = None,
    mapping: str | Path | HitMapping | None = None,
    tell: Callable[[str], None] = lambda note: None,
) -> list[int]:
    """Split the events of files at random into new files, as :func:`split` does, block by block.

    Arguments:
        paths: The files to read, as in :func:`read`.
        outs: A file to write for each part; its ending tells the layout.
        shares: Shares of the parts, which add up to 1.
        seed: Seed of the deal; the same seed gives the same parts.
        detector: As in :func:`read`.
        format: As in :func:`read`.
        mapping: As in :func:`read`.
        tell: As in :func:`convert`.

    Returns:
        How many events each file got.

    Raises:
        DataError: There is not one share for each file, they do not add up to 1, or a part would
            be empty.
        PhysGanError: As in :func:`read` and :func:`write`.

    Warns:
        Notice: As :func:`split`.
    """
    if len(outs) != len(shares):
        raise DataError(
            f"{len(shares)} shares are given for {len(outs)} files",
            remedy="name one file for each share",
        )
    if len({Path(out).resolve() for out in outs}) < len(outs):
        raise DataError("two parts have the same file", remedy="name one file for each share")
    parts = blocks(paths, detector=detector, format=format, mapping=mapping)
    found = parts.found
    _require_alike(found)
    chosen = split_indices(found.conditions, shares, seed, copies_among(parts))
    part_of = np.empty(found.n_events, np.int64)
    for number, events_of_part in enumerate(chosen):
        part_of[events_of_part] = number
    with ExitStack() as files:
        adds = [files.enter_context(writing(out, found.sample)) for out in outs]
        start = 0
        for events in parts:
            belongs = part_of[start : start + len(events)]
            for number in np.unique(belongs):
                adds[number](events[np.flatnonzero(belongs == number)])
            start += len(events)
    for note in found.notes:
        tell(note)
    return [len(part) for part in chosen]


def _require_alike(found: Survey) -> None:
    """Require that files have the same columns: what only some have would be lost."""
    if found.differing:
        names = ", ".join(f"'{name}'" for name in found.differing)
        drops = " ".join(f"--drop {shlex.quote(name)}" for name in found.differing)
        raise DataError(
            f"only some of the {len(found.sources)} files have {names}, or have it complete",
            remedy=f"leave it out of all with phys-gan convert {drops}",
            value=tuple(found.differing),
        )
    if any(found.overflow) and not all(found.overflow):
        without = found.sources[found.overflow.index(False)]
        raise DataError(
            f"'{without}' does not know the energy outside its cells, and other files do",
            remedy="leave it out of all with phys-gan convert --drop overflow",
        )
