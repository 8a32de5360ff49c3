"""Galaxies on the command line: simulate, train, generate under conditions, validate."""

import pytest

import phys_gan as pg

SHORT = ["simulated.events=100", "training.batch_size=8", "training.events=16",
         "training.report_every=16", "training.held_out=0.3", "network.width=4",
         "network.d_width=4"]  # fmt: skip


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    out = tmp_path_factory.mktemp("galaxies") / "run"
    pg.train("galaxies-dcgan", None, out, overrides=SHORT)
    return out


def test_conditions_are_fixed_ranged_or_as_learned(run, model, tmp_path):
    file = tmp_path / "made.h5"
    code, out, error = run(
        "generate", model, file, "-n", 60, "--condition", "flux=50:60",
        "--condition", "position_angle=2",
    )  # fmt: skip
    assert code == 0, error
    assert "Wrote 60 events in 'galaxies-32' to" in out
    made = pg.read(file).conditions
    assert 50 <= made["flux"].min() < made["flux"].max() <= 60
    assert set(made["position_angle"]) == {2}
    assert made["noise"].max() > 2 * made["noise"].min()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["-n", 5, "--condition", "mass=2"], "does not know the condition 'mass'; it knows flux,"),
        (["-n", 5, "--condition", "flux=5000"], "5000 to 5000 were asked for, but the model was"),
        (["-n", 5, "--condition", "flux=9:5"], "the range '9:5' runs from high to low"),
        (["-n", 5, "--condition", "flux"], "'flux' is not a condition; write NAME=VALUE"),
        (["-n", 5, "--energy", "5GeV"], "events in 'galaxies-32' have no incident energy"),
        (["--like", "x.h5", "--condition", "flux=5"], "--energy and --condition go with -n"),
    ],
)
def test_what_cannot_be_generated(run, model, tmp_path, options, says):
    code, _, error = run("generate", model, tmp_path / "made.h5", *options)
    assert code == 2
    assert says in error.replace("\n", " ")
    assert not (tmp_path / "made.h5").exists()


def test_galaxies_like_those_of_a_file_are_validated(run, model, tmp_path):
    unseen, made = tmp_path / "unseen.h5", tmp_path / "made.h5"
    assert run("simulate", "galaxies-32", unseen, "-n", 200, "--condition", "flux=50:100")[0] == 0
    assert run("generate", model, made, "--like", unseen)[0] == 0
    code, out, error = run(
        "validate", unseen, made, "--out", tmp_path / "report", "--no-trees",
        "--observable", "half_light_radius_r", "--observable", "pixels",
    )  # fmt: skip
    assert code == 0, error
    assert "half_light_radius_r" in out
    assert (tmp_path / "report" / "index.html").exists()
