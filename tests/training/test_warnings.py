"""Every failure from made-up reports and from real trainings; none in good trainings."""

import math
import re

import pytest

import phys_gan as pg
from helpers import SMALL_SHOWERS, lines
from phys_gan.toys import simulate_toy
from phys_gan.training.loop import train
from phys_gan.training.warnings import CHECKS, warn
from phys_gan.validation import physics_score
from phys_gan.workflows import demo_sample

OPTIMUM = -2 * math.log(2)
GOOD = {
    "score": 0.2,
    "loss_d": 1.35,
    "loss_g": 0.75,
    "value": -1.35,
    "accuracy_real": 0.6,
    "accuracy_generated": 0.65,
    "gradient_norm_d": 0.5,
    "gradient_norm_g": 0.3,
    "lipschitz": 0.6,
    "diversity": 0.97,
    "r1": 0.02,
    "gradient_penalty": 0.05,
}


def reports(n=8, **histories):
    """Make n reports; a history is the last values of a scalar, or the constant one."""
    lines = []
    for i in range(n):
        line = {"events": 1000 * (i + 1), **GOOD}
        for name, history in histories.items():
            values = history if isinstance(history, list) else [history] * n
            at = i - n + len(values)
            if at >= 0:
                line[name] = values[at]
        lines.append(line)
    return lines


def names(lines):
    return [text.partition(":")[0] for text in warn(lines)]


def test_nothing_is_said_of_nothing():
    assert warn([]) == []
    assert warn([{"events": 1000, "score": 0.9}]) == []
    assert warn(reports()) == []


@pytest.mark.parametrize(
    ("histories", "name", "number"),
    [
        ({"diversity": [0.3, 0.2]}, "mode collapse", "0.20 times as far apart"),
        ({"diversity": [0.98, 0.9, 0.8, 0.7]}, "mode collapse", "down from 0.98"),
        ({"diversity": [1.1, 7.0]}, "generator astray", "7 times as far apart"),
        (
            {"accuracy_real": 1.0, "accuracy_generated": 0.999, "value": -1e-3, "loss_d": 1e-3},
            "discriminator saturated",
            "99.9% of the generated events, V = -0.001",
        ),
        (
            {"accuracy_real": 0.9, "accuracy_generated": 0.1, "value": OPTIMUM + 0.01},
            "discriminator has lost",
            "V = -1.376, undecided is -1.386",
        ),
        ({"r1": [0.02, 300.0]}, "explosion", "the penalty R1 is 300 (before 0.02)"),
        ({"gradient_penalty": [50.0]}, "explosion", "the gradient penalty is 50 (before 0.05)"),
        ({"lipschitz": [400.0]}, "explosion", "Lipschitz constant of the discriminator is 400"),
        ({"gradient_norm_d": [150.0]}, "explosion", "of the discriminator is 150 (before 0.5)"),
        ({"gradient_norm_g": [150.0]}, "explosion", "of the generator is 150 (before 0.3)"),
        ({"score": [0.1, 0.2, 0.3]}, "past its best", "is 0.3, and was 0.1 after 6,000 events"),
        (
            {"score": [0.3, 0.22, 0.3, 0.22, 0.3, 0.22]},
            "oscillation",
            "the score moves by 0.08",
        ),
        ({"diversity": [1.3, 0.8, 1.3, 0.8, 1.3, 0.8]}, "oscillation", "the diversity moves by"),
    ],
)
def test_each_failure_is_named_with_its_number_and_options(histories, name, number):
    (text,) = warn(reports(**histories))
    assert text.startswith(f"{name}: ")
    assert number in text
    options = re.findall(r"--set (\S+?=[^\s,;:)]+)", text)
    assert options
    for option in options:
        assert pg.load_recipe("toy-ring", [option]) != pg.load_recipe("toy-ring")


