"""`phys-gan export`: files on disk, two lines on stdout, or one sentence on stderr."""

import numpy as np
import pytest
import torch

import phys_gan as pg
from phys_gan.encodings import ShowerEncoding
from phys_gan.encodings.shower import ShowerEncodingConfig
from phys_gan.model import Model
from phys_gan.networks import CompactConfig, Sizes, build_generator
from phys_gan.workflows import demo_sample

pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    events = pg.read(demo_sample())[:100]
    encoding = ShowerEncoding(events.detector).fit(events)
    config = CompactConfig(latent=8, width=16, depth=1)
    torch.manual_seed(0)
    generator = build_generator(config, events.detector, Sizes(3, 504, 2)).eval()
    generator.adapt(*encoding.encode(events))
    run = tmp_path_factory.mktemp("run")
    Model(encoding, ShowerEncodingConfig(), generator, config, {}).save(run / "model.safetensors")
    return run


def test_a_run_becomes_files(run, saved, tmp_path):
    import onnxruntime

    out = tmp_path / "ecal.onnx"
    code, text, err = run("export", saved, out)
    assert (code, err) == (0, "")
    first, second = text.strip().splitlines()
    assert first == f"Wrote {out}, {out.with_suffix('.json')}, {out.with_suffix('.py')}"
    assert second.startswith("ONNX Runtime reproduces the events of torch within ")
    fast = pg.FastSim.load(saved).model
    z = np.random.default_rng(1).standard_normal((4, fast.generator.latent)).astype(np.float32)
    energy = np.array([2e3, 1e4, 3e4, 6e4])
    session = onnxruntime.InferenceSession(out, providers=["CPUExecutionProvider"])
    feed = {"noise": z, "energy": energy.astype(np.float32)[:, None]}
    cells = session.run(["cells"], feed)[0]
    expected = fast.respond(z, {"energy": energy}).cells
    assert (np.abs(cells - expected).max(1) <= 1e-5 * expected.max(1)).all()


def test_what_is_wrong_is_one_sentence(run, saved, tmp_path):
    for arguments, message in (
        ((saved, tmp_path / "m.onnx", "--target", "par04"), "not polar layers of one shape"),
        ((saved, tmp_path / "m.onnx", "--target", "nothing"), "is no target; available: generic"),
        ((saved, tmp_path / "m.txt"), "does not end in .onnx"),
        ((tmp_path / "nothing", tmp_path / "m.onnx"), "there is no model"),
        ((saved, tmp_path / "m.onnx", "--energy-range", "1GeV:2GeV"), "leave --energy-range out"),
    ):
        code, out, err = run("export", *arguments)
        assert (code, out) == (2, "")
        assert err.startswith("phys-gan: ")
        assert message in err
        assert len(err.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())
