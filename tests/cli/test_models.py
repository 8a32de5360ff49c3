"""Commands on trained models: cite, models, export, explore, generate."""

import json

import numpy as np
import pytest
import torch

import phys_gan as pg
from phys_gan.encodings import ShowerEncoding
from phys_gan.encodings.shower import ShowerEncodingConfig
from phys_gan.generation import pretrained_names
from phys_gan.model import Model
from phys_gan.networks import CompactConfig, Sizes, build_generator
from phys_gan.training import recipe_names
from phys_gan.workflows import demo_sample, production
from phys_gan.workflows.exploration import cite
from phys_gan.workflows.production import Production


@pytest.mark.parametrize("name", recipe_names())
def test_the_references_of_a_recipe(run, name):
    code, out, err = run("cite", name)
    assert (code, err) == (0, "")
    assert out == cite(name) + "\n"
    assert out.startswith("@software{physgan,")


def test_a_name_that_is_neither_lists_the_recipes(run, tmp_path):
    for what in ("nothing", tmp_path / "nothing.toml"):
        code, out, err = run("cite", what)
        assert (code, out) == (2, "")
        assert err.startswith("phys-gan: ")
        assert len(err.strip().splitlines()) == 1
        assert all(name in err for name in recipe_names())


def test_help_of_cite(run):
    code, out, _ = run("cite", "--help")
    assert code == 0
    assert "BibTeX" in out
    assert run("cite")[0] == 2


def test_the_list_of_models(run):
    code, out, err = run("models")
    assert (code, err) == (0, "")
    assert [line.split()[0] for line in out.splitlines()] == pretrained_names()


def test_the_card_of_a_model(run):
    code, out, _ = run("models", "calogan-eplus")
    assert code == 0
    assert out.startswith("# calogan-eplus: ")


def test_no_such_card(run):
    code, _, err = run("models", "nonsense")
    assert code == 2
    assert "'nonsense' is not a pretrained model; available: calo" in err


def test_generating_by_name(run, tmp_path):
    out = tmp_path / "fast.h5"
    code, said, err = run("generate", "calogan-eplus", out, "-n", "20", "--energy", "5GeV:90GeV")
    assert (code, err) == (0, "")
    assert "20 events in 'calogan' from" in said
    assert len(pg.read(out)) == 20


def test_no_such_model(run, tmp_path):
    code, _, err = run("generate", "calogan-epls", tmp_path / "fast.h5", "-n", "2")
    assert code == 2
    assert "nearest pretrained one: calogan-eplus" in err
    assert not (tmp_path / "fast.h5").exists()


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    events = pg.read(demo_sample())[:100]
    encoding = ShowerEncoding(events.detector).fit(events)
    config = CompactConfig(latent=8, width=16, depth=1)
    torch.manual_seed(0)
    generator = build_generator(config, events.detector, Sizes(3, 504, 2)).eval()
    generator.adapt(*encoding.encode(events))
    run = tmp_path_factory.mktemp("run")
    Model(encoding, ShowerEncodingConfig(), generator, config, {}).save(run / "model.safetensors")
    return run


def test_a_model_is_exported_to_files(run, saved, tmp_path):
    import onnxruntime

    out = tmp_path / "ecal.onnx"
    code, text, err = run("export", saved, out)
    assert (code, err) == (0, "")
    first, second = text.strip().splitlines()
    assert first == f"Wrote {out}, {out.with_suffix('.json')}, {out.with_suffix('.py')}"
    assert second.startswith("ONNX Runtime reproduces the events of torch within ")
    fast = pg.FastSim.load(saved)
    z = (
        np.random.default_rng(1)
        .standard_normal((4, fast.model.generator.latent))
        .astype(np.float32)
    )
    energy = np.array([2e3, 1e4, 3e4, 6e4])
    session = onnxruntime.InferenceSession(out, providers=["CPUExecutionProvider"])
    feed = {"noise": z, "energy": energy.astype(np.float32)[:, None]}
    cells = session.run(["cells"], feed)[0]
    expected = fast.respond(z, {"energy": energy}).cells
    assert (np.abs(cells - expected).max(1) <= 1e-5 * expected.max(1)).all()


