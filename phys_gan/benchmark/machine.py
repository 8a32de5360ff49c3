"""What this machine is, and the most that it can do."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

import torch

from phys_gan.benchmark.timing import seconds

__all__ = ["machine", "peak_flops", "peak_memory"]

_SIDE = 2048
"""Rows and columns of the matrices that are multiplied."""


def peak_flops(device: torch.device) -> float:
    """Return the most float32 operations per second that a matrix product reaches here."""
    one, other = (torch.randn(_SIDE, _SIDE, device=device) for _ in range(2))
    best = min(seconds(lambda: (one @ other)[0, 0].item()) for _ in range(20))
    return 2 * _SIDE**3 / best


def peak_memory() -> int:
    """Return the most memory that this process has had [bytes]."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def machine(device: torch.device) -> dict[str, str]:
    """Return what was measured on."""
    processor = "CPU"
    listing = Path("/proc/cpuinfo")
    if device.type == "cuda":
        processor = torch.cuda.get_device_name(device)
    elif listing.exists():
        named = [line for line in listing.read_text().splitlines() if "model name" in line]
        processor = named[0].partition(":")[2].strip() if named else processor
    return {
        "processor": processor,
        "threads": str(torch.get_num_threads()),
        "torch": torch.__version__,
    }
