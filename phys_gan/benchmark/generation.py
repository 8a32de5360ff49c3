"""How fast a model generates on this machine, and against what."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from phys_gan.benchmark.machine import machine, peak_flops, peak_memory
from phys_gan.benchmark.speeds import Report, Speed
from phys_gan.benchmark.timing import seconds
from phys_gan.detectors import load_detector
from phys_gan.encodings import Encoding, build_encoding
from phys_gan.generation import FastSim
from phys_gan.generation.drawing import draw_conditions
from phys_gan.model import Model
from phys_gan.networks import build_generator
from phys_gan.training import load_recipe
from phys_gan.workflows.producing import produce

__all__ = ["SIZES", "Generate", "benchmark", "flops_per_event"]

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
    generator = build_generator(
        recipe.network, encoding.detector, encoding.n_globals, encoding.n_conditions
    )
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
