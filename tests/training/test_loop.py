"""The loop on a small network: what it writes, that it resumes exactly, that it learns."""

import math

import numpy as np
import pytest
import torch

import phys_gan as pg
from helpers import SMALL_SHOWERS, lines
from phys_gan.errors import ConfigError, DataError
from phys_gan.training.loop import Means, train
from phys_gan.training.run import load_checkpoint
from phys_gan.training.schedule import TrainingConfig
from phys_gan.validation import physics_score
from phys_gan.workflows import demo_sample

GEANT4 = pg.read(demo_sample())


def run(out, *overrides, events=GEANT4[:600], **options):
    recipe = pg.load_recipe("showers", [*SMALL_SHOWERS, *overrides])
    return train(recipe, events, GEANT4[600:800], out, physics_score, **options)


def test_what_a_run_leaves(tmp_path):
    reports = []
    model = run(tmp_path, report=lambda shown, scalars: reports.append((shown, dict(scalars))))
    assert model == tmp_path / "model.safetensors"
    assert {path.name for path in tmp_path.iterdir()} == {
        "recipe.toml", "stats.jsonl", "checkpoint.safetensors", "checkpoint-1.safetensors",
        "model.safetensors", ".lock",
    }  # fmt: skip
    assert [line["events"] for line in lines(tmp_path)] == [320, 640, 960, 1280]
    assert [shown for shown, scalars in reports if scalars] == [320, 640, 960, 1280]
    assert len(reports) == 20
    for line in lines(tmp_path):
        assert all(math.isfinite(line[name]) for name in ("loss_d", "loss_g", "score"))
    assert any("r1" in line for line in lines(tmp_path))
    scores = [line["score"] for line in lines(tmp_path)]
    best = [line["best"] for line in lines(tmp_path)]
    assert best == [score == min(scores[: i + 1]) for i, score in enumerate(scores)]
    assert pg.load_recipe(tmp_path / "recipe.toml") == pg.load_recipe("showers", SMALL_SHOWERS)


def test_the_model_is_the_best_report(tmp_path):
    fast, held_out = pg.FastSim.load(run(tmp_path)), GEANT4[600:800]
    score = physics_score(held_out, fast.generate(held_out.conditions, seed=0))
    assert score == pytest.approx(min(line["score"] for line in lines(tmp_path)), abs=1e-4)


def test_equal_seeds_give_equal_models(tmp_path):
    first, second, other = (
        torch.cat([p.flatten() for p in pg.FastSim.load(run(tmp_path / name, seed))
                   .model.generator.parameters()])
        for name, seed in (("a", "training.seed=1"), ("b", "training.seed=1"),
                           ("c", "training.seed=2"))
    )  # fmt: skip
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


def test_resuming_gives_the_uninterrupted_run(tmp_path):
    class Killed(Exception):
        pass

    def kill(shown, scalars):
        if shown == 832:
            raise Killed

    flat = ["training.decay=none"]
    run(tmp_path / "whole", *flat)
    with pytest.raises(Killed):
        run(tmp_path / "broken", *flat, report=kill)
    run(tmp_path / "broken", *flat, resume=True)
    whole, resumed = (
        load_checkpoint(tmp_path / name / "checkpoint.safetensors")["method"]
        for name in ("whole", "broken")
    )
    for part in ("generator", "discriminator"):
        for name, tensor in whole[part]["network"].items():
            assert torch.equal(tensor, resumed[part]["network"][name]), f"{part}.{name}"
    for name, tensor in whole["average"].items():
        assert torch.equal(tensor, resumed["average"][name]), f"average.{name}"
    same = [{k: v for k, v in line.items() if k != "seconds"} for line in lines(tmp_path / "whole")]
    for mine, theirs in zip(lines(tmp_path / "broken"), same, strict=True):
        assert {k: v for k, v in mine.items() if k != "seconds"} == theirs


def test_it_learns(tmp_path):
    run(tmp_path, "training.events=12_800", "training.report_every=320", "training.decay=none")
    scores = [line["score"] for line in lines(tmp_path)]
    assert min(scores[-5:]) < 0.85 * scores[0]
    generated = pg.FastSim.load(tmp_path).generate(GEANT4[:500].conditions)
    response = generated.total_energy() / generated.energy
    # The encoding alone puts the response right; no discriminator may spoil it.
    assert abs(response.mean() - 0.9976) < 0.002


def test_the_published_calogan_trains(tmp_path):
    recipe = pg.load_recipe(
        "calogan",
        ["training.batch_size=8", "training.events=16", "training.report_every=16"],
    )
    train(recipe, GEANT4[:32], GEANT4[32:96], tmp_path, physics_score)
    (line,) = lines(tmp_path)
    assert line["energy_miss_GeV"] > 0
    assert len(pg.FastSim.load(tmp_path).generate({"energy": [5e4, 1e4]})) == 2


