"""What the benchmark of generation found, and how it is shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

__all__ = ["GEANT4_MS", "Report", "Speed"]

GEANT4_MS = 570.0
"""Recorded when the sample in ``datasets/`` was made, not measured again: Geant4 11.4.0, e+ of
1 to 100 GeV in CaloGAN's detector, one core of a machine like this one."""


@dataclass(frozen=True)
class Speed:
    """Time per event when so many are asked for at once.

    Attributes:
        name: What generates.
        n: Events that are asked for at once.
        p50: Median [ms].
        p95: 95 % of all times are shorter [ms].
    """

    name: str
    n: int
    p50: float
    p95: float


@dataclass(frozen=True)
class Report:
    """What was measured, all in one run.

    Attributes:
        machine: Processor, threads and versions.
        speeds: Times per event.
        parameters: Weights of the generator.
        flops: Operations of its layers on an event.
        peak: Most float32 operations per second of a matrix product here.
        in_memory: Events per second without a file.
        to_file: Events per second into a compressed HDF5 file.
        memory: Most memory of the process up to then [bytes].
    """

    machine: Mapping[str, str]
    parameters: int
    flops: float
    peak: float
    in_memory: float
    to_file: float
    memory: int
    speeds: list[Speed] = field(default_factory=list)

    def p50(self, name: str, n: int) -> float:
        """Return a median [ms]."""
        return next(speed.p50 for speed in self.speeds if (speed.name, speed.n) == (name, n))

    @property
    def names(self) -> list[str]:
        """What was measured, in order."""
        return list(dict.fromkeys(speed.name for speed in self.speeds))

    @property
    def ceiling(self) -> float:
        """Time that matrix products alone take for an event at best [ms]."""
        return self.flops / self.peak * 1e3

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain numbers and texts."""
        return asdict(self)

    def table(self, model: str) -> str:
        """Return what was measured as lines of text.

        Arguments:
            model: What to call the model.
        """
        sizes = list(dict.fromkeys(speed.n for speed in self.speeds))
        machine, largest = self.machine, sizes[-1]
        lines = [
            f"{machine['processor']}, {machine['threads']} threads, torch {machine['torch']}",
            "",
            f"{'ms per event, median (95 %)':30}"
            + "".join(f"{f'{n:,} at once':>22}" for n in sizes),
        ]
        for name in self.names:
            cells = [s for n in sizes for s in self.speeds if (s.name, s.n) == (name, n)]
            shown = (f"{f'{s.p50:.3g} ({s.p95:.3g})':>22}" for s in cells)
            lines.append(f"{name.replace('phys_gan', model):30}" + "".join(shown))
        mine = self.p50("phys_gan", largest)
        published = self.p50("CaloGAN's generator, eager", largest)
        best = min(self.p50(name, largest) for name in self.names)
        lines += [
            "",
            f"{published / mine:.0f} times as fast as CaloGAN's generator at {largest:,} at once, "
            f"{published / best:.0f} times in the fastest way",
            f"{self.ceiling / mine:.0%} of what matrix products allow: {self.flops / 1e6:.2f} "
            f"MFLOP per event, {self.peak / 1e9:.0f} GFLOP/s measured",
            f"{GEANT4_MS / mine:,.0f} times as fast as Geant4 in CaloGAN's detector "
            f"({GEANT4_MS:g} ms on one core, recorded, not measured here)",
            f"{self.in_memory:,.0f} events per second in memory, {self.to_file:,.0f} into "
            f"compressed HDF5 ({self.to_file / self.in_memory:.0%}), "
            f"{self.memory / 1e9:.2f} GB of memory",
        ]
        return "\n".join(lines)
