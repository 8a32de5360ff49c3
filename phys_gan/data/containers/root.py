"""ROOT: find the tree in a file, read its branches; write trees (:class:`Trees`).

Trees are TTrees or RNTuples, branches those of the one or fields of the other. All that reads
raises ``DataError`` where the file is damaged, all that writes ``OSError`` on a full disk.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phys_gan.data.containers.container import damage_reported
from phys_gan.data.containers.opening import OpenFile, listing, nearest
from phys_gan.data.metadata import Metadata, from_texts
from phys_gan.data.source import ends_in_particle
from phys_gan.errors import DataError, MissingError
from phys_gan.files import atomic_file
from phys_gan.units import find_particle

_TREES = ("TTree", "TNtuple", "TNtupleD", "TChain", "ROOT::RNTuple")
METADATA = "phys_gan"
_BLOCK = 5000

# Events and bytes of a basket that is written; baskets that a new tree has room for.
_EVENTS, _BYTES = 8192, 1 << 27
_FEW_BASKETS, _MANY_BASKETS = 10, 64

Columns = Mapping[str, Any]
"""Branches by name, of the same events."""


def trees(file: OpenFile) -> dict[str, Any]:
    """Return the trees and n-tuples of the file by name, of each the one written last.

    An older one that the user named by its cycle (``tree;1``) is among them by that name.
    """
    with damage_reported("ROOT"):
        return {name: _at(file.handle, key) for name, key in _keys(file).items()}


def _at(folder: Any, key: str) -> Any:
    """Return the object at a path in a file; uproot takes colons in a whole path for branches."""
    for part in key.split("/"):
        folder = folder[part]
    return folder


def _keys(file: OpenFile) -> dict[str, str]:
    """Return the keys of trees by name; a key ends in a cycle, as a name may itself."""
    classes: dict[str, str] = file.handle.classnames()
    keys = [key for key, kind in classes.items() if kind in _TREES]
    found: dict[str, str] = {}
    for key in keys:
        name, _, cycle = key.rpartition(";")
        if name not in found or int(cycle) > int(found[name].rpartition(";")[2]):
            found[name] = key
    if file.tree in keys:
        found.setdefault(file.tree, file.tree)
    return found


def several_trees(file: OpenFile, fitting: Sequence[str]) -> DataError:
    """Return an error for several trees that would do."""
    first = fitting[0]
    if ends_in_particle(first):
        # With its cycle the end of its name is not taken for a particle.
        first = _keys(file)[first]
    return DataError(
        f"'{file.path}' has {len(fitting)} trees that would do: {listing(fitting)}",
        remedy=f"name one, such as '{file.path}:{first}'",
        value=tuple(fitting),
    )


def _no_tree(file: OpenFile, there: Collection[str]) -> MissingError:
    """Return an error for the name of a tree that is not there."""
    tree, _, particle = file.tree.rpartition("@")
    if tree in there:
        find_particle(particle)
    names = list(there)
    return MissingError(
        f"'{file.path}' has no tree '{file.tree}'{nearest(file.tree, names)}; it holds "
        f"{listing(names)}",
        remedy="name one of these",
        value=file.tree,
    )


def branches(tree: Any) -> list[str]:
    """Return the names of the branches of a tree, those inside of others left out."""
    with damage_reported("ROOT"):
        return list(dict.fromkeys(tree.keys(recursive=False)))


def leaves(tree: Any) -> dict[str, Any]:
    """Return the branches of a tree that hold values, by name, also those inside of others.

    A branch inside of another goes by its own name, ``hits.x``, and where that is there twice by
    its path, ``hits/hits.x``. Branches that count the numbers in the lists of others are left out.
    Those of an RNTuple are its fields, whatever is inside of them.
    """
    with damage_reported("ROOT"):
        if not hasattr(tree, "branches"):
            return {name: tree[name] for name in branches(tree)}
        every = tree.iteritems(recursive=True)
        ends = {path: branch for path, branch in every if not branch.branches}
        lists = [branch.count_leaf for branch in ends.values()]
        counts = {leaf.member("fName") for leaf in lists if leaf is not None}
        found: dict[str, Any] = {}
        for path, branch in ends.items():
            name = path.rpartition("/")[2]
            if branch.name not in counts:
                found[path if name in found else name] = branch
        return found


def entries(leaf: Any) -> tuple[np.dtype[Any], tuple[int, ...]] | str:
    """Return type and shape of the numbers in a branch, (N,) or (N, ...), or what else it holds.

    Arguments:
        leaf: What :func:`leaves` returned.
    """
    from uproot.interpretation.jagged import AsJagged
    from uproot.interpretation.numerical import Numerical
    from uproot.interpretation.strings import AsStrings

    if not hasattr(leaf, "interpretation"):
        return _entries_of_field(leaf)
    with damage_reported("ROOT"):
        interpretation, number = leaf.interpretation, int(leaf.num_entries)
        if isinstance(interpretation, Numerical):
            return np.dtype(interpretation.to_dtype), (number,)
    if isinstance(interpretation, AsStrings) or "string" in leaf.typename:
        return "text"
    is_list = isinstance(interpretation, AsJagged) or "vector" in leaf.typename
    return "lists of any length" if is_list else "no numbers"


def _entries_of_field(field: Any) -> tuple[np.dtype[Any], tuple[int, ...]] | str:
    import awkward as ak

    try:
        with damage_reported("ROOT"):
            # No page is read for no entry, so what fails is a type that uproot does not know.
            layout = field.array(entry_stop=0).layout
    except DataError:
        return "what uproot cannot read"
    if layout.parameter("__array__") in ("string", "bytestring"):
        return "text"
    if layout.is_list and not layout.is_regular:
        return "lists of any length"
    inside = layout
    while inside.is_regular:
        inside = inside.content
    if not all(part.is_numpy for part in (inside.contents if inside.is_record else [inside])):
        return "no numbers"
    none = ak.to_numpy(layout)
    return none.dtype, (int(field.ntuple.num_entries), *none.shape[1:])


def read_entries(leaf: Any) -> NDArray[Any]:
    """Read the numbers that :func:`entries` described, all events."""
    import awkward as ak

    with damage_reported("ROOT"):
        return np.asarray(ak.to_numpy(_array(leaf, 0, None)))


def one_each(leaf: Any) -> NDArray[Any] | None:
    """Read lists of which each has one number, shape (N,); None where some have not."""
    import awkward as ak

    with damage_reported("ROOT"):
        array = _array(leaf, 0, None)
        if array.ndim != 2 or ak.fields(array) or not ak.all(ak.num(array) == 1):
            return None
        return np.asarray(ak.flatten(array))


def without_counts(tree: Any) -> list[str]:
    """Return the branches of a tree without those that count the list NAME, nNAME."""
    names = branches(tree)
    return [name for name in names if not (name[:1] == "n" and name[1:] in names)]


def open_tree(file: OpenFile, needs: Sequence[str], usual: str) -> Any:
    """Return the tree that the user named, or the one with the needed branches.

    Arguments:
        file: The open file.
        needs: Branches that the tree must have.
        usual: The tree to take where several would do.

    Raises:
        MissingError: There is no such tree, or it lacks a branch.
        DataError: Several trees would do.
    """
    there = trees(file)
    if file.tree:
        if file.tree not in there:
            raise _no_tree(file, there)
        require_branches(file, there[file.tree], needs)
        return there[file.tree]
    fitting = [name for name, tree in there.items() if set(needs) <= set(branches(tree))]
    if len(fitting) == 1 or usual in fitting:
        return there[usual if usual in fitting else fitting[0]]
    if fitting:
        raise several_trees(file, fitting)
    common = {name: len(set(needs) & set(branches(tree))) for name, tree in there.items()}
    if any(common.values()):
        require_branches(file, there[max(common, key=lambda name: common[name])], needs)
    raise MissingError(
        f"'{file.path}' has no tree with the branches {listing(needs)}; it holds "
        f"{_described(there)}",
        remedy="name the format or convert the file",
        value=tuple(needs),
    )


def _described(there: Mapping[str, Any]) -> str:
    if not there:
        return "no tree at all"
    name, tree = next(iter(there.items()))
    more = f" and {len(there) - 1} more trees" if len(there) > 1 else ""
    return f"the tree '{name}' with {listing(without_counts(tree), 4)}{more}"


def require_branches(file: OpenFile, tree: Any, names: Sequence[str]) -> None:
    """Require branches of a tree.

    Raises:
        MissingError: Some are missing; the message lists the nearest ones.
    """
    there = branches(tree)
    missing = [name for name in names if name not in set(there)]
    if missing:
        others = without_counts(tree)
        raise MissingError(
            f"tree '{tree.name}' of '{file.path}' lacks {len(missing)} of {len(names)} branches: "
            f"{listing(missing, 3)}{nearest(missing[0], [n for n in others if n not in names])}",
            remedy="rename them, or name another tree or format",
            value=tuple(missing),
        )


def read_numbers(
    tree: Any, out: Mapping[str, NDArray[Any]], start: int = 0, stop: int | None = None
) -> None:
    """Read branches with one number per event into arrays (n,), in place.

    Arguments:
        tree: A tree or n-tuple with these branches.
        out: Arrays for the events ``start`` to ``stop - 1`` by the names of the branches.
        start: Number of the first event.
        stop: Number after the last one; by default all events.

    Raises:
        DataError: A branch does not hold one number per event, or is damaged.
    """
    from awkward.contents import NumpyArray
    from uproot.interpretation.numerical import AsDtype

    stop = tree.num_entries if stop is None else stop
    if not out or start >= stop:
        return
    with damage_reported("ROOT"):
        if not hasattr(tree, "branches"):
            record = tree.arrays(list(out), library="ak", entry_start=start, entry_stop=stop).layout
            for name, target in out.items():
                content = record.content(name)
                if not isinstance(content, NumpyArray) or content.data.ndim != 1:
                    raise _not_one_number(name)
                target[:] = content.data
            return
        # Baskets are converted straight into the arrays, without a float64 copy of the cells.
        how = {}
        for name, target in out.items():
            interpretation = tree[name].interpretation
            if not isinstance(interpretation, AsDtype) or interpretation.inner_shape:
                raise _not_one_number(name)
            how[name] = interpretation.inplace(target)
        # A cached array would be handed out without being written into ours again.
        tree.arrays(how, library="np", entry_start=start, entry_stop=stop, array_cache=None)


def read_scalars(tree: Any, names: Iterable[str]) -> dict[str, NDArray[np.float64]]:
    """Read branches with one number per event, all events, as float64.

    Raises:
        DataError: A branch does not hold one number per event, or is damaged.
    """
    columns = {name: np.empty(tree.num_entries, np.float64) for name in names}
    read_numbers(tree, columns)
    return columns


def read_jagged(
    tree: Any, names: Sequence[str], start: int = 0, stop: int | None = None
) -> tuple[NDArray[np.int64], dict[str, NDArray[Any]]]:
    """Read branches with a list of numbers per event.

    Arguments:
        tree: A tree or n-tuple with these branches.
        names: The branches.
        start: Number of the first event.
        stop: Number after the last one; by default all events.

    Returns:
        How many numbers each event has (n,), and all numbers of each branch one after the other.

    Raises:
        DataError: A branch holds something else, or the branches differ in length.
    """
    import awkward as ak

    with damage_reported("ROOT"):
        # Nested names are looked up one by one: uproot finds them only from the top.
        arrays = {name: _array(tree[name], start, stop) for name in names}
        n_events = (tree.num_entries if stop is None else stop) - start
        if any(len(array) != n_events for array in arrays.values()):
            raise ValueError("a branch has fewer events than its tree")
    counts, flat = None, {}
    for name, array in arrays.items():
        if array.ndim != 2 or ak.fields(array):
            raise DataError(
                f"branch '{name}' does not hold a list of numbers per event",
                remedy="name another branch, or another format",
                value=name,
            )
        own = np.asarray(ak.num(array), np.int64)
        if counts is not None and not np.array_equal(own, counts):
            event = int(np.flatnonzero(own != counts)[0])
            raise DataError(
                f"branch '{name}' has {own[event]} numbers in event {start + event}, but "
                f"'{names[0]}' has {counts[event]}",
                remedy="name branches of one collection of hits",
                value=name,
            )
        counts, flat[name] = own, np.asarray(ak.flatten(array))
    return np.zeros(0, np.int64) if counts is None else counts, flat


def _array(branch: Any, start: int, stop: int | None) -> Any:
    # RNTuple fields know no cache; that of branches only fills the memory.
    cache = {"array_cache": None} if hasattr(branch, "interpretation") else {}
    return branch.array(entry_start=start, entry_stop=stop, **cache)


def basket_size(tree: Any, name: str) -> int:
    """Return how many events are stored together, as far as the first basket tells."""
    if not hasattr(tree, "branches"):
        return max(1, min(int(tree.num_entries), _BLOCK))
    with damage_reported("ROOT"):
        offsets: list[int] = list(tree[name].entry_offsets)
    return max(1, offsets[1] - offsets[0]) if len(offsets) > 1 else 1


def _not_one_number(name: str) -> DataError:
    return DataError(
        f"branch '{name}' does not hold one number per event",
        remedy="name another tree, or another format",
        value=name,
    )


def metadata(file: OpenFile) -> Metadata:
    """Read what a file of ours says about itself; empty where another program wrote it."""
    with damage_reported("ROOT"):
        kind = file.handle.classnames(cycle=False).get(METADATA)
        text = str(file.handle[METADATA]) if kind == "TObjString" else "{}"
    try:
        texts = json.loads(text)
    except json.JSONDecodeError:
        texts = None
    if not isinstance(texts, dict):
        raise DataError(
            f"the entry '{METADATA}' does not hold what phys_gan writes there",
            remedy="remove it from the file",
        )
    return from_texts({str(name): str(value) for name, value in texts.items()}, str(file.path))


@contextmanager
def created(path: Path, texts: Mapping[str, str]) -> Iterator[Trees]:
    """Yield the trees of a new ROOT file; it appears at ``path`` when the block succeeds.

    Zstandard, which ROOT reads since version 6.20, takes half the time of zlib or less, for files
    that are a little smaller and are read faster.

    Arguments:
        path: The file.
        texts: What it says about itself, stored as JSON.

    Raises:
        OutputError: The file cannot be written; what stood there is untouched.
    """
    import uproot

    with (
        atomic_file(path) as temporary,
        # Opened here, because uproot leaves what it opens to the garbage collector on a full disk.
        temporary.open("w+b") as file,
        uproot.recreate(file, compression=uproot.ZSTD(1)) as handle,
    ):
        handle[METADATA] = json.dumps(dict(texts))
        trees = Trees(handle)
        yield trees
        trees.finish()


class Trees:
    """Trees that grow event by event, by baskets of a fixed number of events.

    Every basket of every branch costs a while, so they are as large as is handy to read.

    Arguments:
        handle: The open ROOT file.
    """

    def __init__(self, handle: Any) -> None:
        self._handle = handle
        self._trees: dict[str, Any] = {}
        self._waiting: dict[str, list[Columns]] = {}

    def put(self, tree: str, columns: Columns) -> None:
        """Append events to a TTree.

        Arguments:
            tree: Its name.
            columns: By branch, a NumPy array (n,), or a jagged awkward array with a list of
                numbers per event, for which ROOT wants a branch of counts, ``n<branch>``, beside.
                They must not change any more.
        """
        self._waiting.setdefault(tree, []).append(columns)
        self._write(tree, last=False)

    def finish(self) -> None:
        """Write what is left."""
        for tree in self._waiting:
            self._write(tree, last=True)

    def _write(self, tree: str, last: bool) -> None:
        import awkward as ak

        parts = self._waiting[tree]
        total = sum(len(next(iter(columns.values()))) for columns in parts)
        size = sum(values.nbytes for columns in parts for values in columns.values())
        rows = max(1, min(_EVENTS, _BYTES * total // max(1, size)))
        if not total or (not last and total < rows):
            return
        columns = parts[0]
        if len(parts) > 1:
            columns = {
                name: (np if isinstance(values, np.ndarray) else ak).concatenate(
                    [part[name] for part in parts]
                )
                for name, values in columns.items()
            }
        if tree not in self._trees:
            types = {
                name: values.dtype
                if isinstance(values, np.ndarray)
                else f"var * {np.asarray(ak.flatten(values)).dtype}"
                for name, values in columns.items()
            }
            # Room for more baskets is made by writing the tree anew, which takes uproot a second
            # for hundreds of branches; where few events follow, it would be left empty.
            room = _FEW_BASKETS if last else _MANY_BASKETS
            self._trees[tree] = self._handle.mktree(tree, types, initial_basket_capacity=room)
        full = total if last else total - total % rows
        for start in range(0, full, rows):
            stop = min(start + rows, full)
            self._trees[tree].extend({name: v[start:stop] for name, v in columns.items()})
        # Copies, so that the events they are cut from need not stay in memory.
        rest = {
            name: values[full:].copy()
            if isinstance(values, np.ndarray)
            else ak.to_packed(values[full:])
            for name, values in columns.items()
        }
        self._waiting[tree] = [rest] if full < total else []
