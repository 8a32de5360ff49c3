"""Each consumer's contract: names, shapes, order, units, and what happens beyond the range."""

import json
from hashlib import sha256

import numpy as np
import pytest
import torch

import phys_gan as pg
from phys_gan.detectors.catalogue import read_binning_xml
from phys_gan.generation.export.ddml_grid import LatentsOfUniforms, normal_quantile
from phys_gan.generation.export.generic import Generic
from phys_gan.generation.export.par04 import Par04
from phys_gan.generation.export.target import Options
from phys_gan.randomness import stream
from phys_gan.units import find_particle

from .conftest import answer, close, grid, polar, shapes, shower_model

pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

ENERGIES = np.array([1.5e3, 2e4, 9e4])


def sidecar(path):
    return json.loads(path.with_suffix(".json").read_text("utf-8"))


def noise(model, n=3):
    return stream(4, "noise").standard_normal((n, model.generator.latent)).astype(np.float32)


def test_generic(generic, showers):
    done, path = generic
    z = noise(showers)
    cells = answer(path, z, ENERGIES[:, None], names=["noise", "energy"])
    close(cells, pg.FastSim(showers).respond(z, {"energy": ENERGIES}).cells)
    assert shapes(path) == [["N", z.shape[1]], ["N", 1], ["N", 36]]
    assert done.parity.worst <= 1e-5
    assert done.files == tuple(path.with_name(name) for name in ("model.onnx", "model.json",
                                                                 "model.py"))  # fmt: skip
    assert {file.name for file in path.parent.iterdir()} == {file.name for file in done.files}


def test_beyond_the_range_is_its_edge(generic, showers):
    _, path = generic
    low, high = showers.encoding.energy_range.tolist()
    z = noise(showers, 6)
    asked = np.array([[0.0], [-5.0], [low / 2], [2 * high], [1e9], [np.inf]])
    cells = answer(path, z, asked, names=["noise", "energy"])
    edges = np.array([low, low, low, high, high, high])
    close(cells, pg.FastSim(showers).respond(z, {"energy": edges}).cells)


def test_the_sidecar_says_what_is_needed(generic, showers, tmp_path):
    _, path = generic
    said = sidecar(path)
    assert pg.Detector.model_validate(said["detector"]) == showers.detector
    assert said["energy_range"] == showers.encoding.energy_range.tolist()
    assert said["cells"]["unit"] == "MeV"
    assert said["sha256"]["model.onnx"] == sha256(path.read_bytes()).hexdigest()
    showers.save(tmp_path / "m.safetensors")
    assert said["sha256"]["model"] == sha256((tmp_path / "m.safetensors").read_bytes()).hexdigest()
    assert said["phys_gan"] == pg.__version__
    assert said["references"] == ["physgan", "krause2021caloflow"]
    assert said["parity"]["worst"] <= said["parity"]["limit"] == 1e-5
    assert [port["name"] for port in said["inputs"]] == ["noise", "energy"]


def test_the_program_beside_it_runs(generic, monkeypatch, capsys):
    _, path = generic
    monkeypatch.chdir(path.parent)
    exec(compile(path.with_suffix(".py").read_text("utf-8"), "program", "exec"), {})
    assert capsys.readouterr().out.startswith("(10, 36) cells in MeV")


def test_par04(par04, showers):
    _, path = par04
    z = noise(showers, 1)
    latent = z.shape[1]
    packed = np.concatenate([z, [[ENERGIES[1] / 1_024_000, 0.3, 0, 1]]], axis=1)
    assert shapes(path) == [[1, latent + 4], [1, 36]]
    expected = pg.FastSim(showers).respond(z, {"energy": ENERGIES[1:2]}).cells * 0.033 / ENERGIES[1]
    expected = expected.reshape(-1, 3, 4, 3).transpose(0, 3, 2, 1).reshape(1, -1)
    close(answer(path, packed, names=["input"]), expected)
    twin = path.with_name("model-batch.onnx")
    assert shapes(twin) == [["N", latent + 4], ["N", 36]]
    close(answer(twin, packed.repeat(3, 0), names=["input"]), expected.repeat(3, 0))
    # Neither angle nor geometry change anything.
    turned = packed.copy()
    turned[:, -3:] = 1, 1, 0
    close(answer(path, turned, names=["input"]), expected)
    assert sidecar(path)["energy_scale"] == 0.033
    assert set(sidecar(path)["sha256"]) == {"model", "model.onnx", "model-batch.onnx"}


