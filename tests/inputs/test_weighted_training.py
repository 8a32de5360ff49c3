"""Weighted samples to learn from: matching weights, merged energies, signed NLO weights."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import phys_gan as pg
from helpers import SMALL_SHOWERS, lines, wrong
from phys_gan import cli
from phys_gan.encodings import build_encoding
from phys_gan.errors import DataError
from phys_gan.events import Events
from phys_gan.toys import simulate_toy
from phys_gan.training.loop import train
from phys_gan.training.run import load_checkpoint
from phys_gan.validation import physics_score
from phys_gan.workflows import demo_sample

GEANT4 = pg.read(demo_sample())
NORMAL = simulate_toy("toy-gaussian", 8000, seed=3)
TILT = np.exp(NORMAL.cells[:, 0].astype(np.float64))
"""Weights by which a standard normal distribution is one with mean 1: exp(x) N(0, 1) ~ N(1, 1)."""
TOY = (
    "network.width=32",
    "network.depth=2",
    "network.d_width=32",
    "training.batch_size=128",
    "training.events=25_600",
    "training.ema_half_life=3000",
    "training.report_every=25_600",
)
MATCHING = ("method.kind=moment-matching", "training.lr_g=5e-3")


def weighted(events: Events, weights: np.ndarray) -> Events:
    return replace(events, weights=weights)


def merged(n: int = 300) -> Events:
    """Samples of two energies with the weights of their luminosities: few events at 60 GeV."""
    low, high = GEANT4[GEANT4.energy < 3e4][:n], GEANT4[GEANT4.energy > 5e4][:n]
    weights = np.repeat([0.02, 0.18], n)
    return weighted(Events.concatenate([low, high]), weights)


@pytest.mark.parametrize("overrides", [(), MATCHING], ids=["adversarial", "moments"])
def test_the_weighted_density_is_learned(tmp_path: Path, overrides: tuple[str, ...]) -> None:
    said: list[str] = []
    found = {}
    for name, events in (("weighted", weighted(NORMAL, TILT)), ("plain", NORMAL)):
        recipe = pg.load_recipe("toy-gaussian", [*TOY, *overrides])
        fast = pg.train(recipe, events, tmp_path / name, say=said.append)
        found[name] = fast.generate(4000, seed=1).cells[:, 0]
        assert ("data_weights" in fast.model.provenance) == (name == "weighted")
    assert abs(found["weighted"].mean() - 1) < 0.2
    assert abs(found["plain"].mean()) < 0.2
    n = f"{TILT.sum() ** 2 / (TILT**2).sum():,.1f}"
    assert said == [
        f"Events are drawn by their weights: 8,000 events, as good as {n} of equal weight"
    ]


def test_the_discriminator_sees_weighted_events_and_not_only_the_encoding(tmp_path: Path) -> None:
    """Whatever the scales of the encoding are, the share on the left is learned from the events."""
    halves = np.where(NORMAL.cells[:, 0] > 0, 1.0, 4.0)
    symmetric = weighted(NORMAL, halves)
    recipe = pg.load_recipe("toy-gaussian", [*TOY, *MATCHING])
    fast = pg.train(recipe, symmetric, tmp_path)
    share = (fast.generate(4000, seed=1).cells[:, 0] < 0).mean()
    assert abs(share - 0.8) < 0.08


@pytest.mark.parametrize("name", ["showers", "toy-gaussian", "galaxies-dcgan", "ecal"])
def test_what_is_fitted_is_the_weighted_distribution(name: str) -> None:
    recipe = pg.load_recipe(name)
    if name == "toy-gaussian":
        events = NORMAL[:400]
    elif name == "galaxies-dcgan":
        events = pg.simulate("galaxies-32", 60, seed=1)
    else:
        events = GEANT4[:400]
    # Twice or not at all: what is drawn is then known, up to its order.
    twice = np.arange(len(events)) % 2 == 0
    of_weights, of_copies, of_all = (
        build_encoding(recipe.encoding, events.detector).fit(sample).state_dict()
        for sample in (
            weighted(events, twice * 0.3),
            events[np.repeat(np.flatnonzero(twice), 2)],
            events,
        )
    )
    for key, tensor in of_copies.items():
        torch.testing.assert_close(of_weights[key], tensor, rtol=1e-4, atol=1e-5)
    assert any(not torch.allclose(of_all[key], tensor) for key, tensor in of_copies.items())


def test_conditions_reach_as_far_as_any_event_that_counts(tmp_path: Path) -> None:
    order = np.argsort(GEANT4.energy[:600])
    sample = GEANT4[:600][order]
    weights = np.ones(600)
    # Hardly any weight at the lower end, and none at the upper one.
    weights[:5], weights[-5:] = 1e-12, 0
    recipe = pg.load_recipe("showers", [*SMALL_SHOWERS, "training.events=64"])
    model = train(recipe, weighted(sample, weights), sample[10:200], tmp_path, physics_score)
    fast = pg.FastSim.load(model)
    assert fast.energy_range == (sample.energy[0], sample.energy[-6])
    # What has no weight may lie anywhere.
    again = pg.train(recipe, weighted(sample, weights), tmp_path / "all")
    assert again.energy_range == (sample.energy[0], sample.energy[-6])


def test_merged_energies_count_by_their_weights(tmp_path: Path) -> None:
    seen: list[np.ndarray] = []

    def judge(held_out: Events, generated: Events) -> float:
        np.testing.assert_array_equal(generated.weights, held_out.weights)
        np.testing.assert_array_equal(generated.energy, held_out.energy)
        seen.append(held_out.weights)
        return 0.5

    sample = merged()
    first, second = sample[::2], sample[1::2]
    recipe = pg.load_recipe("showers", SMALL_SHOWERS)
    train(recipe, first, second, tmp_path, judge)
    assert len(seen) == 4
    np.testing.assert_array_equal(seen[0], second.weights)


@pytest.mark.parametrize("name", ["showers", "vae-showers"])
def test_a_weighted_training_resumes_exactly(tmp_path: Path, name: str) -> None:
    recipe = pg.load_recipe(name, [*SMALL_SHOWERS, "training.decay=none"])
    resumed(tmp_path, lambda out, **options: pg.train(recipe, merged(), out, **options))


def test_both_sides_of_a_translation_are_drawn_by_their_weights(tmp_path: Path) -> None:
    recipe = pg.load_recipe("cycle", [
        "network.width=16", "network.depth=1", "network.d_width=16", "network.d_depth=1",
        "training.batch_size=64", "training.events=1280", "training.report_every=320",
        "training.decay=none", "training.max_minutes=0",
    ])  # fmt: skip
    source = pg.simulate(GEANT4.detector, 300, seed=3)
    tilted = weighted(source, source.energy / 1e4)
    both = resumed(
        tmp_path, lambda out, **options: pg.train(recipe, merged(), out, source=tilted, **options)
    )
    there = both.translate(tilted, seed=1)
    np.testing.assert_array_equal(there.weights, tilted.weights)
    # One side may have weights and the other none.
    pg.train(recipe, merged(), tmp_path / "one", source=source)
    with pytest.raises(DataError, match="negative in 300 of 300 source events"):
        pg.train(recipe, merged(), tmp_path / "no", source=weighted(source, -tilted.weights))
    assert not (tmp_path / "no").exists()


def resumed(tmp_path: Path, run: Callable[..., pg.FastSim]) -> pg.FastSim:
    """Train in one go and with a kill, require the same weights, and return the model."""

    class Killed(Exception):
        pass

    def kill(shown: int, scalars: object) -> None:
        if shown == 832:
            raise Killed

    whole = run(tmp_path / "whole")
    with pytest.raises(Killed):
        run(tmp_path / "cut", report=kill)
    cut = run(tmp_path / "cut", resume=True)
    for one, two in zip(
        whole.model.generator.parameters(), cut.model.generator.parameters(), strict=True
    ):
        assert torch.equal(one, two)
    first, second = (
        load_checkpoint(tmp_path / name / "checkpoint.safetensors")["method"]["steps"]
        for name in ("whole", "cut")
    )
    assert first == second == 20
    assert [line["score"] for line in lines(tmp_path / "whole")] == [
        line["score"] for line in lines(tmp_path / "cut")
    ]
    return whole


@pytest.fixture
def command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Return a function that runs a command and gives its exit code, output and errors."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["phys-gan", *map(str, arguments)])
        code: object = 0
        try:
            cli.main()
        except SystemExit as stop:
            code = stop.code or 0
        captured = capsys.readouterr()
        assert isinstance(code, int)
        return code, captured.out, captured.err

    return run


SETTINGS = [word for option in SMALL_SHOWERS for word in ("--set", option)]


def test_files_are_drawn_by_their_weights_from_memory_and_streamed(
    tmp_path: Path, command: Callable[..., tuple[int, str, str]]
) -> None:
    path, sample = tmp_path / "merged.h5", merged()
    pg.write(path, sample)
    said = "Events are drawn by their weights: 600 events, as good as 365.9 of equal weight"
    words = ["train", "showers", "--data", path, *SETTINGS]
    code, out, err = command(*words, "--out", tmp_path / "memory")
    assert (code, err) == (0, "")
    assert said in out
    code, out, _ = command(*words, "--out", tmp_path / "stream", "--memory", "2MB")
    assert code == 0
    assert said in out
    for name in ("memory", "stream"):
        fast = pg.FastSim.load(tmp_path / name)
        assert fast.model.provenance["data_weights"] == said.partition(": ")[2]
        low, high = fast.energy_range
        assert (low, high) == (sample.energy.min(), sample.energy.max())
    # From memory, files and events are the same training.
    one, two = (
        pg.train(pg.load_recipe("showers", SMALL_SHOWERS), data, tmp_path / name)
        for data, name in ((path, "a"), (pg.read(path), "b"))
    )
    for first, second in zip(
        one.model.generator.parameters(), two.model.generator.parameters(), strict=True
    ):
        assert torch.equal(first, second)


def test_a_dry_run_says_what_is_drawn(
    tmp_path: Path, command: Callable[..., tuple[int, str, str]]
) -> None:
    path = tmp_path / "merged.h5"
    pg.write(path, merged())
    code, out, err = command("train", "showers", "--data", path, "--dry-run")
    assert (code, err) == (0, "")
    assert out.endswith(
        "\n# Events are drawn by their weights: 600 events, as good as 365.9 of equal weight\n"
    )
    (tmp_path / "recipe.toml").write_text(out)
    assert pg.load_recipe(tmp_path / "recipe.toml") == pg.load_recipe("showers")
    pg.write(path, replace(merged(), weights=None))
    code, out, _ = command("train", "showers", "--data", path, "--dry-run")
    assert code == 0
    assert "#" not in out


def test_negative_weights_in_a_file(
    tmp_path: Path, command: Callable[..., tuple[int, str, str]]
) -> None:
    path = tmp_path / "nlo.h5"
    pg.write(path, weighted(merged(), np.where(np.arange(600) % 4, 1.0, -1.0)))
    run = tmp_path / "run"
    for more in (["--out", run], ["--out", run, "--memory", "2MB"], ["--dry-run"]):
        found = command("train", "showers", "--data", path, *SETTINGS, *more)
        wrong(found, "negative in 150 of 600 events", "--drop weights")
        assert not found[1].strip()
    assert not run.exists()
    assert command("convert", path, tmp_path / "plain.h5", "--drop", "weights")[0] == 0
    words = ["train", "showers", "--data", tmp_path / "plain.h5", *SETTINGS]
    code, out, _ = command(*words, "--out", run)
    assert code == 0
    assert "drawn by their weights" not in out
    assert "data_weights" not in pg.FastSim.load(run).model.provenance


def test_events_like_weighted_ones_have_their_weights(
    tmp_path: Path, command: Callable[..., tuple[int, str, str]]
) -> None:
    like, out = tmp_path / "nlo.h5", tmp_path / "fast.h5"
    weights = np.random.default_rng(2).normal(size=600)
    pg.write(like, weighted(merged(), weights))
    words = ["generate", "calogan-eplus", out, "--like", like, "--seed", "5"]
    assert command(*words)[0] == 0
    made = pg.read(out)
    assert made.weights is not None
    assert made.weights.tobytes() == weights.tobytes()
    np.testing.assert_allclose(made.energy, merged().energy, rtol=1e-6)
    assert "nothing to do" in command(*words, "--resume")[1]
    # The same events with other weights are another production.
    pg.write(like, weighted(merged(), -weights))
    wrong(command(*words, "--resume"), "not the production that is asked for")
    assert command("generate", "calogan-eplus", out, "-n", "10")[0] == 0
    assert pg.read(out).weights is None


@pytest.mark.slow
def test_two_processes_draw_what_one_would_draw_for_both(tmp_path: Path) -> None:
    pg.write(tmp_path / "merged.h5", merged(1000))
    program = str(Path(sys.executable).with_name("phys-gan"))
    known = {k: v for k, v in os.environ.items() if k not in ("LOCAL_RANK", "RANK")}
    states = []
    for name, size, devices in (("one", 128, 1), ("two", 64, 2)):
        words = [program, "train", "showers", "--data", tmp_path / "merged.h5", *SETTINGS]
        words += ["--set", f"training.batch_size={size}", "--set", "method.techniques={}"]
        words += ["--set", "training.decay=none", "--device", "cpu", "--devices", devices]
        done = subprocess.run(
            [*map(str, words), "--out", tmp_path / name],
            env={**known, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert done.stdout.count("Events are drawn by their weights") == 1
        states.append(load_checkpoint(tmp_path / name / "checkpoint.safetensors")["method"])
    for part in ("generator", "discriminator"):
        for key, tensor in states[0][part]["network"].items():
            torch.testing.assert_close(tensor, states[1][part]["network"][key], rtol=0, atol=2e-5)


def test_the_score_weighs_both_samples() -> None:
    reference, candidate = GEANT4[:300], GEANT4[300:600]
    times = np.arange(300) % 3
    rows = np.repeat(np.arange(300), times)
    expected = physics_score(reference[rows], candidate[rows])
    both = [weighted(events, times * 0.25) for events in (reference, candidate)]
    assert physics_score(*both) == pytest.approx(expected, abs=1e-12)
    assert physics_score(both[0], candidate[rows]) == pytest.approx(expected, abs=1e-12)
    assert abs(physics_score(reference, candidate) - expected) > 1e-3
    same = weighted(reference, np.full(300, 7.0))
    assert physics_score(same, same) < 1e-12
    plain = physics_score(reference, candidate)
    assert physics_score(same, candidate) == pytest.approx(plain, abs=1e-12)


def test_the_score_of_points_and_of_samples_without_any_weight() -> None:
    tilted, other = weighted(NORMAL, TILT), simulate_toy("toy-gaussian", 8000, seed=4)
    moved = replace(other, cells=other.cells + 1)
    assert physics_score(tilted, moved) < 0.03
    assert physics_score(tilted, other) > 0.1
    assert physics_score(weighted(NORMAL, 0 * TILT), other) == 1.0


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        (
            np.where(np.arange(600) % 5, 1.0, -0.7),
            r"negative in 120 of 600 events.*merging or resampling.*--drop weights",
        ),
        (np.zeros(600), "of all 600 events are 0"),
    ],
    ids=["NLO", "zero"],
)
def test_what_cannot_be_drawn_is_refused_first(
    tmp_path: Path, weights: np.ndarray, words: str
) -> None:
    sample = weighted(GEANT4[:600], weights)
    with pytest.raises(DataError, match=words):
        pg.train("showers", sample, tmp_path / "run", overrides=SMALL_SHOWERS)
    recipe = pg.load_recipe("showers", SMALL_SHOWERS)
    with pytest.raises(DataError, match=words):
        train(recipe, sample, GEANT4[600:800], tmp_path / "run", physics_score)
    with pytest.raises(DataError, match="held-out events"):
        train(recipe, GEANT4[600:800], sample, tmp_path / "run", physics_score)
    assert not list(tmp_path.iterdir())
    # They can be judged and generated all the same: nothing is drawn by them there.
    assert np.isfinite(physics_score(sample, sample))
