"""All targets give the model's events for what their consumers hand them, beyond the range, too.

What consumers do is written out here, from their contracts: nothing of the export itself is used
but its files, and, for DDML, the latents that its uniform numbers stand for.
"""

import numpy as np
import pytest
import torch

from phys_gan.generation.export.ddml_grid import LatentsOfUniforms
from phys_gan.model import FastSim
from phys_gan.randomness import stream

from .conftest import answer, close, opened

LATENT = "latent"
CONTRACTS = {
    "generic": ({"noise": ["N", LATENT], "energy": ["N", 1]}, {"cells": ["N", 36]}),
    "par04": ({"input": [1, LATENT + " + 4"]}, {"output": [1, 36]}),
    "fastcalosim": ({"Noise": [1, LATENT], "mycond": [1, 2]}, {"cells": [1, 36]}),
    "ddml": (
        {"noise": [1, 100, 1, 1, 1], "energy": [1, 1, 1, 1, 1]},
        {"cells": [1, 30, 30, 30]},
    ),
    "galsim": (
        {
            "random_normal": ["N", LATENT],
            **{name: ["N"] for name in ("flux", "axis_ratio", "position_angle", "noise")},
        },
        {"stamp": ["N", 32, 32]},
    ),
}


def asked(low, high, seed):
    """Draw values in a range, and take its ends and values beyond them."""
    beyond = [0, 0.1 * low, 0.9 * low, low, high, 1.1 * high, 10 * high, 1000 * high]
    return np.concatenate([stream(seed, "in the range").uniform(low, high, 12), beyond])


def normal(n, latent, seed):
    return stream(seed, "normal").standard_normal((n, latent), np.float32)


def event_by_event(path, names, *inputs):
    rows = [[array[k : k + 1] for array in inputs] for k in range(len(inputs[0]))]
    return np.concatenate([answer(path, *row, names=names) for row in rows])


@pytest.mark.parametrize("target", CONTRACTS)
def test_names_shapes_and_types(target, request):
    _, path = request.getfixturevalue(target)
    model = request.getfixturevalue("galaxies" if target == "galsim" else "showers")
    sizes = {LATENT: model.generator.latent, LATENT + " + 4": model.generator.latent + 4}
    session = opened(path)
    both = session.get_inputs(), session.get_outputs()
    for found, expected in zip(both, CONTRACTS[target], strict=True):
        assert [port.name for port in found] == list(expected)
        shapes = [[sizes.get(size, size) for size in shape] for shape in expected.values()]
        assert [port.shape for port in found] == shapes
        assert {port.type for port in found} == {"tensor(float)"}


@pytest.mark.parametrize("seed", [1, 2])
class TestParity:
    def showers_at_the_edge(self, model, z, energy):
        inside = np.clip(energy, *model.encoding.energy_range.tolist())
        return FastSim(model).respond(z, {"energy": inside}).cells, inside[:, None]

    def energies(self, model, seed):
        return asked(*model.encoding.energy_range.tolist(), seed)

    def test_generic(self, generic, showers, seed):
        energy = self.energies(showers, seed)
        z = normal(len(energy), showers.generator.latent, seed)
        expected, _ = self.showers_at_the_edge(showers, z, energy)
        close(answer(generic[1], z, energy[:, None], names=["noise", "energy"]), expected)

    def test_par04(self, par04, showers, seed):
        energy = self.energies(showers, seed)
        z = normal(len(energy), showers.generator.latent, seed)
        angle = stream(seed, "angle").uniform(0, 1, len(energy))
        packed = np.column_stack([z, energy / 1_024_000, angle, 0 * angle, 0 * angle + 1])
        cells, inside = self.showers_at_the_edge(showers, z, energy)
        expected = (cells * 0.033 / inside).reshape(-1, 3, 4, 3).transpose(0, 3, 2, 1)
        close(event_by_event(par04[1], ["input"], packed), expected)
        twin = par04[1].with_name("model-batch.onnx")
        close(answer(twin, packed, names=["input"]), expected)

    def test_fastcalosim(self, fastcalosim, showers, seed):
        energy = self.energies(showers, seed)
        z = normal(len(energy), showers.generator.latent, seed)
        with np.errstate(divide="ignore"):
            condition = np.log(energy / 256) / np.log(4194304 / 256)
        condition = np.column_stack([condition, 0 * energy])
        cells, inside = self.showers_at_the_edge(showers, z, energy)
        found = event_by_event(fastcalosim[1], ["Noise", "mycond"], z / 2 + 0.5, condition)
        close(found, (cells / inside).reshape(-1, 3, 4, 3).transpose(0, 1, 3, 2))

    def test_ddml(self, ddml, towers, seed):
        energy = self.energies(towers, seed)
        uniform = stream(seed, "uniform").uniform(-1, 1, (len(energy), 100)).astype(np.float32)
        latents = LatentsOfUniforms(100, towers.generator.latent)(torch.from_numpy(uniform))
        cells, _ = self.showers_at_the_edge(towers, latents.numpy(), energy)
        inputs = uniform.reshape(-1, 100, 1, 1, 1), (energy / 1000).reshape(-1, 1, 1, 1, 1)
        found = event_by_event(ddml[1], ["noise", "energy"], *inputs)
        close(found, cells.reshape(-1, 31, 32, 32)[:, :30, 1:31, 1:31])

    def test_galsim(self, galsim, galaxies, seed):
        ranges = dict(zip(galaxies.encoding.named, galaxies.encoding.ranges.tolist(), strict=True))
        given = {name: asked(*ends, seed) for name, ends in ranges.items()}
        given["position_angle"] = stream(seed, "angle").uniform(-10, 10, len(given["flux"]))
        z = normal(len(given["flux"]), galaxies.generator.latent, seed)
        inside = {
            name: values if name == "position_angle" else np.clip(values, *ranges[name])
            for name, values in given.items()
        }
        found = answer(galsim[1], z, *given.values(), names=["random_normal", *given])
        close(found, FastSim(galaxies).respond(z, inside).cells)
