"""ROOT: find the tree in a file, read its branches of numbers, write them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phys_gan.data.container import OpenFile, damage_reported, listing, nearest
from phys_gan.data.metadata import Metadata, from_texts
from phys_gan.errors import DataError, MissingError
from phys_gan.files import atomic_file

__all__ = ["branches", "find_tree", "metadata", "read_branches", "trees", "write_tree"]

_TREES = ("TTree", "TNtuple", "TNtupleD", "TChain", "ROOT::RNTuple")
_METADATA = "phys_gan"
_BLOCK = 5000


def trees(file: OpenFile) -> dict[str, Any]:
    """Return the trees and n-tuples of the file by name."""
    with damage_reported("ROOT"):
        classes: dict[str, str] = file.handle.classnames(cycle=False)
        return {name: file.handle[name] for name, kind in classes.items() if kind in _TREES}


def branches(tree: Any) -> list[str]:
    """Return the names of the branches of a tree."""
    with damage_reported("ROOT"):
        return list(dict.fromkeys(tree.keys(recursive=False)))


def find_tree(file: OpenFile, needs: Sequence[str], usual: str) -> str:
    """Return the name of the tree that the user named, or of the one with the needed branches.

    Arguments:
        file: The open file.
        needs: Branches that the tree must have.
        usual: The tree to take where several would do.

    Raises:
        MissingError: There is no such tree.
        DataError: Several trees would do.
    """
    there = trees(file)
    if file.tree:
        if file.tree not in there:
            raise MissingError(
                f"'{file.path}' has no tree '{file.tree}'{nearest(file.tree, list(there))}; it "
                f"holds {listing(list(there))}",
                remedy="name one of these",
                value=file.tree,
            )
        return file.tree
    fitting = [name for name, tree in there.items() if set(needs) <= set(branches(tree))]
    if len(fitting) == 1 or usual in fitting:
        return usual if usual in fitting else fitting[0]
    if fitting:
        raise DataError(
            f"'{file.path}' has {len(fitting)} trees that would do: {listing(fitting)}",
            remedy=f"name one, such as '{file.path}:{fitting[0]}'",
            value=tuple(fitting),
        )
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
    return f"the tree '{name}' with {listing(branches(tree), 4)}{more}"


def read_branches(file: OpenFile, tree_name: str, out: Mapping[str, NDArray[Any]]) -> None:
    """Read branches with one number per event into arrays of shape (N,), in place.

    Raises:
        MissingError: A branch is missing.
        DataError: A branch does not hold one number per event, or is damaged.
    """
    tree = trees(file)[tree_name]
    there = branches(tree)
    missing = [name for name in out if name not in set(there)]
    if missing:
        raise MissingError(
            f"tree '{tree_name}' of '{file.path}' lacks {len(missing)} of {len(out)} branches: "
            f"{listing(missing, 3)}{nearest(missing[0], [n for n in there if n not in out])}",
            remedy="name another tree, or another format",
            value=tuple(missing),
        )
    with damage_reported("ROOT"):
        if hasattr(tree, "branches"):
            _fill_from_tree(tree, out)
        else:
            _fill_from_ntuple(tree, out)


def _fill_from_tree(tree: Any, out: Mapping[str, NDArray[Any]]) -> None:
    from uproot.interpretation.numerical import AsDtype

    interpretations = {}
    for branch in tree.branches:
        if branch.name not in out:
            continue
        interpretation = branch.interpretation
        if not isinstance(interpretation, AsDtype) or interpretation.inner_shape:
            raise _not_one_number(branch.name)
        # Baskets are converted straight into the array, without a float64 copy of the cells.
        interpretations[branch.name] = interpretation.inplace(out[branch.name])
    tree.arrays(interpretations, library="np")


def _fill_from_ntuple(tree: Any, out: Mapping[str, NDArray[Any]]) -> None:
    from awkward.contents import NumpyArray

    record = tree.arrays(list(out), library="ak").layout
    for name, target in out.items():
        content = record.content(name)
        if not isinstance(content, NumpyArray) or content.data.ndim != 1:
            raise _not_one_number(name)
        target[:] = content.data


def _not_one_number(name: str) -> DataError:
    return DataError(
        f"branch '{name}' does not hold one number per event",
        remedy="name another tree, or another format",
        value=name,
    )


def metadata(file: OpenFile) -> Metadata:
    """Read what a file of ours says about itself; nothing where another program wrote it."""
    with damage_reported("ROOT"):
        kind = file.handle.classnames(cycle=False).get(_METADATA)
        text = str(file.handle[_METADATA]) if kind == "TObjString" else "{}"
    try:
        texts = json.loads(text)
    except json.JSONDecodeError:
        texts = None
    if not isinstance(texts, dict):
        raise DataError(
            f"the entry '{_METADATA}' does not hold what phys_gan writes there",
            remedy="remove it from the file",
        )
    return from_texts({str(name): str(value) for name, value in texts.items()}, str(file.path))


def write_tree(
    path: Path, tree_name: str, columns: Mapping[str, NDArray[Any]], texts: Mapping[str, str]
) -> None:
    """Write a TTree of double branches, and the texts as JSON beside it.

    Raises:
        OutputError: The file cannot be written; what stood there is untouched.
    """
    import uproot

    n_events = len(next(iter(columns.values())))
    with atomic_file(path) as temporary, uproot.recreate(temporary) as handle:
        handle[_METADATA] = json.dumps(dict(texts))
        tree = handle.mktree(tree_name, dict.fromkeys(columns, "f8"))
        for start in range(0, n_events, _BLOCK):
            tree.extend(
                {
                    name: np.asarray(values[start : start + _BLOCK], np.float64)
                    for name, values in columns.items()
                }
            )