def test_par04_beyond_the_range_scales(par04, showers):
    twin = par04[1].with_name("model-batch.onnx")
    high = showers.encoding.energy_range[1].item()
    z = noise(showers, 1).repeat(2, 0)
    rest = [[high / 1_024_000, 0, 0, 1], [50.0, 0, 0, 1]]
    first, second = answer(twin, np.concatenate([z, rest], axis=1), names=["input"])
    np.testing.assert_allclose(second, first, rtol=1e-4, atol=1e-6)


def test_par04_macro(par04, showers):
    macro = par04[1].with_suffix(".mac").read_text("utf-8")
    said = dict(line.split(" ", 1) for line in macro.splitlines() if line.startswith("/Par04/inf"))
    said = {key.removeprefix("/Par04/inference/"): value for key, value in said.items()}
    assert said["setSizeLatentVector"] == str(showers.generator.latent)
    assert said["setModelPathName"] == "model.onnx"
    assert (said["setNbOfRhoCells"], said["setNbOfPhiCells"], said["setNbOfZCells"]) == (
        "3",
        "4",
        "3",
    )
    assert (said["setSizeOfRhoCells"], said["setSizeOfZCells"]) == ("10 mm", "20 mm")
    # Par04 opens the file when it is told the library.
    assert macro.index("setModelPathName") < macro.index("setInferenceLibrary")


def test_par04_order_is_that_of_its_mesh():
    detector = polar(r=(0, 10, 20), n_alpha=4)
    target = Par04(shower_model(detector, 30), Options())
    position = np.arange(detector.n_cells).reshape(3, 4, 2)
    z, phi, r = 2, 1, 0
    asked = (r * 4 + phi) * 3 + z
    moved = torch.arange(24.0).reshape(1, 24).unflatten(1, (3, 4, 2)).permute(0, 3, 2, 1).flatten()
    assert moved[asked] == position[z, phi, r]
    assert "z fastest" in target.order


def test_fastcalosim(fastcalosim, showers):
    _, path = fastcalosim
    z = noise(showers, 1)
    condition = np.array([[np.log(ENERGIES[2] / 256) / np.log(4194304 / 256), 0]])
    cells = answer(path, z / 2 + 0.5, condition, names=["Noise", "mycond"])
    assert shapes(path) == [[1, z.shape[1]], [1, 2], [1, 36]]
    expected = pg.FastSim(showers).respond(z, {"energy": ENERGIES[2:]}).cells / ENERGIES[2]
    close(cells, expected.reshape(-1, 3, 4, 3).transpose(0, 1, 3, 2).reshape(1, -1))
    # A particle at rest, and one of any energy, are no danger.
    for far in (-np.inf, 1e6):
        assert np.isfinite(answer(path, z, [[far, 0]], names=["Noise", "mycond"])).all()


def test_fastcalosim_binning(fastcalosim, showers):
    _, path = fastcalosim
    binning = path.with_name("binning.xml").read_text("utf-8")
    back = read_binning_xml(binning, thickness=20)
    assert [layer.model_dump() for layer in back.layers] == [
        layer.model_dump() for layer in showers.detector.layers
    ]
    assert f'<Particle pid="211" latentDim="{showers.generator.latent}"' in binning
    text = path.with_suffix(".txt").read_text("utf-8")
    mass = find_particle("e-").mass
    assert f"{np.hypot(4096, mass) - mass:.10g}MeV:" in text
    assert sidecar(path)["settings"]["E_min [MeV]"] == 256


def test_a_foreign_binning_stays(showers, tmp_path):
    foreign = tmp_path / "binning.xml"
    foreign.write_text("<Bins/>")
    with pytest.raises(pg.errors.OutputError, match="phys_gan did not write it"):
        pg.export(showers, tmp_path / "m.onnx", "fastcalosim")
    assert [file.name for file in tmp_path.iterdir()] == ["binning.xml"]
    assert foreign.read_text() == "<Bins/>"


