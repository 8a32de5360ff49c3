"""A model to a file: the counterpart of :mod:`phys_gan.model.reading`."""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import save

from phys_gan.files import atomic_file
from phys_gan.model.reading import ModelFile

__all__ = ["write_model_file"]


def write_model_file(path: Path, file: ModelFile, *, half: bool) -> None:
    """Write what :func:`phys_gan.model.reading.read_model_file` reads.

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
