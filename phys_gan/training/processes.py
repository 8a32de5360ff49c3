"""Training in several processes: how they start (:func:`start_fabric`), share and agree.

Every process holds the same weights and takes its own events. Gradients are averaged explicitly
when a network is updated, not by the hooks of DistributedDataParallel, which miss gradients of
gradient penalties (two differentiations), through networks that do not change, and through
unrolled copies.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeVar

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.precision.precision import Precision
from lightning_fabric.strategies.ddp import DDPStrategy
from lightning_utilities.core.apply_func import apply_to_collection
from torch import Tensor, distributed, nn

from phys_gan.errors import ConfigError, PhysGanError

_T = TypeVar("_T")
_PATIENT_STEPS = 16
"""Steps between two looks at what a graphics card computed, for which it has to wait."""


class _Replicated(DDPStrategy):
    """Processes of DistributedDataParallel, without its hooks."""

    def setup_module(self, module: nn.Module) -> nn.Module:  # type: ignore[override]
        """Leave a network as it is."""
        return module


class _Bfloat16(Precision):
    """Matrix products in bfloat16 on "cpu" or "cuda"; networks return float32.

    Fabric's own class also scales losses, which bfloat16 does not need, and therefore refuses the
    derivatives of gradient penalties.
    """

    precision = "bf16-mixed"

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def forward_context(self) -> AbstractContextManager[Any]:
        """Return the context in which networks run."""
        return torch.autocast(self.kind, torch.bfloat16)

    def convert_output(self, data: Any) -> Any:
        """Return float32."""
        return apply_to_collection(
            data, Tensor, lambda t: t.float() if t.is_floating_point() else t
        )


def is_first() -> bool:
    """Return whether this is the first process, also before they have started."""
    for name in ("RANK", "SLURM_PROCID"):
        if name in os.environ:
            return os.environ[name] == "0"
    return all(os.environ.get(name, "0") == "0" for name in ("NODE_RANK", "LOCAL_RANK"))


def start_fabric(
    device: str = "auto", devices: int = 1, nodes: int = 1, precision: str = "float32"
) -> Fabric:
    """Start all processes; those of torchrun and Slurm are found in the environment.

    Arguments:
        device: "cpu", "cuda", or "auto" for the best there is.
        devices: Devices per machine; one process each.
        nodes: Machines.
        precision: "float32", or "bfloat16" for the products of matrices.

    Raises:
        ConfigError: There are no such devices.
    """
    several, there = devices * nodes > 1, torch.cuda.device_count()
    if devices > there and (device == "cuda" or (device == "auto" and there)):
        raise ConfigError(
            f"{devices} CUDA {'device is' if devices == 1 else 'devices are'} asked for, and this "
            f"machine has {there or 'none'}",
            remedy="choose --device cpu" + (", or lower --devices" if there else ""),
            value=devices,
            constraint=there,
        )
    kind = "cuda" if device == "auto" and there else device.replace("auto", "cpu")
    try:
        fabric = Fabric(
            accelerator=device,
            strategy=_Replicated() if several else "auto",
            devices=devices,
            num_nodes=nodes,
            plugins=[_Bfloat16(kind)] if precision == "bfloat16" else None,
        )
        fabric.launch()
    except (RuntimeError, ValueError) as error:
        raise ConfigError(
            f"{devices} processes on '{device}' on each of {nodes} machines cannot start: "
            + " ".join(str(error).split()).partition(". ")[0].rstrip("."),
            remedy="under torchrun or Slurm, choose as many --devices and --nodes as they start",
            value=(device, devices, nodes),
        ) from error
    return fabric


def average_gradients(fabric: Fabric, gradients: Iterable[Tensor]) -> None:
    """Replace gradients in place by their means over all processes."""
    if fabric.world_size == 1:
        return
    own = list(gradients)
    together = torch.cat([gradient.flatten() for gradient in own])
    distributed.all_reduce(together)
    together /= fabric.world_size
    parts = together.split([gradient.numel() for gradient in own])
    for gradient, part in zip(own, parts, strict=True):
        gradient.copy_(part.view_as(gradient))


@torch.no_grad()
def broadcast(fabric: Fabric, network: nn.Module) -> None:
    """Give every process the first one's weights and buffers."""
    if fabric.world_size > 1:
        for tensor in (*network.parameters(), *network.buffers()):
            distributed.broadcast(tensor.data, 0)


def gather(fabric: Fabric, own: _T) -> list[_T]:
    """Return what each process has, in their order."""
    if fabric.world_size == 1:
        return [own]
    everyones: list[Any] = [None] * fabric.world_size
    distributed.all_gather_object(everyones, own)
    return everyones


class Agreement:
    """Let all processes agree on the time, on stopping, and on losses that are not finite."""

    def __init__(self, fabric: Fabric) -> None:
        self.fabric = fabric
        self._diverged = torch.zeros((), dtype=torch.bool, device=fabric.device)
        self._steps = 0

    def reach(
        self, scalars: Mapping[str, Tensor], spent: float, stop: bool, look: bool
    ) -> tuple[float, bool, bool]:
        """Return the seconds spent, whether to stop, and whether a scalar was not finite.

        Arguments:
            scalars: Those of this process and step.
            spent: Seconds on its clock; the clock of the first one counts.
            stop: Whether it wants to stop; one is enough.
            look: Whether to look at the scalars in any case, because of what is written next.
                Otherwise a graphics card, for which one has to wait, is asked every few steps.
        """
        values = torch.stack([value.detach().float() for value in scalars.values()])
        self._diverged |= ~values.isfinite().all()
        self._steps += 1
        if self.fabric.world_size > 1:
            own = [spent if self.fabric.global_rank == 0 else 0.0, float(stop)]
            shared = torch.tensor(own, dtype=torch.float64).to(self.fabric.device)
            shared = torch.cat([shared, self._diverged.double()[None]])
            distributed.all_reduce(shared)
            agreed = shared.tolist()
            return agreed[0], agreed[1] > 0, agreed[2] > 0
        waits = self.fabric.device.type != "cpu" and self._steps % _PATIENT_STEPS
        if waits and not (look or stop):
            return spent, stop, False
        return spent, stop, bool(self._diverged)


@contextmanager
def loss_of_process_explained(fabric: Fabric) -> Iterator[None]:
    """Explain the loss of another process, in the first one; the others end silently.

    Raises:
        PhysGanError: Another process has ended.
    """
    try:
        yield
    except RuntimeError as error:
        words = ("gloo", "NCCL", "Connection closed", "Connection reset", "DistBackendError")
        if fabric.world_size == 1 or not any(word in str(error) for word in words):
            raise
        if fabric.global_rank:
            raise SystemExit(2) from error
        raise PhysGanError(
            "another process of this training ended before its time",
            remedy="see what it said, then go on with --resume",
        ) from error
