"""The live page: what was written is read back from the files of TensorBoard."""

import io
import math
import shutil

import numpy as np
import pytest
from matplotlib.collections import QuadMesh
from PIL import Image
from typer.testing import CliRunner

import phys_gan as pg
from helpers import lines
from phys_gan.cli import app
from phys_gan.data import split
from phys_gan.detectors import load_detector
from phys_gan.errors import MissingError, OutputError
from phys_gan.events import Events
from phys_gan.toys import simulate_toy
from phys_gan.training.loop import train
from phys_gan.validation import physics_score
from phys_gan.workflows import demo_sample, live

pytest.importorskip("tensorboard")
from tensorboard.backend.event_processing.event_accumulator import (
    IMAGES,
    SCALARS,
    TENSORS,
    EventAccumulator,
)

RING = split(simulate_toy("toy-ring", 1200, seed=1), [0.5, 0.5], 0)
GEANT4 = split(pg.read(demo_sample())[:400], [0.5, 0.5], 0)
TOY = ("network.width=16", "network.depth=1", "network.d_width=16", "network.d_depth=1")
TINY = ("training.batch_size=64", "training.events=384", "training.report_every=128")


def run(out, recipe="toy-ring", options=TOY, samples=RING, **more):
    with live.tensorboard(out / "tensorboard") as watch:
        resolved = pg.load_recipe(recipe, [*TINY, *options])
        train(resolved, *samples, out, physics_score, watch=watch, **more)


def page(out):
    read = EventAccumulator(str(out / "tensorboard"), {IMAGES: 0, SCALARS: 0, TENSORS: 0})
    read.Reload()
    return read


def steps(events):
    return [event.step for event in events]


@pytest.fixture(scope="module")
def ring(tmp_path_factory):
    out = tmp_path_factory.mktemp("ring")
    run(out)
    return out


def test_every_scalar_of_every_report_is_on_the_page(ring):
    read, reports = page(ring), lines(ring)
    for tag in read.Tags()["scalars"]:
        group, _, name = tag.partition("/")
        assert group in {"physics", "loss", "game", "accuracy", "gradients", "schedule"}
        found = read.Scalars(tag)
        assert steps(found) == [128, 256, 384]
        wanted = [line.get(name, -2 * math.log(2)) for line in reports]
        np.testing.assert_allclose([event.value for event in found], wanted, rtol=1e-6)
    shown = {tag.partition("/")[2] for tag in read.Tags()["scalars"]}
    assert shown == set(reports[0]) - {"events", "best", "warnings"} | {"optimum"}


def test_the_value_of_the_game_shares_a_chart_with_its_optimum(ring):
    layout = page(ring).Tensors("custom_scalars__config__")[0].tensor_proto.string_val[0]
    assert b"game/value" in layout
    assert b"game/optimum" in layout


def test_pictures_of_events_at_every_report(ring):
    read = page(ring)
    assert read.Tags()["images"] == ["events/points"]
    found = read.Images("events/points")
    assert steps(found) == [128, 256, 384]
    pixels = np.asarray(Image.open(io.BytesIO(found[-1].encoded_image_string)))
    assert pixels.shape == (found[-1].height, found[-1].width, 3)
    assert min(pixels.shape[:2]) > 400
    # Marks of several colours on white.
    assert (pixels[0, 0] == 255).all()
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 50


def test_showers_are_shown_one_by_one_and_on_average(tmp_path):
    small = ("network.latent=8", "network.width=16", "network.d_width=16")
    run(tmp_path, "showers", (*small, "training.report_every=384"), GEANT4)
    read = page(tmp_path)
    assert set(read.Tags()["images"]) == {"events/average", "events/single"}
    assert steps(read.Images("events/single")) == [384]


def test_warnings_in_words(tmp_path):
    with live.tensorboard(tmp_path / "tensorboard") as watch:
        watch({"events": 10, "score": 0.1, "warnings": []}, *RING)
        watch({"events": 20, "score": 0.2, "warnings": ["one: a", "two: b"]}, *RING)
    (text,) = page(tmp_path).Tensors("warnings/text_summary")
    assert text.step == 20
    assert text.tensor_proto.string_val[0] == b"* one: a\n* two: b"


