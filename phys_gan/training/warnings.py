""":func:`warn`: known failures of a training, in words, with what to try.

Each check is a function of the reports so far. It looks at the scalars of the method: those of a
game are missing if there is none, and have endings if there are several. Thresholds are generous,
because a healthy game is noisy and must not give warnings.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from statistics import fmean, median
from typing import Any

Lines = Sequence[Mapping[str, Any]]

OPTIMUM = -2 * math.log(2)
"""The value of the game when generated events are distributed as real ones (arXiv:1406.2661)."""

_COLLAPSED, _THIN, _FALLEN, _RECOVERING, _SCATTERED = 0.5, 0.8, 0.75, 1.25, 2.0
"""Diversity is the mean distance of two generated events over that of two real ones, 1 for real
events by definition. Two opposite modes of the ring still have 0.8, so below 0.5 there is no
doubt; below 0.8 a fall by a quarter over three reports is a sign. Generators begin narrow: one that
gains a quarter per report recovers. Twice the distance is reached only outside the real events."""

_SURE, _WON, _NO_MARGIN, _VANISHED = 0.98, -0.05, -0.1, 0.1
"""V = -0.05 is where D is 0.975 for real and 0.025 for generated events, close to the upper bound
0. A loss far below 0 belongs to a Wasserstein critic, whose gradient does not vanish. With the
minimax loss it does, to much less than the usual norms of order 1."""

_CHANCE, _UNDECIDED, _POOR, _STUCK, _PATIENCE = 0.55, 0.02, 0.1, 0.95, 4
"""V within 0.02 of -2 ln 2 means that the discriminator sees at most 0.01 nats of the
Jensen-Shannon divergence (V = 2 JS - 2 ln 2). That is also the optimum of the game; it is a
failure only while the physics metric is poor (a mean KS of 0.1: a tenth of the events would have
to move) and four reports did not improve it by 5 %."""

_WORSE, _WORSE_BY = 1.3, 0.02
"""How far the score may lie above its best: 30 % of it, and 0.02, which is about the KS distance
of two equal samples of 5,000 events, in two reports in a row."""

_WINDOW, _RETURNS, _TURNS = 6, 3, 3
_SWINGS = {"score": 0.05, "diversity": 0.2}
"""Mean change per report over six reports that is not noise, when the path has three turns and is
three times as long as the distance of its ends."""

_EXPLODED = {
    "gradient_norm_d": (100.0, 20.0, "the gradient norm of the discriminator"),
    "gradient_norm_g": (100.0, 20.0, "the gradient norm of the generator"),
    "lipschitz": (100.0, 5.0, "the Lipschitz constant of the discriminator"),
    "r1": (100.0, 5.0, "the penalty R1"),
    "r2": (100.0, 5.0, "the penalty R2"),
    "gradient_penalty": (10.0, 5.0, "the gradient penalty"),
    "dragan": (10.0, 5.0, "the penalty DRAGAN"),
}
"""What a scalar must exceed, and how many times its median so far. Logits and encoded events are of
order 1, so healthy norms are of order 1 to 10; R1 and R2 are half the mean square of such norms,
the others that of their distance from 1. Ten times the first number is always too much."""

_PENALTY = "--set method.penalties.r1.weight=4"


def warn(lines: Lines) -> list[str]:
    """Return the failures that the reports so far show, as sentences.

    Arguments:
        lines: The reports, the last one being the current one, each with ``events``, ``score``
            and the scalars of the method, of which any may be missing.

    Returns:
        For each failure its name, the number that shows it, and what to try.

    Example:
        >>> start = {"events": 1000, "score": 0.5, "diversity": 0.9}
        >>> warn([start, {"events": 2000, "score": 0.5, "diversity": 0.05}])[0][:37]
        'mode collapse: generated events lie 0'
    """
    return [text for check in CHECKS if (text := check(lines)) is not None] if lines else []


def collapse(lines: Lines) -> str | None:
    """Find generated events that are too similar, or become so."""
    values = _series(lines, "diversity")
    if len(values) < 2:
        return None
    now = values[-1]
    narrow = now < _COLLAPSED and now < _RECOVERING * values[-2]
    last = values[-4:]
    sinking = len(last) == 4 and all(b < a for a, b in pairwise(last))
    if not narrow and not (sinking and now < min(_THIN, _FALLEN * last[0])):
        return None
    since = "" if narrow else f", down from {last[0]:.2f} three reports ago"
    remedy = (
        "--set method.techniques.packing.m=2, --set method.techniques.minibatch.kind="
        f"discrimination or {_PENALTY}"
        if any(_games(lines[-1]))
        else "a smaller training.lr_g (such as --set training.lr_g=1e-4) or a larger network.width"
    )
    return (
        f"mode collapse: generated events lie {now:.2f} times as far apart as real ones{since}; "
        f"try {remedy}"
    )


def scattering(lines: Lines) -> str | None:
    """Find generated events that are far from the real ones, on all sides."""
    values = _series(lines, "diversity")
    if len(values) < 2 or values[-1] < _SCATTERED:
        return None
    return (
        f"generator astray: generated events lie {values[-1]:.3g} times as far apart as real ones; "
        "try a smaller training.lr_g (such as --set training.lr_g=1e-4), and in a game a stronger "
        "discriminator with --set method.discriminator_steps=2"
    )


def saturation(lines: Lines) -> str | None:
    """Find a discriminator that is always right, from which the generator learns nothing."""
    now = lines[-1]
    for end, real, generated, value in _games(now):
        if min(real, generated) < _SURE or value < _WON:
            continue
        if now.get(f"loss_d{end}", 0.0) < _NO_MARGIN:
            continue
        norm = now.get(f"gradient_norm_g{end}")
        vanished = norm is not None and norm < _VANISHED
        left = f", and the generator's gradient has the norm {norm:.2g}" if vanished else ""
        first = "--set method.loss=non-saturating, " if vanished else ""
        return (
            f"discriminator saturated: it knows {real:.1%} of the real and {generated:.1%} of the "
            f"generated events, V = {value:.2g} of at most 0{left}; try {first}{_PENALTY}, --set "
            "method.techniques.instance_noise.scale=0.1, or a smaller training.lr_d (such as "
            "--set training.lr_d=1e-5)"
        )
    return None


def surrender(lines: Lines) -> str | None:
    """Find a discriminator that guesses while generated events are still bad."""
    scores = _series(lines, "score")
    if len(scores) <= _PATIENCE or scores[-1] < _POOR:
        return None
    if min(scores[-_PATIENCE:]) < _STUCK * min(scores[:-_PATIENCE]):
        return None
    for _, real, generated, value in _games(lines[-1]):
        if (real + generated) / 2 > _CHANCE or abs(value - OPTIMUM) > _UNDECIDED:
            continue
        return (
            f"discriminator has lost: it only guesses (V = {value:.3f}, undecided is "
            f"{OPTIMUM:.3f}) while the score stays at {scores[-1]:.3g}; try --set "
            "method.discriminator_steps=5, a larger network.d_width, weaker penalties, or another "
            "training.lr_d (such as --set training.lr_d=1e-4): with too large a rate it forgets "
            "what it learned"
        )
    return None


def explosion(lines: Lines) -> str | None:
    """Find gradients, a Lipschitz constant or penalties that are too large."""
    found = []
    for name, (large, factor, what) in _EXPLODED.items():
        *before, now = _series(lines, name) or [0.0]
        usual = median(before) if len(before) > 1 else math.inf
        risen = now > factor * usual
        if now > 10 * large or (now > large and risen):
            found.append(f"{what} is {now:.3g}" + f" (before {usual:.2g})" * risen)
    if not found:
        return None
    return (
        f"explosion: {', '.join(found)}; try smaller rates (such as --set training.lr_d=1e-4 --set "
        f"training.lr_g=1e-4), {_PENALTY} or --set method.techniques.spectral.discriminator=true"
    )


def divergence(lines: Lines) -> str | None:
    """Find generated events that have become much worse than they were."""
    scores = _series(lines, "score")
    if len(scores) < 3:
        return None
    best = min(scores)
    if min(scores[-2:]) < _WORSE * best + _WORSE_BY:
        return None
    at, now = lines[[line.get("score") for line in lines].index(best)]["events"], lines[-1]
    wait = 3 * max(1, (now["events"] - lines[0]["events"]) // (len(lines) - 1))
    return (
        f"past its best: the score is {scores[-1]:.3g}, and was {best:.3g} after {at:,} events, "
        f"whose model is kept; try --set training.patience={wait} to stop early, or smaller rates "
        "(such as --set training.lr_d=1e-4 --set training.lr_g=1e-4)"
    )


def oscillation(lines: Lines) -> str | None:
    """Find a game that goes round in circles, if the averaged generator is bad too."""
    if lines[-1].get("score", math.inf) < _POOR:
        return None
    for name, least in _SWINGS.items():
        values = _series(lines, name)[-_WINDOW:]
        steps = [b - a for a, b in pairwise(values)]
        turns = sum(a * b < 0 for a, b in pairwise(steps))
        if len(values) < _WINDOW or turns < _TURNS:
            continue
        mean = fmean(map(abs, steps))
        if mean >= least and mean * len(steps) >= _RETURNS * abs(values[-1] - values[0]):
            return (
                f"oscillation: the {name} moves by {mean:.2g} from report to report, and "
                f"in all only from {values[0]:.3g} to {values[-1]:.3g}; try --set training.beta1=0"
                + f", {_PENALTY}" * any(_games(lines[-1]))
                + " or smaller rates (such as --set training.lr_d=1e-4 --set training.lr_g=1e-4)"
            )
    return None


CHECKS = (collapse, scattering, saturation, surrender, explosion, divergence, oscillation)
"""All checks; each returns a sentence, or None."""


def _games(line: Mapping[str, Any]) -> Iterator[tuple[str, float, float, float]]:
    """Yield the games of a method: ending of their names, both accuracies, the value."""
    start = "accuracy_real"
    for end in (name.removeprefix(start) for name in line if name.startswith(start)):
        names = [f"{name}{end}" for name in (start, "accuracy_generated", "value")]
        if all(line.get(name) is not None for name in names):
            real, generated, value = (float(line[name]) for name in names)
            yield end, real, generated, value


def _series(lines: Lines, name: str) -> list[float]:
    """Return the history of a scalar, without reports that lack it; empty if it is not current."""
    if lines[-1].get(name) is None:
        return []
    return [float(line[name]) for line in lines if line.get(name) is not None]
