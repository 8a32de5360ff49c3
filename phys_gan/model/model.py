"""A trained model in one file: detector, encoding, generator and provenance. Never a pickle.

A safetensors file holds the tensors of encoding and generator, and a header in JSON from which both
are built. What the header describes is compared with the tensors in the file before it takes any
memory, and nothing in the file is ever executed.
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
from phys_gan.networks import AnyNetworkConfig, Generator, NetworkConfig, Sizes, build_generator

_FORMAT = "phys_gan model 1"
# Bytes of the names, shapes and metadata of a file; those of the largest recipe have 20,000.
_MOST_HEADER = 1 << 24
_DTYPES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.bool: "BOOL",
}
_Declared = Mapping[str, tuple[tuple[int, ...], str]]


@dataclass(frozen=True)
class Model:
    """A trained model; :class:`~phys_gan.model.FastSim` generates events with it.

    Attributes:
        encoding: The fitted encoding, with the detector.
        encoding_config: Its options.
        generator: The generator, in evaluation mode.
        network_config: The options of its architecture.
        provenance: How the model was made, as short texts by name.
    """

    encoding: Encoding
    encoding_config: AnyEncodingConfig
    generator: Generator
    network_config: NetworkConfig
    provenance: Mapping[str, str]

    @property
    def detector(self) -> Detector:
        """The detector whose events are generated."""
        return self.encoding.detector

    @property
    def device(self) -> torch.device:
        """The device of the model."""
        return next(self.encoding.buffers()).device

    @property
    def translates(self) -> bool:
        """Whether the generator turns given events into others."""
        return self.generator.source > 0

    @property
    def _parts(self) -> dict[str, nn.Module]:
        """The modules by the first part of the names of their tensors."""
        return {"encoding": self.encoding, "generator": self.generator}

    def save(self, path: str | Path, *, half: bool = False) -> None:
        """Write the model into a ``.safetensors`` file.

        Arguments:
            path: The file.
            half: Keep the weights of the generator in half precision, in half the space. They
                become single precision again when the model is loaded.

        Raises:
            OutputError: The file cannot be written.
        """
        header = _Header(
            format=_FORMAT,
            detector=self.detector.to_toml(),
            encoding=self.encoding_config,
            network=self.network_config,
            provenance=dict(self.provenance),
        )
        tensors = {
            f"{part}.{name}": tensor.detach().cpu().contiguous()
            for part, module in self._parts.items()
            for name, tensor in module.state_dict().items()
        }
        if half:
            tensors |= {
                name: tensor.half()
                for name, tensor in tensors.items()
                if name.startswith("generator.") and tensor.is_floating_point()
            }
        with atomic_file(Path(path)) as temporary:
            # Not save_file, whose error on a full disk is not an OSError.
            temporary.write_bytes(save(tensors, {"phys_gan": header.model_dump_json()}))

    @classmethod
    def load(cls, path: str | Path, device: torch.device | str = "cpu") -> Model:
        """Read a model file.

        Raises:
            MissingError: There is no such file.
            DataError: The file is not a model, is damaged, or its tensors do not fit its header.
            DetectorError: The header does not describe a detector.
        """
        path = Path(path)
        if not path.is_file():
            raise MissingError(
                f"there is no model '{path}'",
                remedy="give a run directory or a .safetensors file that `phys-gan train` wrote",
                value=str(path),
            )
        with _opened(path) as file:
            with _damage_reported(path):
                header = _read_header((file.metadata() or {}).get("phys_gan", ""))
                names = file.keys()
                slices = {name: file.get_slice(name) for name in names}
                declared = {
                    name: (tuple(part.get_shape()), str(part.get_dtype()))
                    for name, part in slices.items()
                }
            model = _without_memory(path, header, declared)
            for part, module in model._parts.items():
                _require_fit(path, part, module, declared)
            for part, module in model._parts.items():
                with _damage_reported(path):
                    # A copy: the file may change or vanish while the model lives.
                    state = {
                        name: file.get_tensor(f"{part}.{name}").to(tensor.dtype, copy=True)
                        for name, tensor in module.state_dict().items()
                    }
                _require_finite(path, part, state)
                # The tensors of the file replace those that have no memory yet.
                module.load_state_dict(state, assign=True)
                module.to(device).eval().requires_grad_(False)
        return model


class _Header(BaseModel):
    """What is in the file beside tensors; the detector is TOML."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: str
    detector: str
    encoding: AnyEncodingConfig
    network: AnyNetworkConfig
    provenance: dict[str, str]


def _read_header(text: str) -> _Header:
    """Read a header from JSON; raise ValueError where it does not describe a model."""
    try:
        content = json.loads(text, object_pairs_hook=_once, parse_constant=_refuse)
    except RecursionError as error:
        raise ValueError("its values are nested too deeply") from error
    header = _Header.model_validate(content)
    if header.format != _FORMAT:
        raise ValueError(f"it is not a '{_FORMAT}'")
    return header


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # Of two values with one name, two programs may read different ones.
    names = dict(pairs)
    if len(names) < len(pairs):
        raise ValueError("a name occurs twice")
    return names


def _refuse(number: str) -> float:
    raise ValueError(f"{number} is not a number")


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


def _without_memory(path: Path, header: _Header, declared: _Declared) -> Model:
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
            f"'{path}' describes a network that cannot be built{reason}",
            remedy="train the model again",
        ) from error
    return Model(encoding, header.encoding, generator, header.network, header.provenance)


def _require_fit(path: Path, part: str, module: nn.Module, declared: _Declared) -> None:
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


def _require_finite(path: Path, part: str, state: Mapping[str, Tensor]) -> None:
    for name, tensor in state.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise DataError(
                f"'{path}' holds NaN or infinite numbers in '{part}.{name}'",
                remedy="train the model again, or copy it again from where it came",
                value=name,
            )
