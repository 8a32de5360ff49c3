"""The command that shows what a model does."""

import json

import pytest

import phys_gan as pg
from phys_gan.workflows import demo_sample

TINY = ["network.latent=8", "network.width=16", "network.depth=1", "network.d_width=16",
        "network.d_depth=1", "training.events=256", "training.report_every=256"]  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "ecal"
    pg.train("showers", pg.read(demo_sample())[:300], out, overrides=TINY)
    return out


def test_a_run_becomes_a_page(run, trained, tmp_path):
    code, out, err = run("explore", trained, "--out", tmp_path / "page", "-n", 10, "--seed", 4,
                         "--no-figures")  # fmt: skip
    assert (code, err) == (0, "")
    assert "E_tot rises with energy over the whole range, 1." in out
    assert str(tmp_path / "page" / "index.html") in out.replace("\n", "")
    numbers = json.loads((tmp_path / "page" / "explore.json").read_text("utf-8"))
    assert (numbers["seed"], numbers["latents"]) == (4, 10)
    assert numbers["provenance"]["recipe"] == "showers"
    assert not (tmp_path / "page" / "figures").exists()


def test_what_is_wrong_is_one_sentence(run, trained, tmp_path):
    code, _, err = run("explore", tmp_path / "nothing", "--out", tmp_path)
    assert code == 2
    assert err.startswith("phys-gan: there is no model")
    (tmp_path / "file").touch()
    code, _, err = run("explore", trained, "--out", tmp_path / "file", "-n", 2)
    assert code == 2
    assert err.startswith("phys-gan: cannot write")
    assert run("explore", trained, "--out", tmp_path / "page", "-n", 1)[0] == 2
    assert not (tmp_path / "page").exists()
