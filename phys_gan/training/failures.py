"""What torch says of memory, in one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from phys_gan.errors import PhysGanError, is_shortage

__all__ = ["ShortageError", "shortage_explained"]


class ShortageError(PhysGanError, MemoryError):
    """There is too little memory for a step."""


@contextmanager
def shortage_explained(batch_size: int) -> Iterator[None]:
    """Say what to do where memory is short.

    Arguments:
        batch_size: Events per step.

    Raises:
        ShortageError: There is too little memory.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, PhysGanError) or not is_shortage(error):
            raise
        where = "graphics card" if isinstance(error, torch.cuda.OutOfMemoryError) else "machine"
        raise ShortageError(
            f"the memory of the {where} is too small for steps of {batch_size} events",
            remedy=f"choose a smaller training.batch_size, such as {max(2, batch_size // 2)}, or "
            "smaller networks",
            value=batch_size,
        ) from error
