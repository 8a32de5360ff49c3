"""The recipes of galaxies: each trains, resumes, generates, and goes where its paper says."""

import numpy as np
import pytest

import phys_gan as pg

RECIPES = ["galaxies-dcgan", "galaxies-sagan", "galaxies-stylegan", "galaxies-progressive"]
SHORT = [
    "simulated.events=64",
    "training.batch_size=8",
    "training.events=32",
    "training.report_every=16",
    "training.held_out=0.1",
    "network.width=4",
    "network.d_width=4",
]
STAMPS = pg.simulate(pg.load_detector("galaxies-32"), 40, seed=5)


@pytest.fixture(scope="module", params=RECIPES)
def trained(request, tmp_path_factory):
    out = tmp_path_factory.mktemp("run")
    return request.param, pg.train(request.param, None, out, overrides=SHORT), out


def test_it_makes_its_own_events_and_generates_like_them(trained):
    _, fast, out = trained
    made = fast.generate(dict(STAMPS.conditions), seed=2)
    assert made.cells.shape == STAMPS.cells.shape
    assert np.isfinite(made.cells).all()
    assert (made.cells < 0).any()
    again = pg.FastSim.load(out).generate(dict(STAMPS.conditions), seed=2)
    assert np.array_equal(again.cells, made.cells)


def test_it_cites_its_paper(trained):
    name, _, out = trained
    key = {
        "galaxies-dcgan": "radford2015dcgan",
        "galaxies-sagan": "zhang2018sagan",
        "galaxies-stylegan": "karras2019stylegan2",
        "galaxies-progressive": "karras2017progressive",
    }[name]
    assert key in pg.cite(out)


@pytest.mark.parametrize("name", RECIPES)
def test_a_resumed_run_ends_like_an_uninterrupted_one(name, resumes_exactly):
    def run(out, **options):
        pg.train(name, STAMPS, out, overrides=SHORT, **options)

    resumes_exactly(run, at=16)


def test_progressive_growing_follows_the_events_shown(tmp_path):
    grown = [*SHORT, "training.report_every=32", "network.stable=4", "network.fade=8"]
    fast = pg.train("galaxies-progressive", None, tmp_path, overrides=grown)
    # 24 events came before the last step: two sizes are faded in, the third has not begun.
    assert fast.model.generator.level == pytest.approx(2)


def test_real_galaxies_take_the_same_path(tmp_path):
    rng = np.random.default_rng(0)
    sky = rng.normal(0, 0.01, (30, 4096))
    cosmos = pg.Events(sky, {"mag": rng.uniform(20, 25, 30)}, pg.load_detector("cosmos-64"))
    overrides = [*SHORT, "detector=cosmos-64", "conditions={mag='linear'}"]  # fmt: skip
    fast = pg.train("galaxies-dcgan", cosmos, tmp_path, overrides=overrides)
    assert fast.generate({"mag": [21.0, 24.0]}, seed=1).cells.shape == (2, 4096)
