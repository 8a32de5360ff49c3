"""Model files: what is saved comes back, and nothing else is accepted."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import phys_gan as pg
from phys_gan.encodings import ShowerEncoding
from phys_gan.encodings.shower import ShowerEncodingConfig
from phys_gan.model import Model
from phys_gan.networks import CompactConfig, Sizes, build_generator
from phys_gan.randomness import normal_noise
from phys_gan.workflows import demo_sample

GEANT4 = pg.read(demo_sample())[:400]


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(1)
    encoding = ShowerEncoding(GEANT4.detector).fit(GEANT4)
    config = CompactConfig(latent=8, width=32, depth=1)
    generator = build_generator(config, GEANT4.detector, Sizes(3, 504, 2)).eval()
    generator.adapt(*encoding.encode(GEANT4))
    return Model(encoding, ShowerEncodingConfig(), generator, config, {"recipe": "test"})


@pytest.fixture(scope="module")
def fast(model):
    return pg.FastSim(model)


def test_there_and_back(model, tmp_path):
    model.save(tmp_path / "m.safetensors")
    back = Model.load(tmp_path / "m.safetensors")
    assert back.detector == GEANT4.detector
    assert back.provenance == {"recipe": "test"}
    first, second = (pg.FastSim(m).generate(GEANT4.conditions, seed=3) for m in (model, back))
    np.testing.assert_array_equal(first.cells, second.cells)


def test_half_precision_takes_half_the_space(model, fast, tmp_path):
    for half in (False, True):
        model.save(tmp_path / f"{half}.safetensors", half=half)
    sizes = [(tmp_path / f"{half}.safetensors").stat().st_size for half in (True, False)]
    assert sizes[0] < 0.6 * sizes[1]
    again = Model.load(tmp_path / "True.safetensors")
    assert all(p.dtype == torch.float32 for p in again.generator.parameters())
    whole = fast.generate(GEANT4.conditions, seed=3)
    close = pg.FastSim(again).generate(GEANT4.conditions, seed=3)
    np.testing.assert_allclose(close.total_energy(), whole.total_energy(), rtol=1e-3)
    assert np.abs(close.cells - whole.cells).mean() < 0.01 * whole.cells.mean()


def test_events_do_not_depend_on_the_batches(fast):
    whole = fast.generate(GEANT4.conditions, seed=3)
    small = fast.generate(GEANT4.conditions, seed=3, batch_size=7)
    # Matrix products of other shapes round differently; a cell at the cut may appear or vanish.
    np.testing.assert_allclose(whole.total_energy(), small.total_energy(), rtol=1e-6)
    assert np.mean(np.isclose(whole.cells, small.cells, rtol=1e-3, atol=1e-2)) > 0.9999
    later = fast.generate({"energy": GEANT4.energy[100:]}, seed=3, first=100)
    np.testing.assert_allclose(later.total_energy(), whole.total_energy()[100:], rtol=1e-6)


def test_seeds_differ(fast):
    first, second = (fast.generate(GEANT4.conditions, seed=seed).cells for seed in (1, 2))
    assert not np.array_equal(first, second)


def test_latents_are_answered_without_random_numbers(model, fast):
    drawn = fast.generate(GEANT4.conditions, seed=3)
    z = normal_noise(3, 0, len(GEANT4), model.generator.latent)
    np.testing.assert_array_equal(fast.respond(z, GEANT4.conditions).cells, drawn.cells)
    np.testing.assert_allclose(
        fast.respond(z, GEANT4.conditions, batch_size=7).total_energy(),
        drawn.total_energy(),
        rtol=1e-6,
    )
    with pytest.raises(pg.errors.DataError, match=r"shape \(400, 7\), but the model needs \(N, "):
        fast.respond(z[:, :7], GEANT4.conditions)
    with pytest.raises(pg.errors.DataError, match=r"has shape \(400,\), not \(3,\)"):
        fast.respond(z[:3], GEANT4.conditions)


def test_missing(tmp_path):
    with pytest.raises(pg.errors.MissingError, match="there is no model"):
        Model.load(tmp_path / "nothing.safetensors")


@pytest.mark.parametrize("damage", ["text", "empty", "half", "no header", "odd header"])
def test_damaged(model, tmp_path, damage):
    path = tmp_path / "m.safetensors"
    model.save(path)
    if damage == "text":
        path.write_text("hello")
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "half":
        path.write_bytes(path.read_bytes()[:5000])
    elif damage == "no header":
        save_file(load_file(path), path)
    else:
        save_file(load_file(path), path, {"phys_gan": json.dumps({"format": "x"})})
    with pytest.raises(pg.errors.DataError, match="is not a model of phys_gan, or is damaged"):
        Model.load(path)


def test_tensors_that_do_not_fit(model, tmp_path):
    path = tmp_path / "m.safetensors"
    model.save(path)
    wrong = Model(
        model.encoding, model.encoding_config, model.generator, CompactConfig(), model.provenance
    )
    wrong.save(path)
    with pytest.raises(pg.errors.DataError, match="do not fit its description of the generator"):
        Model.load(path)


def test_a_full_disk_leaves_what_was_there(model, tmp_path):
    model.save(tmp_path / "m.safetensors")
    (tmp_path / "old.safetensors").write_text("the model of yesterday")
    # No file of that process may grow beyond 4 kB, as on a full disk.
    code = """
import resource, sys, torch
from phys_gan.errors import OutputError
from phys_gan.model import Model
from phys_gan.training.run import save_checkpoint
source, target = sys.argv[1:]
model = Model.load(source)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
for write in (model.save, lambda path: save_checkpoint(path, {"a": torch.zeros(10_000)})):
    try:
        write(target)
    except OutputError as error:
        print(error)
"""
    paths = [str(tmp_path / name) for name in ("m.safetensors", "old.safetensors")]
    done = subprocess.run(
        [sys.executable, "-c", code, *paths], capture_output=True, text=True, check=True
    )
    assert done.stdout.count(f"cannot write '{paths[1]}'") == 2
    assert {path.name for path in tmp_path.iterdir()} == {"m.safetensors", "old.safetensors"}
    assert (tmp_path / "old.safetensors").read_text() == "the model of yesterday"


def test_other_people_can_read_it(model, tmp_path):
    model.save(tmp_path / "m.safetensors")
    (tmp_path / "plain").touch()
    assert (tmp_path / "m.safetensors").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_the_number_of_events_must_be_given(fast):
    with pytest.raises(pg.errors.ConfigError, match="number of events to generate is not given"):
        fast.generate({})


def test_fastsim(model, tmp_path):
    model.save(tmp_path / "model.safetensors")
    for path in (tmp_path, tmp_path / "model.safetensors"):
        fast = pg.FastSim.load(path)
        assert fast.detector.name == "calogan"
        assert fast.energy_range == (GEANT4.energy.min(), GEANT4.energy.max())
        assert len(fast.generate({"energy": [2e4, 5e4]}, seed=1)) == 2
    with pytest.raises(pg.errors.RangeError, match="inside this range"):
        fast.generate({"energy": [1e6]})
    with pytest.raises(pg.errors.ConfigError, match="device 'abacus' is not available"):
        pg.FastSim.load(tmp_path, device="abacus")
