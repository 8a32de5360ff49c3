"""The files of one training run.

The state of a training run in one safetensors file: tensors plus a JSON tree, never a pickle.
"""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import safetensors
import torch
from safetensors.torch import load, save

from phys_gan.encodings import Encoding
from phys_gan.errors import ConfigError, DataError, Notice, OutputError
from phys_gan.files import atomic_file, locked
from phys_gan.model import Model
from phys_gan.training.recipe import Recipe, load_recipe

_KEY, _DIGITS = b'"sha256":"', 64
_NONE = b"0" * _DIGITS


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write nested dicts and lists of tensors, numbers and texts.

    The header holds the SHA-256 of the whole file, taken with zeros in its own place, so that one
    file that is renamed carries both.

    Raises:
        OutputError: The file cannot be written; the one before it is kept.
    """
    tensors: dict[str, torch.Tensor] = {}
    tree = _pack(state, "", tensors)
    content = bytearray(save(tensors, {"state": json.dumps(tree), "sha256": _NONE.decode()}))
    place = _place(content)
    content[place : place + _DIGITS] = hashlib.sha256(content).hexdigest().encode()
    with atomic_file(path) as temporary, temporary.open("wb") as file:
        # Not save_file, which does not say with an OSError that the disk is full.
        file.write(content)
        file.flush()
        # A machine that fails must not leave the new name with nothing behind it.
        os.fsync(file.fileno())


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read what :func:`save_checkpoint` wrote.

    Raises:
        DataError: The file is damaged: a single other bit is found.
    """
    try:
        content = bytearray(path.read_bytes())
        place = _place(content)
        told = bytes(content[place : place + _DIGITS])
        content[place : place + _DIGITS] = _NONE
        if hashlib.sha256(content).hexdigest().encode() != told:
            raise ValueError("the checksum is another one")
        size = int.from_bytes(content[:8], "little")
        tree = json.loads(json.loads(content[8 : 8 + size])["__metadata__"]["state"])
        state: dict[str, Any] = _unpack(tree, load(bytes(content)))
    except (safetensors.SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"'{path}' is not a checkpoint, or is damaged",
            remedy="start the training again without --resume, in another directory",
            value=str(path),
        ) from error
    return state


def _place(content: bytearray) -> int:
    """Return where the checksum stands in the header.

    Raises:
        ValueError: It stands nowhere.
    """
    # Quotes inside a JSON text are escaped, so that only the key itself is found.
    end = 8 + int.from_bytes(content[:8], "little")
    return content.index(_KEY, 8, end) + len(_KEY)


def _pack(value: Any, name: str, tensors: dict[str, torch.Tensor]) -> Any:
    if isinstance(value, torch.Tensor):
        # Tensors that share memory cannot be written: each gets its own.
        tensors[name] = value.detach().cpu().contiguous().clone()
        return {"tensor": name}
    if isinstance(value, dict):
        # Pairs, since the keys of an optimiser's state are numbers, which JSON would make texts.
        return {"dict": [[k, _pack(v, f"{name}.{k}", tensors)] for k, v in value.items()]}
    if isinstance(value, list | tuple):
        return {"list": [_pack(v, f"{name}.{i}", tensors) for i, v in enumerate(value)]}
    return value


def _unpack(tree: Any, tensors: dict[str, torch.Tensor]) -> Any:
    if not isinstance(tree, dict):
        return tree
    if "tensor" in tree:
        return tensors[tree["tensor"]]
    if "dict" in tree:
        return {key: _unpack(value, tensors) for key, value in tree["dict"]}
    return [_unpack(value, tensors) for value in tree["list"]]


_MODEL, _CHECKPOINT = "model.safetensors", "checkpoint.safetensors"
_STATS, _RECIPE = "stats.jsonl", "recipe.toml"
_LOCK = ".lock"
_OLDER = "checkpoint-{}.safetensors"
_FRESH = _OLDER.format("new")


class Damaged(Notice):
    """A checkpoint is damaged, and the one before it takes its place."""


def clear_run(path: Path) -> None:
    """Remove the files of a run from a directory, so that another one may begin there."""
    older = path.glob(_OLDER.format("[0-9]*"))
    for file in (*older, *(path / name for name in (_MODEL, _CHECKPOINT, _FRESH, _STATS, _RECIPE))):
        file.unlink(missing_ok=True)


