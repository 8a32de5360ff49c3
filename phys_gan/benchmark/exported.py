"""An exported graph in ONNX Runtime as another way to generate."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from phys_gan.benchmark.generation import Generate
from phys_gan.generation import FastSim
from phys_gan.generation.drawing import draw_conditions
from phys_gan.generation.export import export
from phys_gan.randomness import normal_noise

__all__ = ["exported"]


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
