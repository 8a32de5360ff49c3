"""How fast a model generates on this machine, and relative to what: :func:`benchmark`."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from phys_gan.detectors import load_detector
from phys_gan.encodings import build_encoding
from phys_gan.generation import FastSim, draw_conditions
from phys_gan.generation.export import export
from phys_gan.model import Model
from phys_gan.networks import Sizes, build_generator
from phys_gan.randomness import normal_noise
from phys_gan.training import load_recipe
from phys_gan.workflows.production import produce

GEANT4_MS = 370.0
"""Recorded when the sample in ``datasets/`` was made, not measured again: full simulation of
e+ in CaloGAN's detector, log-uniform from 1 to 100 GeV, one core of a machine like this one."""

SIZES = (1, 100, 10_000)
"""Numbers of events that are generated at once."""

_TURNS = 5
_CALLS = {1: 50, 100: 10, 10_000: 2}
"""Calls of a turn that are timed."""
_SETTLED = 0.2
_SIDE = 2048
"""Rows and columns of the matrices that are multiplied."""
_OURS, _CALOGAN = "phys_gan", "CaloGAN's generator, eager"

Generate = Callable[[int], object]
"""Generates so many events."""


@dataclass(frozen=True)
class Speed:
    """Time per event when so many are generated at once.

    Attributes:
        name: What generates.
        n: Events generated at once.
        p50: Median [ms].
        p95: 95 % quantile [ms].
    """

    name: str
    n: int
    p50: float
    p95: float


@dataclass(frozen=True)
class Report:
    """Results of one run.

    Attributes:
        machine: Processor, threads and versions.
        parameters: Weights of the generator.
        flops: Operations of its layers on an event.
        peak: Most float32 operations per second of a matrix product here.
        in_memory: Events per second without a file.
        to_file: Events per second into a compressed HDF5 file.
        memory: Peak memory of the process by then [bytes].
        speeds: Times per event.
    """

    machine: Mapping[str, str]
    parameters: int
    flops: float
    peak: float
    in_memory: float
    to_file: float
    memory: int
    speeds: Sequence[Speed]

    @property
    def names(self) -> list[str]:
        """What was measured, in order."""
        return list(dict.fromkeys(speed.name for speed in self.speeds))

    @property
    def ceiling(self) -> float:
        """Time that matrix products alone take for an event at best [ms]."""
        return self.flops / self.peak * 1e3

    def table(self, model: str) -> str:
        """Return the results as lines of text, in which the model is called ``model``."""
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
            lines.append(f"{name.replace(_OURS, model):30}" + "".join(shown))
        medians = {speed.name: speed.p50 for speed in self.speeds if speed.n == largest}
        ours, published, best = medians[_OURS], medians[_CALOGAN], min(medians.values())
        lines += [
            "",
            f"{published / ours:.0f} times as fast as CaloGAN's generator at {largest:,} at once, "
            f"{published / best:.0f} times in the fastest way",
            f"{self.ceiling / ours:.0%} of what matrix products allow: {self.flops / 1e6:.2f} "
            f"MFLOP per event, {self.peak / 1e9:.0f} GFLOP/s measured",
            f"{GEANT4_MS / ours:,.0f} times as fast as Geant4 in CaloGAN's detector "
            f"({GEANT4_MS:g} ms on one core, recorded, not measured here)",
            f"{self.in_memory:,.0f} events per second in memory, {self.to_file:,.0f} into "
            f"compressed HDF5 ({self.to_file / self.in_memory:.0%}), "
            f"{self.memory / 1e9:.2f} GB of memory",
        ]
        return "\n".join(lines)


