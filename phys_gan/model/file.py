"""A model file to a network: everything is compared with the file before memory is taken for it.

What a model file says about itself beside its tensors: JSON, checked before it is believed.

A model to a file: the counterpart of :mod:`phys_gan.model.file`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors.torch import save
from torch import Tensor, nn

from phys_gan.detectors import Detector
from phys_gan.encodings import AnyEncodingConfig, Encoding, build_encoding
from phys_gan.errors import DataError, DetectorError, MissingError, PhysGanError
from phys_gan.files import atomic_file, first_problem
from phys_gan.networks import AnyNetworkConfig, Generator, Sizes, build_generator

__all__ = ["FORMAT", "Header", "ModelFile", "read_header", "read_model_file", "write_model_file"]

FORMAT = "phys_gan model 1"


class Header(BaseModel):
    """What the file says about itself beside its tensors.

    Attributes:
        format: Which form of file it is.
        detector: The detector as TOML.
        encoding: The options of the encoding.
        network: The options of the generator.
        provenance: How the model was made, as short texts by name.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: str
    detector: str
    encoding: AnyEncodingConfig
    network: AnyNetworkConfig
    provenance: dict[str, str]


def read_header(text: str) -> Header:
    """Read a header from JSON.

    Raises:
        ValueError: It is no JSON, names something twice, or does not describe a model.
    """
    try:
        content = json.loads(text, object_pairs_hook=_once, parse_constant=_refuse)
    except RecursionError as error:
        raise ValueError("its values are nested too deeply") from error
    header = Header.model_validate(content)
    if header.format != FORMAT:
        raise ValueError(f"it is no '{FORMAT}'")
    return header


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # Of two values with one name, two programs may believe different ones.
    names = dict(pairs)
    if len(names) < len(pairs):
        raise ValueError("a name is there twice")
    return names


def _refuse(number: str) -> float:
    raise ValueError(f"{number} is no number")


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
            generator = build_generator(header.network, detector, Sizes.of(encoding))
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


def write_model_file(path: Path, file: ModelFile, *, half: bool) -> None:
    """Write what :func:`phys_gan.model.file.read_model_file` reads.

    Arguments:
        path: The file.
        file: What it shall hold.
        half: Keep the weights of the generator in half precision.

    Raises:
        OutputError: The file cannot be written.
    """
    tensors = {
        f"{part}.{name}": tensor.detach().cpu().contiguous()
        for part, module in file.parts.items()
        for name, tensor in module.state_dict().items()
    }
    if half:
        tensors |= {
            name: tensor.half()
            for name, tensor in tensors.items()
            if name.startswith("generator.") and tensor.is_floating_point()
        }
    with atomic_file(path) as temporary:
        # Not save_file, which does not say with an OSError that the disk is full.
        temporary.write_bytes(save(tensors, {"phys_gan": file.header.model_dump_json()}))