@pytest.mark.parametrize(
    "histories",
    [
        # Generators begin narrow and grow.
        {"diversity": [0.1, 0.2, 0.35, 0.48]},
        # The end of the game is not a defeat: the score is good, or it still falls.
        {"accuracy_real": 0.5, "accuracy_generated": 0.5, "value": OPTIMUM, "score": 0.03},
        {"value": OPTIMUM, "accuracy_real": 0.5, "score": [0.4, 0.35, 0.3, 0.26, 0.23, 0.2]},
        # Labels 1 and 0 of least squares put every logit on one side.
        {"accuracy_real": 1.0, "accuracy_generated": 0.0, "value": -1.435},
        # A Wasserstein critic may know all events, and teaches all the more.
        {"accuracy_real": 1.0, "accuracy_generated": 1.0, "value": -1e-4, "loss_d": -20.0},
        # Sharp discriminators of sharp densities, from the start or slowly.
        {"lipschitz": 150.0},
        {"gradient_norm_g": [1.0, 2.0, 5.0, 10.0]},
        # One bad report between good ones.
        {"score": [0.1, 0.1, 0.1, 0.3, 0.1, 0.1]},
        # Noise on a way that leads down.
        {"score": [0.5, 0.38, 0.42, 0.3, 0.34, 0.2]},
        {"score": [0.02, 0.03, 0.035, 0.03, 0.02]},
        # The averaged generator is good while the latest one still swings.
        {"score": 0.03, "diversity": [1.4, 0.7, 1.4, 0.9, 1.3, 0.9]},
    ],
)
def test_health_is_no_failure(histories):
    assert warn(reports(**histories)) == []


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_any_scalar_may_be_missing(check):
    lines = reports(score=[0.1, 0.5, 0.9])
    for name in ("score", *GOOD):
        assert check([{k: v for k, v in line.items() if k != name} for line in lines]) in (
            None,
            check(lines),
        )
        later = [{k: v for k, v in line.items() if k != name} for line in lines[:-1]]
        check([*later, lines[-1]])
    assert check([{"events": 1000}, {"events": 2000}]) is None


def test_every_game_of_a_method_is_watched():
    game = {"accuracy_real": 1.0, "accuracy_generated": 1.0, "value": -1e-3, "loss_d": 1e-3}
    other = {f"{name}_source": value for name, value in game.items()}
    assert names(reports(**other)) == ["discriminator saturated"]


def test_what_is_no_game_gets_other_advice():
    lines = [{"events": 1000 * i, "score": 0.4, "diversity": 0.3} for i in (1, 2)]
    (text,) = warn(lines)
    assert "method." not in text
    assert "--set training.lr_g=1e-4" in text


def test_the_gradient_that_vanishes_is_that_of_minimax():
    sure = {"accuracy_real": 1.0, "accuracy_generated": 1.0, "value": -1e-3, "loss_d": 1e-3}
    (vanished,) = warn(reports(**sure, gradient_norm_g=1e-3))
    (strong,) = warn(reports(**sure, gradient_norm_g=9.0))
    assert "the norm 0.001" in vanished
    assert "--set method.loss=non-saturating" in vanished
    assert "method.loss" not in strong


def test_patience_is_a_few_reports():
    (text,) = warn(reports(n=5, score=[0.1, 0.2, 0.3]))
    assert "--set training.patience=3000" in text


RING = simulate_toy("toy-ring", 4000, seed=1)
GEANT4 = pg.read(demo_sample())
TINY = ("training.batch_size=64", "training.events=12_000", "training.report_every=2_000")
SMALL = (*SMALL_SHOWERS, "training.events=6400", "training.report_every=800")


def said(out, recipe, *overrides, events=RING):
    """Train, and return the names of all warnings, in their order."""
    cut = 3 * len(events) // 4
    model = train(pg.load_recipe(recipe, overrides), events[:cut], events[cut:], out, physics_score)
    found = lines(model.parent)
    assert [line["warnings"] for line in found] == [warn(found[: i + 1]) for i in range(len(found))]
    return [text.partition(":")[0] for line in found for text in line["warnings"]]


def test_good_trainings_give_no_warning(tmp_path):
    penalty = ("method.penalties.r1.weight=1", "method.penalties.r1.every=1")
    assert said(tmp_path / "ring", "toy-ring", *TINY, *penalty) == []
    assert said(tmp_path / "showers", "showers", *SMALL, events=GEANT4[:800]) == []


def test_a_real_saturated_discriminator(tmp_path):
    strong = ("training.lr_d=5e-3", "training.lr_g=1e-4", "method.discriminator_steps=5")
    found = said(tmp_path, "toy-ring", *TINY, "method.loss=minimax", *strong)
    # The generator never opens, since nothing reaches it.
    assert set(found) == {"discriminator saturated", "mode collapse"}


def test_a_real_explosion(tmp_path):
    fast = ("training.lr_d=1e-1", "method.loss=least-squares")
    assert said(tmp_path, "toy-ring", *TINY, *fast)[0] == "explosion"


def test_a_real_lost_discriminator(tmp_path):
    slow = ("training.lr_d=1e-8", "training.lr_g=1e-5")
    assert "discriminator has lost" in said(tmp_path, "toy-ring", *TINY, *slow)