def test_wrong_exports_end_in_one_sentence(run, saved, tmp_path):
    for arguments, message in (
        ((saved, tmp_path / "m.onnx", "--target", "par04"), "not polar layers of one shape"),
        (
            (saved, tmp_path / "m.onnx", "--target", "nothing"),
            "is not a target; available: ddml",
        ),
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


TINY = ["network.latent=8", "network.width=16", "network.depth=1", "network.d_width=16",
        "network.d_depth=1", "training.events=256", "training.report_every=256"]  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "ecal"
    pg.train("showers", pg.read(demo_sample())[:300], out, overrides=TINY)
    return out


def test_a_model_is_explored_on_a_page(run, trained, tmp_path):
    code, out, err = run("explore", trained, "--out", tmp_path / "page", "-n", 10, "--seed", 4,
                         "--no-figures")  # fmt: skip
    assert (code, err) == (0, "")
    assert "E_tot rises with energy over the whole range, 1." in out
    assert str(tmp_path / "page" / "index.html") in out.replace("\n", "")
    numbers = json.loads((tmp_path / "page" / "explore.json").read_text("utf-8"))
    assert (numbers["seed"], numbers["latents"]) == (4, 10)
    assert numbers["provenance"]["recipe"] == "showers"
    assert not (tmp_path / "page" / "figures").exists()


def test_wrong_explorations_end_in_one_sentence(run, trained, tmp_path):
    code, _, err = run("explore", tmp_path / "nothing", "--out", tmp_path)
    assert code == 2
    assert err.startswith("phys-gan: there is no model")
    (tmp_path / "file").touch()
    code, _, err = run("explore", trained, "--out", tmp_path / "file", "-n", 2)
    assert code == 2
    assert err.startswith("phys-gan: cannot write")
    assert run("explore", trained, "--out", tmp_path / "page", "-n", 1)[0] == 2
    assert not (tmp_path / "page").exists()


@pytest.fixture
def _small_parts(monkeypatch):
    monkeypatch.setattr(production, "ALIGNED", 64)
    monkeypatch.setattr(production, "_PART_CELLS", 1)
    monkeypatch.setattr(production, "_BLOCKS", (32, 32))


@pytest.mark.usefixtures("_small_parts")
def test_a_job_that_always_says_resume(run, tmp_path, monkeypatch):
    out = tmp_path / "fast.h5"
    command = ("generate", "calogan-eplus", out, "-n", 150, "--energy", "50GeV", "--device", "cpu")

    def full(self):
        raise pg.errors.OutputError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(Production, "finish", full)
        code, _, err = run(*command, "--resume")
    assert code == 2
    assert f"go on with --resume: 150 of 150 events are in '{out}.parts'" in " ".join(err.split())
    (tmp_path / "fast.h5.parts" / "000001.h5").unlink()

    code, _, err = run(*command)
    assert code == 2
    assert "holds 86 of 150 events of a production that broke off; go on with" in err
    code, _, err = run(*command, "--resume", "--seed", 1)
    assert code == 2
    assert "was begun with seed 0, not 1; ask for the same, or delete the folder" in err

    code, text, _ = run(*command, "--resume")
    assert code == 0
    assert "Wrote 150 events in 'calogan'" in text
    assert "86 were there" in text
    assert len(pg.read(out)) == 150
    code, text, _ = run(*command, "--resume")
    assert code == 0
    assert text.strip() == f"{out} holds these 150 events already: nothing to do"
    code, _, err = run(*command, "--resume", "--seed", 1)
    assert code == 2
    assert "is not the production that is asked for" in err
    assert run(*command, "--seed", 1)[0] == 0


def test_translations_are_made_at_once(run, tmp_path):
    code, _, err = run(
        "generate", "calogan-eplus", tmp_path / "a.h5", "--translate", "b.h5", "--resume"
    )
    assert code == 2
    assert "--resume goes with -n and --like" in err
