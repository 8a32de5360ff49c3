"""The command line as a user meets it: verbs, exit codes, one sentence for what is wrong."""

import json
import re
import subprocess
import sys
from functools import partial

import h5py
import numpy as np
import pytest
import typer
import uproot

import phys_gan as pg
from helpers import wrong
from phys_gan.cli import app
from phys_gan.validation import Options
from phys_gan.workflows import demo, demo_sample

GEANT4 = pg.read(demo_sample())
SMALL = [
    "--set", "network.latent=8", "--set", "network.width=32", "--set", "network.depth=1",
    "--set", "network.d_width=32", "--set", "network.d_depth=1",
    "--set", "training.events=640", "--set", "training.report_every=320",
]  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "ecal"
    overrides = [value for value in SMALL if value != "--set"]
    pg.train("showers", GEANT4[:500], out, overrides=overrides)
    return out


def test_help_shows_an_example_of_every_verb(run):
    code, out, _ = run("--help")
    assert code == 0
    verbs = [command.name or command.callback.__name__ for command in app.registered_commands]
    assert len(verbs) == 16
    for verb in verbs:
        assert verb in out
        code, text, _ = run(verb, "--help")
        assert code == 0
        assert f"Example: phys-gan {verb}" in text


def test_an_option_of_several_verbs_has_the_same_default_type_and_words():
    commands = typer.main.get_command(app).commands.values()
    options = [p for command in commands for p in command.params if p.param_type_name == "option"]
    for name in ("figures", "detector", "format", "mapping", "seed", "cluster", "set_", "compiled"):
        found = [option for option in options if option.name == name]
        assert len(found) > 1
        assert len({(option.help, option.default, str(option.opts)) for option in found}) == 1, name


