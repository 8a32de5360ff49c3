"""How fast a model generates on this machine, and against what.

What the benchmark of generation found, and how it is shown.

Time on the clock.

What this machine is, and the most that it can do.

An exported graph in ONNX Runtime as another way to generate.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from phys_gan.detectors import load_detector
from phys_gan.encodings import Encoding, build_encoding
from phys_gan.generation import FastSim
from phys_gan.generation.export import export
from phys_gan.generation.fastsim import draw_conditions
from phys_gan.model import Model
from phys_gan.networks import Sizes, build_generator
from phys_gan.randomness import normal_noise
from phys_gan.training import load_recipe
from phys_gan.workflows.production import produce

__all__ = [
    "GEANT4_MS",
    "SIZES",
    "Generate",
    "Report",
    "Speed",
    "benchmark",
    "exported",
    "flops_per_event",
    "machine",
    "peak_flops",
    "peak_memory",
    "seconds",
]

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


def seconds(action: Callable[[], object]) -> float:
    """Return how long an action takes [s]."""
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


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


SIZES = (1, 100, 10_000)
"""Events that are asked for at once."""

_TURNS = 5
_CALLS = {1: 50, 100: 10, 10_000: 2}
"""Calls of a turn that are timed."""
_SETTLED = 0.2

Generate = Callable[[int], object]


def benchmark(
    fast: FastSim,
    *,
    n: int = 100_000,
    others: Mapping[str, Generate] | None = None,
    report: Callable[[str], None] = lambda text: None,
) -> Report:
    """Measure a model against the published CaloGAN generator and the machine itself.

    The contestants take turns, so that what else the machine does slows all of them. Each time is
    that of a whole call: noise, network, decoding and events.

    Arguments:
        fast: The model.
        n: Events of the file.
        others: Other ways to generate by name, such as an exported graph.
        report: Is told what is being measured.

    Raises:
        ConfigError: The model translates events.
        OutputError: The temporary file cannot be written.
    """
    report(f"{n:,} events into a file")
    in_memory, to_file = _end_to_end(fast, n)
    memory = peak_memory()
    contestants: dict[str, Generate] = {"phys_gan": lambda n: _generate(fast, n)}
    if fast.model.precision == "float32":
        low = FastSim(replace(fast.model, precision="bfloat16"))
        contestants["phys_gan, bfloat16"] = lambda n: _generate(low, n)
    contestants |= others or {}
    contestants["CaloGAN's generator, eager"] = _calogan(fast.model.device)
    speeds = []
    for size in SIZES:
        report(f"{size:,} events at a time")
        speeds += _race(contestants, size)
    report("matrix products")
    return Report(
        machine=machine(fast.model.device),
        parameters=sum(weight.numel() for weight in fast.model.generator.parameters()),
        flops=flops_per_event(fast.model),
        peak=peak_flops(fast.model.device),
        in_memory=in_memory,
        to_file=to_file,
        memory=memory,
        speeds=speeds,
    )


def flops_per_event(model: Model) -> float:
    """Return the operations of the linear and convolutional layers on one event.

    A weight is multiplied and added once wherever its layer is applied.
    """
    total = 0

    def count(layer: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        nonlocal total
        weight = layer.weight
        assert isinstance(weight, torch.Tensor)
        transposed = isinstance(layer, nn.ConvTranspose2d)
        places = (inputs[0] if transposed else output)[0].numel() // (
            inputs[0].shape[1] if transposed else weight.shape[0]
        )
        total += 2 * weight.numel() * places

    layers = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)
    hooks = [
        layer.register_forward_hook(count)
        for layer in model.generator.modules()
        if isinstance(layer, layers)
    ]
    try:
        _generate(FastSim(replace(model, compiled=False)), 1)
    finally:
        for hook in hooks:
            hook.remove()
    return float(total)


def _conditions(encoding: Encoding, n: int) -> dict[str, NDArray[np.float64]] | int:
    return draw_conditions(encoding, n) or n


def _generate(fast: FastSim, n: int) -> object:
    # A compiled network is one for each size; small requests are not filled up to a large one.
    size = min(n, 512) if fast.model.compiled and fast.model.device.type == "cpu" else None
    return fast.generate(_conditions(fast.model.encoding, n), seed=1, batch_size=size)


def _calogan(device: torch.device) -> Generate:
    """Return the published generator as a plain module, with random weights."""
    recipe = load_recipe("calogan", [])
    encoding = build_encoding(recipe.encoding, load_detector("calogan"))
    generator = build_generator(recipe.network, encoding.detector, Sizes.of(encoding))
    generator = generator.to(device).eval().requires_grad_(False)

    @torch.no_grad()
    def generate(n: int) -> object:
        # More at once took longer here: its activations are large.
        parts = [min(1000, n - begin) for begin in range(0, n, 1000)]
        made = [
            generator(
                torch.randn(part, generator.latent, device=device),
                torch.rand(part, encoding.n_conditions, device=device),
            ).cpu()
            for part in parts
        ]
        return made

    return generate


def _race(contestants: Mapping[str, Generate], n: int) -> list[Speed]:
    """Let contestants generate n events in turns.

    Each turn begins with calls that are not timed: threads of the one before still wait actively
    for more work, and its memory fills the caches.
    """
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(_TURNS):
        for name, generate in contestants.items():
            began = time.perf_counter()
            while time.perf_counter() - began < _SETTLED:
                generate(n)
            for _ in range(_CALLS[n]):
                began = time.perf_counter()
                generate(n)
                times[name].append((time.perf_counter() - began) / n * 1e3)
    return [
        Speed(name, n, *np.percentile(measured, (50, 95)).tolist())
        for name, measured in times.items()
    ]


def _end_to_end(fast: FastSim, n: int) -> tuple[float, float]:
    """Return events per second without and with a compressed HDF5 file, the best of three each."""
    conditions = _conditions(fast.model.encoding, n)
    block = max(16_384, fast.model.engine.batch_size)
    best = [float("inf")] * 2
    with TemporaryDirectory() as folder:
        ways: tuple[Callable[[], object], ...] = (
            lambda: sum(map(len, fast.stream(conditions, seed=1, block=block))),
            lambda: produce(fast, Path(folder) / "events.h5", conditions, seed=1),
        )
        for _ in range(3):
            for k, make in enumerate(ways):
                best[k] = min(best[k], seconds(make))
    return n / best[0], n / best[1]


def exported(fast: FastSim) -> Generate:
    """Export a model, and return what generates with its graph in as many threads as torch has.

    Raises:
        MissingError: A package is not installed.
        ConfigError: The model translates events.
    """
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        export(fast, path)
        graph = path.read_bytes()
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    encoding, latent = fast.model.encoding, fast.model.generator.latent
    # By place: a condition may not have its own name here, since that of the latents is taken.
    names = [port.name for port in session.get_inputs()]

    def generate(n: int) -> object:
        drawn = draw_conditions(encoding, n).values()
        columns = [values[:, None].astype(np.float32) for values in drawn]
        inputs = [normal_noise(1, 0, n, latent), *columns]
        return session.run(None, dict(zip(names, inputs, strict=True)))

    return generate
