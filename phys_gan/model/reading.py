"""A model file to a network: everything is compared with the file before memory is taken for it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from phys_gan.detectors import Detector
from phys_gan.encodings import Encoding, build_encoding
from phys_gan.errors import DataError, DetectorError, MissingError, PhysGanError
from phys_gan.model.header import Header, read_header
from phys_gan.networks import Generator, build_generator
from phys_gan.toml import first_problem

__all__ = ["ModelFile", "read_model_file"]

_MOST_HEADER = 1 << 24
"""Bytes of the names, shapes and metadata of a file; those of the largest recipe have 20,000."""

_DTYPES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.bool: "BOOL",
}


@dataclass(frozen=True)
class ModelFile:
    """What a model file holds.

    Attributes:
        header: What it says about itself.
        encoding: The fitted encoding.
        generator: The generator, in evaluation mode.
    """

    header: Header
    encoding: Encoding
    generator: Generator

    @property
    def parts(self) -> dict[str, nn.Module]:
        """What has tensors in the file, by what their names begin with."""
        return {"encoding": self.encoding, "generator": self.generator}


def read_model_file(path: Path, device: torch.device | str) -> ModelFile:
    """Read a model file. Nothing in the file is ever executed.

    The shapes that the file declares are compared with those of the networks that it describes
    before either takes any memory.

    Raises:
        MissingError: There is no such file.
        DataError: The file is not a model, is damaged, or is not what it says.
    """
    if not path.is_file():
        raise MissingError(
            f"there is no model '{path}'",
            remedy="give a run directory or a .safetensors file that `phys-gan train` wrote",
            value=str(path),
        )
    with _opened(path) as file:
        with _damage_reported(path):
            header = read_header((file.metadata() or {}).get("phys_gan", ""))
            names = file.keys()
            slices = {name: file.get_slice(name) for name in names}
            declared = {
                name: (tuple(part.get_shape()), str(part.get_dtype()))
                for name, part in slices.items()
            }
        empty = _empty(path, header, declared)
        for part, module in empty.parts.items():
            _require_fit(path, part, module, declared)
        for part, module in empty.parts.items():
            with _damage_reported(path):
                state = {
                    name: _value(file.get_tensor(f"{part}.{name}"), tensor.dtype)
                    for name, tensor in module.state_dict().items()
                }
            _require_finite(path, part, state)
            # The tensors of the file take the places that have no memory yet.
            module.load_state_dict(state, assign=True)
            module.to(device).eval().requires_grad_(False)
    return empty


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open a file whose header is not too large to be looked at."""
    with _damage_reported(path):
        with path.open("rb") as raw:
            size = int.from_bytes(raw.read(8), "little")
        if size > _MOST_HEADER:
            raise ValueError(f"its header has {size:,} bytes, and at most {_MOST_HEADER:,} may be")
        opened = safetensors.safe_open(path, "pt")
    with opened as file:
        yield file


@contextmanager
def _damage_reported(path: Path) -> Iterator[None]:
    try:
        yield
    except (safetensors.SafetensorError, OSError, ValueError, ValidationError) as error:
        reason = f": {first_problem(error)}" if isinstance(error, ValidationError) else ""
        raise DataError(
            f"'{path}' is not a model of phys_gan, or is damaged{reason}",
            remedy="train it again, or copy it again from where it came",
        ) from error


def _empty(
    path: Path, header: Header, declared: Mapping[str, tuple[tuple[int, ...], str]]
) -> ModelFile:
    """Build what the header describes, without memory for any tensor."""
    detector = Detector.from_toml(header.detector, str(path))
    held = sum(math.prod(shape) for shape, _ in declared.values())
    # Every generator has at least one number per cell.
    if detector.n_cells > held:
        raise DetectorError(
            f"'{path}' describes a detector of {detector.n_cells:,} cells, but holds only "
            f"{held:,} numbers",
            remedy="train the model again, or copy it again from where it came",
            value=detector.n_cells,
            constraint=held,
        )
    try:
        with torch.device("meta"):
            encoding = build_encoding(header.encoding, detector)
            generator = build_generator(
                header.network, detector, encoding.n_globals, encoding.n_conditions
            )
    except (PhysGanError, RuntimeError) as error:
        reason = f": {error.problem}" if isinstance(error, PhysGanError) else ""
        raise DataError(
            f"'{path}' describes a network that cannot be{reason}",
            remedy="train the model again",
        ) from error
    return ModelFile(header, encoding, generator)


def _require_fit(
    path: Path,
    part: str,
    module: nn.Module,
    declared: Mapping[str, tuple[tuple[int, ...], str]],
) -> None:
    """Require of the file the tensors of a module and no others."""
    needed = {f"{part}.{name}": tensor for name, tensor in module.state_dict().items()}
    found = {name for name in declared if name.startswith(f"{part}.")}
    others = {name for name in declared if name.split(".")[0] not in ("encoding", "generator")}
    problem = ""
    if lacking := sorted(needed.keys() - found):
        problem = f"it lacks '{lacking[0]}'"
    elif surplus := sorted((found - needed.keys()) | others):
        problem = f"'{surplus[0][:80]}' has no place in it".replace("\n", " ")
    else:
        for name, tensor in needed.items():
            shape, dtype = declared[name]
            allowed = {_DTYPES.get(tensor.dtype, "")}
            if part == "generator" and tensor.dtype == torch.float32:
                allowed.add("F16")
            if shape != tuple(tensor.shape) or dtype not in allowed:
                there = f"{dtype} {list(shape)}"
                wanted = f"{_DTYPES.get(tensor.dtype, '')} {list(tensor.shape)}"
                problem = f"'{name}' is {there} instead of {wanted}"
                break
    if problem:
        raise DataError(
            f"the tensors in '{path}' do not fit its description of the {part}: {problem}",
            remedy="train the model again",
        )


def _value(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    # A copy: the file may change or vanish while the model lives.
    return tensor.to(dtype) if tensor.dtype != dtype else tensor.clone()


def _require_finite(path: Path, part: str, state: Mapping[str, Tensor]) -> None:
    for name, tensor in state.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise DataError(
                f"'{path}' holds NaN or infinite numbers in '{part}.{name}'",
                remedy="train the model again, or copy it again from where it came",
                value=name,
            )