def test_the_package_runs_as_a_module():
    done = subprocess.run(
        [sys.executable, "-m", "phys_gan", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"phys_gan {pg.__version__}\n"


def test_version(run):
    assert run("--version") == (0, f"phys_gan {pg.__version__}\n", "")


def test_simulate_inspect_convert(run, tmp_path):
    code, out, _ = run("simulate", "calogan", tmp_path / "a.h5", "-n", 50, "--particle", "gamma",
                       "--energy", "2GeV:40GeV", "--seed", 3)  # fmt: skip
    assert code == 0
    assert "50 gamma showers" in out
    code, out, _ = run("inspect", tmp_path / "a.h5")
    assert code == 0
    assert "calogan" in out
    assert "50" in out
    assert run("convert", tmp_path / "a.h5", tmp_path / "a.root")[0] == 0
    first, second = pg.read(tmp_path / "a.h5"), pg.read(tmp_path / "a.root")
    np.testing.assert_array_equal(first.cells, second.cells)
    np.testing.assert_allclose(first.energy, second.energy, rtol=1e-12)
    assert 2e3 <= first.energy.min() < first.energy.max() <= 4e4


def test_simulate_one_energy_in_an_own_detector(run, tmp_path):
    mine = pg.load_detector("calogan").model_copy(update={"name": "mine"})
    mine.save(tmp_path / "mine.toml")
    code, _, _ = run("simulate", tmp_path / "mine.toml", tmp_path / "a.h5", "-n", 20,
                     "--energy", "50GeV")  # fmt: skip
    assert code == 0
    events = pg.read(tmp_path / "a.h5")
    assert events.detector.name == "mine"
    assert set(events.energy) == {5e4}


def test_train_generate_validate(run, tmp_path):
    data = tmp_path / "geant4.h5"
    pg.write(data, GEANT4[:600])
    code, out, err = run("train", "showers", "--data", data, "--out", tmp_path / "run", *SMALL)
    assert (code, err) == (0, "")
    assert "mean KS" in out
    assert (tmp_path / "run" / "model.safetensors").exists()

    fast = tmp_path / "fast.root"
    code, out, _ = run("generate", tmp_path / "run", fast, "-n", 100, "--energy", "5GeV:50GeV")
    assert code == 0
    assert "100 events" in out
    generated = pg.read(fast)
    assert len(generated) == 100
    assert 5e3 <= generated.energy.min() < generated.energy.max() <= 5e4

    like = tmp_path / "like.h5"
    assert run("generate", tmp_path / "run", like, "--like", data)[0] == 0
    np.testing.assert_allclose(pg.read(like).energy, GEANT4[:600].energy, rtol=1e-6)

    report = tmp_path / "report"
    code, out, _ = run("validate", data, like, "--out", report, "--require", "ks.max<0.01",
                       "--require", "ks[E_inc]<=0.01", "--no-trees",
                       *(f"--observable={name}" for name in ("E_inc", "E_tot/E_inc", "depth")),
                       "--slice", "energy=1GeV,50GeV,100GeV")  # fmt: skip
    assert code == 1
    assert "1 of 2 requirements are met" in out
    assert re.search(r"ks\.max<0\.01 +0\.\d+ +NOT met", out)
    assert re.search(r"ks\[E_inc\]<=0\.01 +0 +met", out)
    assert (report / "index.html").stat().st_size > 100_000
    metrics = json.loads((report / "metrics.json").read_text())
    assert {"value", "error", "floor", "n_reference", "n_candidate"} <= set(
        metrics["observables"]["E_tot/E_inc"]["ks"]
    )


def test_train_takes_several_files(run, tmp_path):
    for name, part in (("a.h5", GEANT4[:300]), ("b.root", GEANT4[300:600])):
        pg.write(tmp_path / name, part)
    code, _, err = run("train", "showers", "--data", tmp_path / "a.h5", tmp_path / "b.root",
                       "--out", tmp_path / "run", *SMALL)  # fmt: skip
    assert (code, err) == (0, "")


def test_dry_run_prints_the_recipe_and_nothing_else(run, tmp_path):
    code, out, _ = run("train", "showers", "--set", "training.lr_d=1e-4", "--dry-run")
    assert code == 0
    (tmp_path / "r.toml").write_text(out)
    assert pg.load_recipe(tmp_path / "r.toml").training.lr_d == 1e-4


def test_wrong_ways_to_train(run, tmp_path, trained):
    wrong(run("train", "showers"), "--data FILE... --out RUN")
    wrong(run("train", "nope", "--dry-run"), "no recipe 'nope'")
    wrong(run("train", "showers", "--set", "training.lr=1", "--dry-run"), "nearest:")
    wrong(run("train", "showers", "--data", demo_sample(), "--out", trained), "--resume")
    other = tmp_path / "other.h5"
    pg.write(other, pg.simulate(pg.load_detector("calochallenge-2"), 20))
    wrong(run("train", "calogan", "--data", other, "--out", tmp_path / "r"), "calogan")


def test_wrong_ways_to_generate(run, tmp_path, trained):
    out = tmp_path / "out.h5"
    wrong(run("generate", trained, out), "-n", "--like")
    wrong(run("generate", tmp_path / "nothing", out, "-n", 5), "there is no model")
    wrong(run("generate", demo_sample(), out, "-n", 5), "is not a model")
    wrong(run("generate", trained, out, "-n", 5, "--energy", "5"), "is not an energy")
    wrong(run("generate", trained, out, "-n", 5, "--energy", "1TeV"), "trained from")
    wrong(run("generate", trained, tmp_path / "out.txt", "-n", 5), ".txt")
    wrong(run("generate", trained, out, "-n", 5, "--device", "abacus"), "abacus")
    assert not list(tmp_path.iterdir())


def test_wrong_ways_to_validate(run, tmp_path):
    sample = demo_sample()
    wrong(run("validate", sample, sample, "--out", tmp_path / "r", "--require", "ks"), "ks")
    wrong(run("validate", sample, tmp_path / "no.h5", "--out", tmp_path / "r"), "no.h5")
    other = tmp_path / "other.h5"
    pg.write(other, pg.simulate(pg.load_detector("calochallenge-2"), 20))
    wrong(run("validate", sample, other, "--out", tmp_path / "r"), "calochallenge-2")


def test_validate_takes_several_candidates(run, tmp_path):
    for name, part in (
        ("a.h5", GEANT4[:200]),
        ("b.h5", GEANT4[200:400]),
        ("c.h5", GEANT4[400:600]),
    ):
        pg.write(tmp_path / name, part)
    code, out, err = run("validate", *(tmp_path / f"{name}.h5" for name in "abc"),
                         "--out", tmp_path / "r", "--observable", "E_tot/E_inc",
                         "--slice", "energy=1GeV,50GeV,100GeV", "--no-figures", "--no-trees",
                         "--require", "slices.outside_floor<=0")  # fmt: skip
    assert (code, err) == (0, "")
    assert "2 of 2 requirements are met" in out
    assert "(b)" in out
    assert "(c)" in out
    metrics = json.loads((tmp_path / "r" / "metrics.json").read_text())
    assert list(metrics["candidates"]) == ["b", "c"]
    assert len(metrics["candidates"]["b"]["slices"]) == 2
    assert sorted(p.name for p in (tmp_path / "r").iterdir()) == ["index.html", "metrics.json"]


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--require", "kss.max<1"], "kss"),
        (["--observable", "nope"], "nope"),
        (["--slice", "theta=0,1"], "theta"),
        (["--slice", "energy=5,x"], "energy=5,x"),
        (["--slice", "energy=5GeV,1GeV"], "do not rise"),
        (["--classifier", "nope"], "nope"),
        (["--classifier", "high", "--preset", "nope"], "nope"),
        (["--features", "nope"], "nope"),
        (["--memory", "much"], "much"),
    ],
)
def test_wrong_options_of_validate(run, tmp_path, options, word):
    data = tmp_path / "a.h5"
    pg.write(data, GEANT4[:150])
    wrong(run("validate", data, data, "--out", tmp_path / "r", *options), word)
    assert not (tmp_path / "r").exists()


