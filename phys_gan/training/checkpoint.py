"""The state of a training run in one safetensors file: tensors plus a JSON tree, never a pickle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import safetensors
import torch
from safetensors.torch import save

from phys_gan.errors import DataError
from phys_gan.files import atomic_file

__all__ = ["load_checkpoint", "save_checkpoint"]


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write nested dicts and lists of tensors, numbers and texts.

    Raises:
        OutputError: The file cannot be written; the one before it is kept.
    """
    tensors: dict[str, torch.Tensor] = {}
    tree = _pack(state, "", tensors)
    with atomic_file(path) as temporary:
        # Not save_file, which does not say with an OSError that the disk is full.
        temporary.write_bytes(save(tensors, {"state": json.dumps(tree)}))


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read what :func:`save_checkpoint` wrote.

    Raises:
        DataError: The file is damaged.
    """
    try:
        with safetensors.safe_open(path, "pt") as file:
            tree = json.loads((file.metadata() or {})["state"])
            names = file.keys()
            tensors = {name: file.get_tensor(name) for name in names}
        state: dict[str, Any] = _unpack(tree, tensors)
    except (safetensors.SafetensorError, OSError, ValueError, KeyError) as error:
        raise DataError(
            f"'{path}' is not a checkpoint, or is damaged",
            remedy="start the training again without --resume",
        ) from error
    return state


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
