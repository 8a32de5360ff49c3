"""Energies and conditions: one, in turn, from a range with even values or even logarithms."""

import numpy as np
import pytest

import phys_gan as pg

MODEL = "calogan-eplus"


def energies(run, out, *options):
    code, _, error = run(*options[:2], out, *options[2:])
    assert code == 0, error
    return pg.read(out).energy


def test_generated_energies(run, tmp_path):
    listed = ("generate", MODEL, "-n", 7, "--energy", "10GeV,20GeV,50GeV")
    found = energies(run, tmp_path / "turns.h5", *listed)
    np.testing.assert_allclose(found, [1e4, 2e4, 5e4, 1e4, 2e4, 5e4, 1e4], rtol=1e-6)
    drawn = {}
    for ends in ("2GeV:80GeV", "2GeV:80GeV:lin", "2GeV:80GeV:log"):
        options = ("generate", MODEL, "-n", 300, "--energy", ends, "--device", "auto")
        drawn[ends] = energies(run, tmp_path / f"{len(drawn)}.h5", *options)
    np.testing.assert_array_equal(drawn["2GeV:80GeV"], drawn["2GeV:80GeV:lin"])
    # The mean of numbers that are even in a range of width w has the error w / sqrt(12 n).
    mean, share = drawn["2GeV:80GeV"].mean(), np.log(drawn["2GeV:80GeV:log"] / 2e3) / np.log(40)
    assert abs(mean - 41e3) < 5 * 78e3 / np.sqrt(12 * 300)
    assert abs(share.mean() - 0.5) < 5 / np.sqrt(12 * 300)


def test_simulated_energies(run, tmp_path):
    listed = ("simulate", "calogan", "-n", 5, "--energy", "10GeV,50GeV")
    found = energies(run, tmp_path / "turns.h5", *listed)
    np.testing.assert_allclose(found, [1e4, 5e4, 1e4, 5e4, 1e4], rtol=1e-6)
    log = ("simulate", "calogan", "-n", 50, "--energy", "2GeV:80GeV:log")
    spectrum = (*log[:-1], "2GeV:80GeV", "--spectrum", "log-uniform")
    both = [energies(run, tmp_path / f"{k}.h5", *o) for k, o in enumerate((log, spectrum))]
    np.testing.assert_array_equal(*both)


def test_simulated_conditions(run, tmp_path):
    out = tmp_path / "stamps.h5"
    options = ("--condition", "flux=50,100", "--condition", "noise=0.02:0.1:lin")
    assert run("simulate", "galaxies-32", out, "-n", 400, *options)[0] == 0
    found = pg.read(out).conditions
    assert found["flux"][:3].tolist() == [50, 100, 50]
    assert abs(found["noise"].mean() - 0.06) < 5 * 0.08 / np.sqrt(12 * 400)


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (("generate", MODEL, "--energy", "10GeV,5TeV"), "from 10000 to 5e+06 MeV were asked for"),
        (("generate", MODEL, "--energy", "1GeV:5TeV:log"), "were asked for, but the model was"),
        (("generate", MODEL, "--energy", "9GeV:5GeV"), "the range '9GeV:5GeV' runs from high to"),
        (("generate", MODEL, "--energy", "5GeV:9GeV:even"), "ends in 'even'; write LOW:HIGH"),
        (
            ("simulate", "calogan", "--energy", "5GeV:9GeV:log", "--spectrum", "uniform"),
            "--energy 5GeV:9GeV:log and --spectrum uniform contradict each other",
        ),
        (("simulate", "galaxies-32", "--condition", "flux=-1:5:log"), "'-1:5:log' has no logarith"),
        (("simulate", "galaxies-32", "--condition", "flux=-1,5"), "flux is -1 count, but must be"),
        (("simulate", "galaxies-32", "--condition", "flux=1,x"), "'flux=1,x' is not a condition"),
    ],
)
def test_what_is_refused(run, tmp_path, command, says):
    code, _, error = run(*command[:2], tmp_path / "no.h5", "-n", 9, *command[2:])
    assert code == 2
    assert says in error
    assert not list(tmp_path.iterdir())
