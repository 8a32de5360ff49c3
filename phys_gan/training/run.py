""":class:`Run`: the files of a training run, with its checkpoints.

A checkpoint is one safetensors file, never a pickle: the tensors of a nested state, and in the
header the state itself as JSON, where a tensor is ``{"tensor": name}``, a dict a list of pairs
(keys of an optimiser's state are integers) and a list ``{"list": [...]}``. The header also holds
the SHA-256 of the whole file, computed with zeros in its own place, so that renaming one file
moves both.
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
from phys_gan.training.recipe import Recipe, load_recipe

_MODEL, _CHECKPOINT = "model.safetensors", "checkpoint.safetensors"
_STATS, _RECIPE = "stats.jsonl", "recipe.toml"
_LOCK = ".lock"
_OLDER = "checkpoint-{}.safetensors"
_FRESH = _OLDER.format("new")


class Damaged(Notice):
    """A checkpoint is damaged, and the one before it takes its place."""


def clear_run(path: Path) -> None:
    """Remove the files of a run from a directory, so that another run may begin there."""
    older = path.glob(_OLDER.format("[0-9]*"))
    for file in (*older, *(path / name for name in (_MODEL, _CHECKPOINT, _FRESH, _STATS, _RECIPE))):
        file.unlink(missing_ok=True)


class Run:
    """A run directory: the recipe, a line per report, states to go on from, the best model.

    Arguments:
        path: The directory.
        resume: Go on with the run in the directory, if there is one.
        keep: Checkpoints that are kept: the last one is ``checkpoint.safetensors``, those before
            it ``checkpoint-1.safetensors`` and so on.

    Attributes:
        begun: Whether there is a checkpoint to go on from.
        model: Path of the best model.

    Raises:
        ConfigError: There is a run already, and ``resume`` is not set.
        OutputError: The directory cannot be made.
    """

    def __init__(self, path: Path, resume: bool, keep: int = 2) -> None:
        self.path, self.model, self.n_kept = path, path / _MODEL, keep
        self.begun = bool(self._checkpoints())
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
        """Lock the directory against other trainings while the block runs.

        Raises:
            ConfigError: Another process trains in it.
        """
        return locked(
            self.path / _LOCK,
            f"another process trains in '{self.path}'",
            "wait for it or stop it, or choose another directory",
        )

    def start(self, recipe: Recipe) -> None:
        """Begin a new run."""
        self._tidy()
        # A run that ended before its first checkpoint may have left reports.
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
        """Drop reports that were written after a checkpoint, and files that a kill left behind."""
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

    def save(self, state: dict[str, Any]) -> None:
        """Write the state to go on from, after renaming those before it."""
        fresh = self.path / _FRESH
        save_checkpoint(fresh, state)
        # A kill between two of these renames leaves a gap, which reading skips.
        for age in range(self.n_kept - 1, 0, -1):
            younger = self._checkpoint(age - 1)
            if younger.exists():
                younger.replace(self._checkpoint(age))
        fresh.replace(self._checkpoint(0))

    def _checkpoint(self, age: int) -> Path:
        return self.path / (_OLDER.format(age) if age else _CHECKPOINT)

    def _checkpoints(self) -> list[Path]:
        """Return the checkpoints that exist, the latest first."""
        older = sorted(self.path.glob(_OLDER.format("[0-9]*")), key=_age)
        paths = (self.path / _FRESH, self._checkpoint(0), *older)
        return [path for path in paths if path.is_file()]

    def _last_whole(self) -> dict[str, Any]:
        damaged = []
        for path in self._checkpoints():
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
            "is not affected",
            value=[str(path) for path in damaged],
        )

    def _tidy(self) -> None:
        """Remove temporary files of a process that was killed while writing."""
        for name in (_MODEL, _STATS, _RECIPE, _FRESH):
            stem, _, ending = name.rpartition(".")
            for path in self.path.glob(f".{stem}.[0-9]*.{ending}"):
                path.unlink(missing_ok=True)


def _line(text: str) -> dict[str, Any] | None:
    """Return a report; None if it was cut off or damaged."""
    try:
        line = json.loads(text)
    except ValueError:
        return None
    return line if isinstance(line, dict) and isinstance(line.get("events"), int) else None


def _age(path: Path) -> int:
    digits = path.stem.rpartition("-")[2]
    return int(digits) if digits.isdigit() else 0


# The format of a checkpoint

_KEY, _ZEROS = b'"sha256":"', b"0" * 64


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write nested dicts and lists of tensors, numbers and texts.

    Raises:
        OutputError: The file cannot be written; the one before it is kept.
    """
    tensors: dict[str, torch.Tensor] = {}
    tree = _pack(state, "", tensors)
    content = bytearray(save(tensors, {"state": json.dumps(tree), "sha256": _ZEROS.decode()}))
    place = _place(content)
    content[place : place + len(_ZEROS)] = hashlib.sha256(content).hexdigest().encode()
    with atomic_file(path) as temporary, temporary.open("wb") as file:
        # Not save_file, which does not raise an OSError on a full disk.
        file.write(content)
        file.flush()
        # After a power cut the new name must not refer to an empty file.
        os.fsync(file.fileno())


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read what :func:`save_checkpoint` wrote.

    Raises:
        DataError: The file is damaged, be it by a single bit.
    """
    try:
        content = bytearray(path.read_bytes())
        place = _place(content)
        expected = bytes(content[place : place + len(_ZEROS)])
        content[place : place + len(_ZEROS)] = _ZEROS
        if hashlib.sha256(content).hexdigest().encode() != expected:
            raise ValueError("the checksum does not match")
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
    """Return the position of the checksum in the header; raise a ValueError if there is none."""
    # Quotes inside a JSON text are escaped, so that only the key itself matches.
    end = 8 + int.from_bytes(content[:8], "little")
    return content.index(_KEY, 8, end) + len(_KEY)


def _pack(value: Any, name: str, tensors: dict[str, torch.Tensor]) -> Any:
    if isinstance(value, torch.Tensor):
        # Tensors that share memory cannot be written: each gets its own.
        tensors[name] = value.detach().cpu().contiguous().clone()
        return {"tensor": name}
    if isinstance(value, dict):
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
