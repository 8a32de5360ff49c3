"""The program in docs/cpp gives the showers of the model that it was exported from."""

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import phys_gan as pg
from phys_gan.randomness import stream

SOURCE = Path(__file__).parents[3] / "docs" / "cpp"
N = 7

pytestmark = pytest.mark.skipif(
    not SOURCE.is_dir() or not shutil.which("cmake") or not shutil.which("c++"),
    reason="the example needs cmake and a C++ compiler",
)


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """Build the example; ONNX Runtime is where two variables say, or where CMake finds it."""
    build = tmp_path_factory.mktemp("build")
    names = "ONNXRUNTIME_INCLUDE_DIR", "ONNXRUNTIME_LIBRARY"
    told = [f"-D{name}={os.environ[name]}" for name in names if os.environ.get(name)]
    flags = "-DCMAKE_CXX_FLAGS=-Wall -Wextra -Werror"
    command = ["cmake", "-S", str(SOURCE), "-B", str(build), flags, *told]
    configured = subprocess.run(command, capture_output=True, text=True, check=False)
    if "ONNX Runtime was not found" in configured.stderr:
        pytest.skip(f"ONNX Runtime's headers or library were not found; set {' and '.join(names)}")
    assert configured.returncode == 0, configured.stderr
    built = subprocess.run(
        ["cmake", "--build", str(build)], capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stdout + built.stderr
    return build / "generate"


@pytest.fixture(scope="module")
def exported(program, tmp_path_factory):
    """Export a packaged model, once there is a program to run it."""
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    path = tmp_path_factory.mktemp("exported") / "ecal.onnx"
    pg.export("calogan-eplus", path)
    return path, pg.FastSim.load("calogan-eplus")


def run(program, *options):
    command = [str(program), *map(str, options)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("factor", [0, 0.5, 1, 10, 100, 2000])
def test_the_cells_are_those_of_the_model(program, exported, tmp_path, factor):
    path, fast = exported
    low, high = fast.energy_range
    energy = np.float32(low * factor)
    z = stream(int(factor), "noise").standard_normal((N, fast.model.generator.latent), np.float32)
    (tmp_path / "noise").write_bytes(z.tobytes())
    code, said, error = run(
        program, path, "-n", N, "--energy", energy, "--batch", 3, "--layers", "288,144,72",
        "--noise", tmp_path / "noise", "--cells", tmp_path / "cells",
    )  # fmt: skip
    assert code == 0, error
    cells = np.fromfile(tmp_path / "cells", np.float32).reshape(N, -1)
    expected = fast.respond(z, {"energy": np.full(N, np.clip(energy, low, high))})
    largest = expected.cells.max(axis=1)
    assert (np.abs(cells - expected.cells).max(axis=1) <= 1e-5 * largest).all()
    means = [expected.layer(k).sum((1, 2)).mean() for k in range(3)]
    printed = [float(line.split()[2]) for line in said.splitlines()[:3]]
    assert printed == pytest.approx(means, rel=1e-4)


def test_noise_that_it_draws_itself(program, exported, tmp_path):
    path, fast = exported
    cells = []
    for seed in (1, 1, 2):
        out = tmp_path / "cells"
        code, _, error = run(
            program, path, "-n", 300, "--energy", 50_000, "--seed", seed, "--batch", 100,
            "--cells", out,
        )  # fmt: skip
        assert code == 0, error
        cells.append(np.fromfile(out, np.float32).reshape(300, -1))
    np.testing.assert_array_equal(cells[0], cells[1])
    assert not np.array_equal(cells[0], cells[2])
    drawn, own = cells[0].sum(1), fast.generate({"energy": [5e4] * 300}, seed=1).cells.sum(1)
    error = np.hypot(drawn.std(), own.std()) / np.sqrt(300)
    assert abs(drawn.mean() - own.mean()) < 5 * error
    assert drawn.std() == pytest.approx(own.std(), rel=0.25)


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("-n", 0, "--energy", 1e4), 2, "'0' is not a number that fits"),
        (("-n", 1), 2, "'' is not a number that fits"),
        (("-n", 1, "--energy", "10GeV"), 2, "'10GeV' is not a number that fits"),
        (("-n", 1, "--energy", 1e4, "--layers", "5,6"), 2, "a shower has 504 cells"),
        (("--speed", 1), 2, "'--speed' is no option with a value"),
        (("-n", 1, "--energy", 1e4, "--noise", "/dev/null"), 1, "/dev/null does not hold"),
    ],
)
def test_wrong_options(program, exported, options, code, message):
    found, said, error = run(program, exported[0], *options)
    assert (found, said) == (code, "")
    assert message in error