def test_ddml(ddml, towers):
    _, path = ddml
    assert shapes(path) == [[1, 100, 1, 1, 1], [1, 1, 1, 1, 1], [1, 30, 30, 30]]
    z = stream(2, "uniform").uniform(-1, 1, (1, 100, 1, 1, 1)).astype(np.float32)
    cells = answer(path, z, np.full((1, 1, 1, 1, 1), 20.0), names=["noise", "energy"])
    latents = LatentsOfUniforms(100, towers.generator.latent)(torch.from_numpy(z).flatten(1))
    assert torch.equal(latents[0, :100], normal_quantile(torch.from_numpy(z).flatten()))
    expected = pg.FastSim(towers).respond(latents.numpy(), {"energy": [2e4]}).cells
    close(cells, expected.reshape(1, 31, 32, 32)[:, :30, 1:31, 1:31])
    settings = sidecar(path)["settings"]
    assert settings["CellSizeX"] == 5
    assert settings["cells_taken"]["x"] == [1, 31]
    assert 0.9 < settings["cells_taken"]["share_of_energy"] < 1
    steering = path.with_suffix(".py").read_text("utf-8")
    compile(steering, "steering", "exec")
    assert 'model.ModelPath = "model.onnx"' in steering
    assert "model.CellSizeX, model.CellSizeY = 5, 5" in steering


def test_galsim(galsim, galaxies):
    import onnxruntime

    _, path = galsim
    z = noise(galaxies)
    latent = z.shape[1]
    conditions = {
        "flux": np.array([30.0, 80.0, 150.0]),
        "axis_ratio": np.array([0.4, 0.6, 0.9]),
        # A turn by pi changes nothing, and no turn is too far.
        "position_angle": np.array([0.1, 1.0, 2.0 + 3 * np.pi]),
        "noise": np.array([0.03, 0.05, 0.09]),
    }
    stamps = answer(path, z, *conditions.values(), names=["random_normal", *conditions])
    close(stamps, pg.FastSim(galaxies).respond(z, conditions).cells)
    assert stamps.shape == (3, 32, 32)
    assert shapes(path) == [["N", latent], ["N"], ["N"], ["N"], ["N"], ["N", 32, 32]]
    attributes = onnxruntime.InferenceSession(path).get_modelmeta().custom_metadata_map
    assert (attributes["stamp_size"], attributes["pixel_size"]) == ("32", "0.2")
    compile(path.with_suffix(".py").read_text("utf-8"), "program", "exec")


def test_a_condition_called_noise_is_not_the_noise(galaxies):
    names = [port.name for port in Generic(galaxies, Options()).inputs]
    assert names == ["noise", "flux", "axis_ratio", "position_angle", "condition_noise"]


@pytest.mark.parametrize(
    ("target", "detector", "message"),
    [
        ("par04", polar(r=(0, 5, 30)), "rings of one width from r = 0"),
        ("par04", grid(4, 2), "one regular cylindrical mesh"),
        ("ddml-grid", polar(), "30 layers of 30 x 30"),
        ("ddml-grid", grid(31, 30), "30 layers of 30 x 30"),
        ("ddml-grid", grid(30, 29), "30 layers of 30 x 30"),
        ("fastcalosim", grid(4, 2), "polar layers"),
        ("fastcalosim", polar(r=(0, 30)), "layers of one ring"),
        ("fastcalosim", polar(n_alpha=32), "n_alpha = 32"),
        ("galsim", polar(), "square images of one band"),
    ],
)
def test_cells_that_do_not_fit_are_refused(target, detector, message, tmp_path):
    with pytest.raises(pg.errors.DetectorError, match=message) as caught:
        pg.export(shower_model(detector, 12), tmp_path / "m.onnx", target)
    assert "--target generic" in str(caught.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("target", ["par04", "ddml-grid", "fastcalosim"])
def test_galaxies_are_no_showers(target, galaxies, tmp_path):
    with pytest.raises(pg.errors.DetectorError, match="is not a calorimeter"):
        pg.export(galaxies, tmp_path / "m.onnx", target)