class Run:
    """A run directory: the recipe, a line per report, states to go on from, the best model.

    Arguments:
        path: The directory.
        resume: Go on with what is there, if there is something.
        keep: Checkpoints that are kept, the last one being ``checkpoint.safetensors`` and those
            before it ``checkpoint-1.safetensors`` and so on.

    Attributes:
        begun: Whether there is something to go on with.

    Raises:
        ConfigError: There is a run already, and it shall not be resumed.
        OutputError: The directory cannot be made.
    """

    def __init__(self, path: Path, resume: bool, keep: int = 2) -> None:
        self.path, self.model, self.n_kept = path, path / _MODEL, keep
        self.begun = bool(self._standing())
        if self.begun and not resume:
            raise ConfigError(
                f"'{path}' holds a training run already",
                remedy="go on with --resume, or choose another directory",
                value=str(path),
            )
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(
                f"cannot make the run directory '{path}': {error.strerror}",
                remedy="choose another place",
            ) from error

    def alone(self) -> AbstractContextManager[None]:
        """Keep other trainings from the directory while the block runs.

        Raises:
            ConfigError: Another process trains in it.
        """
        return locked(
            self.path / _LOCK,
            f"another process trains in '{self.path}'",
            "wait for it or stop it, or choose another directory",
        )

    def start(self, recipe: Recipe) -> None:
        """Begin anew."""
        self._tidy()
        # A run that never came to its first checkpoint may have left reports.
        (self.path / _STATS).unlink(missing_ok=True)
        with atomic_file(self.path / _RECIPE) as temporary:
            temporary.write_text(recipe.to_toml())

    def load(self, recipe: Recipe, encoding: Encoding, processes: int) -> dict[str, Any]:
        """Read the last checkpoint that is whole.

        Raises:
            ConfigError: The run began with another recipe, other data or other processes.
            DataError: Every checkpoint is damaged.
        """
        begun = load_recipe(self.path / _RECIPE)
        if begun != recipe:
            raise ConfigError(
                f"the run in '{self.path}' began with another recipe",
                remedy=f"resume with '{self.path / _RECIPE}', or choose another directory",
            )
        state = self._last_whole()
        fitted, known = encoding.state_dict(), state["encoding"]
        if fitted.keys() != known.keys() or not all(
            torch.equal(fitted[name].cpu(), tensor) for name, tensor in known.items()
        ):
            raise ConfigError(
                f"the run in '{self.path}' began with other data",
                remedy="give the same files in the same order, or choose another directory",
            )
        if state["processes"] != processes:
            raise ConfigError(
                f"the run in '{self.path}' began with {state['processes']} processes, not "
                f"{processes}, whose steps show another number of events",
                remedy=f"resume with {state['processes']} devices in all, or choose another "
                "directory",
                value=processes,
                constraint=state["processes"],
            )
        return state

    def rewind(self, shown: int) -> None:
        """Forget reports that were written after a checkpoint, and what a kill left behind."""
        self._tidy()
        with atomic_file(self.path / _STATS) as temporary:
            kept = [line for line in self.lines() if line["events"] <= shown]
            temporary.write_text("".join(json.dumps(line) + "\n" for line in kept))

    def lines(self) -> list[dict[str, Any]]:
        """Return the reports so far."""
        path = self.path / _STATS
        text = path.read_text("utf-8", "replace") if path.is_file() else ""
        return [line for line in map(_line, text.splitlines()) if line is not None]

    def log(self, line: Mapping[str, Any]) -> None:
        """Add a report."""
        try:
            with (self.path / _STATS).open("a") as file:
                file.write(json.dumps(line) + "\n")
        except OSError as error:
            raise OutputError(
                f"cannot write '{self.path / _STATS}': {error.strerror}",
                remedy="free space, then go on with --resume",
            ) from error

    def keep(self, model: Model) -> None:
        """Make this the model of the run."""
        model.save(self.model)

    def save(self, state: dict[str, Any]) -> None:
        """Write the state to go on from; those before it move on."""
        last, fresh = self._checkpoint(0), self.path / _FRESH
        save_checkpoint(fresh, state)
        # A kill between two of these leaves a gap, over which reading goes on to the one before.
        for age in range(self.n_kept - 1, 0, -1):
            younger = self._checkpoint(age - 1)
            if younger.exists():
                younger.replace(self._checkpoint(age))
        fresh.replace(last)

    def _checkpoint(self, age: int) -> Path:
        return self.path / (_OLDER.format(age) if age else _CHECKPOINT)

    def _standing(self) -> list[Path]:
        """Return the checkpoints that are there, the latest first."""
        fresh, last = self.path / _FRESH, self._checkpoint(0)
        older = sorted(self.path.glob(_OLDER.format("[0-9]*")), key=_age)
        return [path for path in (fresh, last, *older) if path.is_file()]

    def _last_whole(self) -> dict[str, Any]:
        damaged = []
        for path in self._standing():
            try:
                state = load_checkpoint(path)
            except DataError:
                damaged.append(path)
                continue
            if damaged:
                names = " and ".join(f"'{path.name}'" for path in damaged)
                warnings.warn(
                    f"{names} in '{self.path}' cannot be read or is damaged: going on from "
                    f"'{path.name}', after {state['shown']:,} events",
                    Damaged,
                    stacklevel=2,
                )
            return state
        raise DataError(
            f"every checkpoint in '{self.path}' is damaged: "
            f"{', '.join(path.name for path in damaged)}",
            remedy="train again in another directory; 'model.safetensors', the best model so far, "
            "can be used as it is",
            value=[str(path) for path in damaged],
        )

    def _tidy(self) -> None:
        """Remove what a process that was killed while writing left behind."""
        for name in (_MODEL, _STATS, _RECIPE, _FRESH):
            stem, _, ending = name.rpartition(".")
            for path in self.path.glob(f".{stem}.[0-9]*.{ending}"):
                path.unlink(missing_ok=True)


def _line(text: str) -> dict[str, Any] | None:
    """Return a report; None of one that was cut off or damaged."""
    try:
        line = json.loads(text)
    except ValueError:
        return None
    return line if isinstance(line, dict) and isinstance(line.get("events"), int) else None


def _age(path: Path) -> int:
    digits = path.stem.rpartition("-")[2]
    return int(digits) if digits.isdigit() else 0
