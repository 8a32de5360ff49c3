"""Packaged models on the command line."""

import phys_gan as pg
from phys_gan.generation import pretrained_names


def test_the_list(run):
    code, out, err = run("models")
    assert (code, err) == (0, "")
    assert [line.split()[0] for line in out.splitlines()] == pretrained_names()


def test_a_card(run):
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
