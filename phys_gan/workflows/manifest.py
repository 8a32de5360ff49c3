"""What a production is made of, so that nobody goes on with another one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from phys_gan._version import __version__
from phys_gan.errors import DataError
from phys_gan.files import atomic_file
from phys_gan.generation import FastSim

__all__ = ["Manifest"]


@dataclass(frozen=True)
class Manifest:
    """Say what decides about every byte of a production.

    Arguments:
        phys_gan: Version of the package.
        model: SHA-256 of the model: its tensors, options and detector.
        conditions: SHA-256 of the values of each condition.
        seed: Seed of the production.
        n_events: Number of events.
        part: Events of a part.
        block: Events of a block.
        format: Name of the layout; None where the ending of the file tells.
        weights: SHA-256 of the weights that the events get; None where they get none.
    """

    phys_gan: str
    model: str
    conditions: Mapping[str, str]
    seed: int
    n_events: int
    part: int
    block: int
    format: str | None
    weights: str | None = None

    @classmethod
    def of(
        cls,
        fast: FastSim,
        conditions: Mapping[str, NDArray[np.float64]],
        n_events: int,
        weights: NDArray[np.float64] | None = None,
        *,
        seed: int,
        part: int,
        block: int,
        format: str | None,
    ) -> Manifest:
        """Describe a production."""
        digests = {name: _sha256(values.tobytes()) for name, values in conditions.items()}
        carried = None if weights is None else _sha256(weights.tobytes())
        model = _model_digest(fast)
        return cls(__version__, model, digests, seed, n_events, part, block, format, carried)

    @property
    def digest(self) -> str:
        """SHA-256 of what the events are; versions and sizes of parts do not count."""
        said = [self.model, dict(self.conditions), self.seed, self.n_events, self.format]
        # Productions without weights keep the digest that they always had.
        said += [self.weights] if self.weights else []
        return _sha256(json.dumps(said, sort_keys=True).encode())

    def save(self, path: Path) -> None:
        """Write it as JSON.

        Raises:
            OutputError: The file cannot be written.
        """
        with atomic_file(path) as temporary:
            temporary.write_text(json.dumps(asdict(self), indent=2) + "\n", "utf-8")

    @classmethod
    def load(cls, path: Path) -> Manifest:
        """Read what :meth:`save` wrote.

        Raises:
            DataError: It is not that.
        """
        try:
            return cls(**json.loads(path.read_text("utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise DataError(
                f"'{path}' is not the description of a production",
                remedy=f"delete '{path.parent}' and begin again",
            ) from error

    def difference(self, begun: Manifest) -> str | None:
        """Return how the production that was begun differs from this one, as a clause."""
        if begun.model != self.model:
            return "with another model"
        either = "the layout that the ending tells"
        for clause, was, wanted in (
            ("with seed {}", begun.seed, self.seed),
            ("with {} events", begun.n_events, self.n_events),
            ("with the conditions {}", _listed(begun), _listed(self)),
            ("{}", _with(begun), _with(self)),
            ("by phys_gan {}", begun.phys_gan, self.phys_gan),
            ("in {}", begun.format or either, self.format or either),
            ("in parts of {} events", begun.part, self.part),
            ("in blocks of {} events", begun.block, self.block),
        ):
            if was != wanted:
                return f"{clause.format(was)}, not {wanted}"
        for name, values in self.conditions.items():
            if begun.conditions[name] != values:
                return f"with other values of '{name}'"
        return "with other weights" if begun.weights != self.weights else None


def _listed(manifest: Manifest) -> str:
    return ", ".join(sorted(manifest.conditions)) or "none"


def _with(manifest: Manifest) -> str:
    return "without weights" if manifest.weights is None else "with weights"


def _model_digest(fast: FastSim) -> str:
    model, whole = fast.model, hashlib.sha256()
    for options in (model.encoding_config, model.network_config):
        whole.update(options.model_dump_json().encode())
    whole.update(model.detector.to_toml().encode())
    whole.update(model.precision.encode())
    for module in (model.encoding, model.generator):
        for name, tensor in sorted(module.state_dict().items()):
            whole.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
            content = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
            whole.update(content.numpy().tobytes())
    return whole.hexdigest()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