def damaged_files(folder):
    """Yield a name and what the sentence about the file must contain."""
    content = demo_sample().read_bytes()
    (folder / "truncated.h5").write_bytes(content[: len(content) // 2])
    (folder / "empty.h5").touch()
    (folder / "text.h5").write_text("E x y z\n1 2 3 4\n")
    with uproot.recreate(folder / "no_tree.root") as file:
        file["other"] = {"a": np.arange(3.0)}
    for name, value in (("nan.h5", np.nan), ("negative.h5", -1.0)):
        (folder / name).write_bytes(content)
        with h5py.File(folder / name, "r+") as file:
            cells = file["layer_1"][:]
            cells[7, 3, 3] = value
            file["layer_1"][...] = cells
    return {
        "truncated.h5": "truncated",
        "empty.h5": "empty",
        "text.h5": "text.h5",
        "no_tree.root": "tree",
        "nan.h5": "event 7",
        "negative.h5": "negative",
        "missing.h5": "missing.h5",
    }


def test_inspect_says_what_is_wrong_in_one_sentence(run, tmp_path):
    for name, word in damaged_files(tmp_path).items():
        wrong(run("inspect", tmp_path / name), word)


def test_unknown_options_are_usage_errors(run):
    assert run("inspect")[0] == 2
    assert run("fly")[0] == 2


def test_demo_in_small(run, tmp_path, monkeypatch):
    brief = partial(
        demo, n=300, options=Options(observables=["depth", "E_0"], trees=False, slices=())
    )
    monkeypatch.setattr("phys_gan.workflows.demo", brief)
    few = tmp_path / "few.h5"
    pg.write(few, GEANT4[:1000])
    monkeypatch.setattr(sys.modules[demo.__module__], "demo_sample", lambda: few)
    small = [*SMALL, "--set", "training.report_every=128", "--set", "training.keep_checkpoints=3"]
    code, out, err = run("demo", "--out", tmp_path / "demo", "--no-figures", *small)
    assert (code, err) == (0, "")
    assert "Open the report" in out
    assert len(pg.read(tmp_path / "demo" / "generated.h5")) == 300
    held_out = pg.read(tmp_path / "demo" / "held_out.h5")
    assert len(held_out) == 200
    assert (tmp_path / "demo" / "report" / "index.html").exists()
    metrics = json.loads((tmp_path / "demo" / "report" / "metrics.json").read_text())
    assert metrics["reference"]["n"] == 200
    assert "training_copies" in metrics["multivariate"]
    assert not (tmp_path / "demo" / "report" / "figures").exists()
    # The same again, where a demo was before.
    assert (tmp_path / "demo" / "run" / "checkpoint-2.safetensors").exists()
    code, _, err = run("demo", "--out", tmp_path / "demo", "--no-figures", *small)
    assert (code, err) == (0, "")
    again = json.loads((tmp_path / "demo" / "report" / "metrics.json").read_text())
    assert again["observables"] == metrics["observables"]
