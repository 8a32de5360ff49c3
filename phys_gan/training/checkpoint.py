"""The state of a training run in one safetensors file: tensors plus a JSON tree, never a pickle."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import safetensors
import torch
from safetensors.torch import load, save

from phys_gan.errors import DataError
from phys_gan.files import atomic_file

__all__ = ["load_checkpoint", "save_checkpoint"]

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