def benchmark(
    fast: FastSim,
    *,
    n: int = 100_000,
    others: Mapping[str, Generate] | None = None,
    report: Callable[[str], None] = lambda text: None,
) -> Report:
    """Measure a model against the published CaloGAN generator and the machine itself.

    The contestants take turns, so that other work on the machine slows all of them. Each time is
    that of a whole call: noise, network, decoding and events.

    Arguments:
        fast: The model.
        n: Events of the file.
        others: Other ways to generate by name, such as an exported graph.
        report: Called with the name of each measurement.

    Raises:
        ConfigError: The model translates events.
        OutputError: The temporary file cannot be written.
    """
    model, device = fast.model, fast.model.device
    report(f"{n:,} events into a file")
    in_memory, to_file = _end_to_end(fast, n)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    contestants: dict[str, Generate] = {_OURS: partial(_generate, fast)}
    if fast.precision == "float32":
        low = replace(fast, precision="bfloat16")
        contestants[f"{_OURS}, bfloat16"] = partial(_generate, low)
    contestants |= others or {}
    contestants[_CALOGAN] = _calogan(device)
    speeds = []
    for size in SIZES:
        report(f"{size:,} events at a time")
        speeds += _race(contestants, size)
    report("matrix products")
    one, other = (torch.randn(_SIDE, _SIDE, device=device) for _ in range(2))
    product = min(seconds(lambda: (one @ other)[0, 0].item()) for _ in range(20))
    return Report(
        machine=_machine(device),
        parameters=sum(weight.numel() for weight in model.generator.parameters()),
        flops=flops_per_event(model),
        peak=2 * _SIDE**3 / product,
        in_memory=in_memory,
        to_file=to_file,
        memory=memory if sys.platform == "darwin" else 1024 * memory,
        speeds=speeds,
    )


def seconds(action: Callable[[], object]) -> float:
    """Return how long an action takes [s]."""
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def flops_per_event(model: Model) -> float:
    """Return the operations of the linear and convolutional layers on one event."""
    with FlopCounterMode(display=False) as counter:
        _generate(FastSim(model), 1)
    counts = counter.get_flop_counts()["Global"]
    return float(sum(n for operation, n in counts.items() if "bmm" not in str(operation)))


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


def _machine(device: torch.device) -> dict[str, str]:
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


def _generate(fast: FastSim, n: int) -> object:
    # A compiled network is one for each size; small requests are not filled up to a large one.
    size = min(n, 512) if fast.compiled and fast.model.device.type == "cpu" else None
    conditions = draw_conditions(fast.model.encoding, n) or n
    return fast.generate(conditions, seed=1, batch_size=size)


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
        return [
            generator(
                torch.randn(part, generator.latent, device=device),
                torch.rand(part, encoding.n_conditions, device=device),
            ).cpu()
            for part in parts
        ]

    return generate


def _race(contestants: Mapping[str, Generate], n: int) -> list[Speed]:
    """Let contestants generate n events in turns.

    Each turn begins with calls that are not timed: threads of the contestant before still wait
    actively for more work, and its memory fills the caches.
    """
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(_TURNS):
        for name, generate in contestants.items():
            began = time.perf_counter()
            while time.perf_counter() - began < _SETTLED:
                generate(n)
            for _ in range(_CALLS[n]):
                times[name].append(seconds(partial(generate, n)) / n * 1e3)
    return [
        Speed(name, n, *np.percentile(measured, (50, 95)).tolist())
        for name, measured in times.items()
    ]


def _end_to_end(fast: FastSim, n: int) -> tuple[float, float]:
    """Return events per second without and with a compressed HDF5 file, the best of three each."""
    conditions = draw_conditions(fast.model.encoding, n) or n
    block = max(16_384, fast.engine.batch_size)
    with TemporaryDirectory() as folder:
        out = Path(folder) / "events.h5"
        pairs = [
            (
                seconds(lambda: sum(map(len, fast.stream(conditions, seed=1, block=block)))),
                seconds(lambda: produce(fast, out, conditions, seed=1)),
            )
            for _ in range(3)
        ]
    in_memory, to_file = (min(column) for column in zip(*pairs, strict=True))
    return n / in_memory, n / to_file