def test_a_resumed_training_shows_each_report_once(tmp_path):
    class Killed(Exception):
        pass

    def keep(shown, line):
        if line and shown == 128:
            shutil.copy(tmp_path / "checkpoint.safetensors", tmp_path / "older")
        if line and shown == 384:
            raise Killed

    flat = (*TOY, "training.decay=none")
    with pytest.raises(Killed):
        run(tmp_path, options=flat, report=keep)
    # As when the last checkpoint was lost: the page knows a report that is done again.
    shutil.move(tmp_path / "older", tmp_path / "checkpoint.safetensors")
    assert steps(page(tmp_path).Scalars("physics/score")) == [128, 256]
    run(tmp_path, options=flat, resume=True)
    read = page(tmp_path)
    assert steps(read.Scalars("physics/score")) == [128, 256, 384]
    assert steps(read.Images("events/points")) == [128, 256, 384]
    wanted = [line["score"] for line in lines(tmp_path)]
    np.testing.assert_allclose([s.value for s in read.Scalars("physics/score")], wanted, rtol=1e-6)


def test_groups_of_other_methods():
    line = {"events": 5, "mmd": 0.1, "kl": 3, "cycle": 0.2, "loss_d_source": 1.0, "mystery": 4.0}
    assert live.scalars(line) == {
        "loss/mmd": 0.1,
        "loss/kl": 3.0,
        "loss/cycle": 0.2,
        "loss/loss_d_source": 1.0,
        "method/mystery": 4.0,
    }


@pytest.mark.parametrize(
    ("name", "tags"),
    [
        ("toy-gaussian", {"events/points"}),
        ("calochallenge-2", {"events/single", "events/average"}),
        ("galaxies-32", {"events/single", "events/average"}),
    ],
)
def test_every_kind_of_detector_has_pictures(name, tags):
    detector = load_detector(name)
    cells = np.random.default_rng(0).gamma(0.3, 1.0, (2, 6, detector.n_cells)).astype(np.float32)
    conditions = {} if detector.is_toy else {"energy": np.linspace(1e3, 6e3, 6)}
    samples = [Events(some, conditions, detector) for some in cells]
    assert set(live.pictures(*samples)) == tags


def test_pictures_choose_the_same_events_again():
    held_out, generated = GEANT4
    first, second = (live.pictures(held_out, generated)["events/single"] for _ in range(2))
    drawn = zip(first.findobj(QuadMesh), second.findobj(QuadMesh), strict=True)
    for mine, theirs in drawn:
        np.testing.assert_array_equal(mine.get_array(), theirs.get_array())


def test_without_tensorboard_one_sentence_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setattr(live, "find_spec", lambda name: None)
    with (
        pytest.raises(MissingError, match=r"pip install 'phys_gan\[tensorboard\]'"),
        live.tensorboard(tmp_path / "page"),
    ):
        pass
    assert not (tmp_path / "page").exists()


def test_a_page_that_cannot_be_written(tmp_path):
    (tmp_path / "page").write_text("a file")
    with (
        live.tensorboard(tmp_path / "page") as watch,
        pytest.raises(OutputError, match="cannot write the live page"),
    ):
        watch({"events": 10, "score": 0.1}, *RING)


def test_the_command_line_says_how_to_see_the_page(tmp_path):
    options = [part for option in (*TOY, *TINY) for part in ("--set", option)]
    command = ["train", "toy-ring", *options, "--set", "simulated.events=500"]
    for out, extra in ((tmp_path / "with live", ["--live"]), (tmp_path / "without", [])):
        said = CliRunner().invoke(app, [*command, "--out", str(out), *extra])
        assert said.exit_code == 0, said.output
        assert (f"tensorboard --logdir '{out}'" in said.output.replace("\n", "")) == bool(extra)
        assert (out / "tensorboard").is_dir() == bool(extra)