def test_a_used_directory_is_refused(tmp_path):
    run(tmp_path)
    with pytest.raises(ConfigError, match="holds a training run already; go on with --resume"):
        run(tmp_path)


def test_a_run_without_a_checkpoint_starts_again(tmp_path):
    (tmp_path / "stats.jsonl").write_text('{"events": 320}\n')
    run(tmp_path)
    assert [line["events"] for line in lines(tmp_path)] == [320, 640, 960, 1280]


def test_a_run_that_is_not_there_begins_when_resumed(tmp_path):
    run(tmp_path / "new", resume=True)
    assert [line["events"] for line in lines(tmp_path / "new")] == [320, 640, 960, 1280]


def test_resuming_something_else(tmp_path):
    run(tmp_path)
    with pytest.raises(ConfigError, match="began with another recipe; resume with"):
        run(tmp_path, "network.width=16", resume=True)
    with pytest.raises(ConfigError, match="began with other data"):
        run(tmp_path, resume=True, events=GEANT4[100:700])


def test_held_out_energies_are_part_of_the_range(tmp_path):
    middle = GEANT4[(GEANT4.energy > 2e4) & (GEANT4.energy < 6e4)]
    fast = pg.FastSim.load(run(tmp_path, events=middle[:600]))
    held_out = GEANT4.energy[600:800]
    assert fast.energy_range == (
        min(held_out.min(), middle[:600].energy.min()),
        held_out.max(),
    )


def test_too_few_events(tmp_path):
    with pytest.raises(DataError, match="10 events to learn from, fewer than one batch of 64"):
        run(tmp_path, events=GEANT4[:10])


def test_diverging_is_said(tmp_path):
    with pytest.raises(pg.errors.RangeError, match="no longer finite after"):
        run(tmp_path, "training.lr_g=1e30")


def test_the_time_limit_ends_the_run(tmp_path):
    run(tmp_path, "training.events=100_000_000", "training.max_minutes=0.02")
    last = lines(tmp_path)[-1]
    assert last["seconds"] >= 1.2
    assert last["events"] < 100_000_000


def test_schedule():
    config = TrainingConfig(events=1000, max_minutes=1)
    assert config.progress(500, 6) == 0.5
    assert config.progress(500, 45) == 0.75
    assert [config.rate(p) for p in (0, 0.5)] == [1, 1]
    np.testing.assert_allclose(config.rate(0.75), 0.505)
    np.testing.assert_allclose(config.rate(1.0), 0.01)
    assert TrainingConfig(decay="none").rate(0.9) == 1


def test_it_ends_when_the_physics_metric_no_longer_improves(tmp_path):
    scores = iter([0.5, 0.4, 0.45, 0.41, 0.3, 0.2])
    recipe = pg.load_recipe(
        "showers", [*SMALL_SHOWERS, "training.patience=640", "training.events=6400"]
    )
    train(recipe, GEANT4[:600], GEANT4[600:800], tmp_path, lambda a, b: next(scores))
    found = lines(tmp_path)
    assert [line["score"] for line in found] == [0.5, 0.4, 0.45, 0.41]
    assert pg.FastSim.load(tmp_path).model.provenance["events_shown"] == "640"


def test_without_an_average_the_latest_weights_are_kept(tmp_path):
    run(tmp_path, "training.ema_half_life=0")
    state = load_checkpoint(tmp_path / "checkpoint.safetensors")["method"]
    for name, tensor in state["generator"]["network"].items():
        assert torch.equal(tensor, state["average"][name]), name


def test_what_the_model_used_is_in_its_provenance(tmp_path):
    model = pg.FastSim.load(run(tmp_path)).model
    assert model.provenance["references"].split()[:2] == ["physgan", "paganini2017calogan"]


def test_means_of_scalars_that_do_not_come_at_every_step():
    means = Means()
    values = torch.randn(100)
    for step, value in enumerate(values):
        means.add({"always": value} if step % 4 else {"always": value, "lazy": value})
    # Nothing is kept of single steps.
    assert set(vars(means)) == {"_means", "_counts"}
    assert {name: mean.shape for name, mean in means._means.items()} == {"always": (), "lazy": ()}
    found = means.take()
    assert found["always"] == pytest.approx(float(values.mean()), abs=1e-6)
    assert found["lazy"] == pytest.approx(float(values[::4].mean()), abs=1e-6)
    assert means.take() == {}
