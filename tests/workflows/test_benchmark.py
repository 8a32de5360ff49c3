"""What `phys-gan benchmark` measures; how fast it is here is no test."""

import json
import sys

import pytest
from torch import nn
from typer.testing import CliRunner

import phys_gan as pg
from phys_gan.cli import app
from phys_gan.generation import draw_conditions
from phys_gan.workflows import benchmark


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setattr(benchmark, "SIZES", (1, 3))
    monkeypatch.setattr(benchmark, "_CALLS", {1: 2, 3: 2})
    monkeypatch.setattr(benchmark, "_TURNS", 2)
    monkeypatch.setattr(benchmark, "_SETTLED", 0.0)
    monkeypatch.setattr(benchmark, "_SIDE", 64)


def test_operations_are_those_of_the_layers():
    model = pg.FastSim.load("calogan-eplus").model
    linear = [layer for layer in model.generator.modules() if isinstance(layer, nn.Linear)]
    assert benchmark.flops_per_event(model) == 2 * sum(layer.weight.numel() for layer in linear)


def test_operations_of_convolutions_are_those_of_the_layers():
    model = pg.FastSim.load("galaxies-32").model
    total = 0

    def count(layer, inputs, output):
        # A weight is multiplied and added once wherever its layer is applied.
        nonlocal total
        transposed = isinstance(layer, nn.ConvTranspose2d)
        values = inputs[0] if transposed else output
        channels = inputs[0].shape[1] if transposed else layer.weight.shape[0]
        total += 2 * layer.weight.numel() * values[0].numel() // channels

    for layer in model.generator.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            layer.register_forward_hook(count)
    pg.FastSim(model).generate(draw_conditions(model.encoding, 1))
    assert total > 0
    assert benchmark.flops_per_event(pg.FastSim.load("galaxies-32").model) == total


def test_everything_is_measured(tmp_path):
    fast = pg.FastSim.load("calogan-eplus")
    told = []
    other = {"slow": lambda n: sum(range(1000 * n))}
    found = benchmark.benchmark(fast, n=50, others=other, report=told.append)
    assert found.names == [
        "phys_gan",
        "phys_gan, bfloat16",
        "slow",
        "CaloGAN's generator, eager",
    ]
    assert {speed.n for speed in found.speeds} == {1, 3}
    assert all(0 < speed.p50 <= speed.p95 for speed in found.speeds)
    assert found.ceiling == pytest.approx(found.flops / found.peak * 1e3)
    assert min(found.peak, found.in_memory, found.to_file) > 0
    assert found.memory > 50e6
    assert told[0] == "50 events into a file"


def test_the_command_writes_numbers(tmp_path):
    out = tmp_path / "speed.json"
    result = CliRunner().invoke(
        app, ["benchmark", "calogan-photon", "-n", "20", "--no-onnx", "--out", str(out)]
    )
    assert result.exit_code == 0, result.output
    assert "times as fast as CaloGAN's generator at 3 at once" in result.output
    numbers = json.loads(out.read_text())
    assert numbers["parameters"] == 2_184_822
    assert len(numbers["speeds"]) == 6


def test_the_command_goes_on_without_onnx(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    result = CliRunner().invoke(app, ["benchmark", "calogan-photon", "-n", "20"])
    assert result.exit_code == 0, result.output
    assert "left out: exporting needs the package 'onnx'" in result.output
    assert "ONNX Runtime" not in result.output


def test_exported_graphs_take_a_condition_called_noise():
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    from phys_gan.workflows.benchmark import exported

    fast = pg.FastSim.load("galaxies-32", "cpu")
    assert "noise" in fast.model.encoding.named
    (cells,) = exported(fast)(3)
    assert cells.shape == (3, 1024)
