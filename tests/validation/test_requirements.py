from __future__ import annotations

from typing import Any

import pytest

from phys_gan.errors import ConfigError, MissingError
from phys_gan.validation.requirements import evaluate, parse


def entry(value: float | None, within: bool = True) -> dict[str, Any]:
    return {"value": value, "within_floor": within}


METRICS: dict[str, Any] = {
    "verdict": {"passed": False, "p_value": 0.004},
    "observables": {
        "E_tot/E_inc": {"ks": entry(0.2, within=False), "js": entry(0.01)},
        "depth": {"ks": entry(0.1), "js": entry(None)},
        "EC_x_2": {"undefined": entry(0.5, within=False)},
    },
    "multivariate": {"fpd": entry(0.003)},
    "findings": [{"name": "dead cells", "text": "1 cell never fires."}],
    "provenance": {"p_value": 0.2},
    "slices": [
        {"observables": {"E_tot/E_inc": {"ks": entry(0.3, within=False)}}},
        {"observables": {"E_tot/E_inc": {"ks": entry(0.25)}}},
    ],
}


@pytest.mark.parametrize(
    ("text", "value", "met"),
    [
        ("ks.max<0.3", 0.2, True),
        ("ks.max < 0.2", 0.2, False),
        ("ks.max<=0.2", 0.2, True),
        ("ks.mean<=1.51e-1", 0.15, True),
        ("ks.min>.05", 0.1, True),
        ('ks["E_tot/E_inc"]<0.05', 0.2, False),
        ("ks['depth']<0.15", 0.1, True),
        (" ks[E_tot/E_inc] >= 0.2 ", 0.2, True),
        ("outside_floor<=0", 2, False),
        ("outside_floor<3", 2, True),
        ("undefined.max<1", 0.5, True),
        ("fpd<0.01", 0.003, True),
        ("findings<=0", 1, False),
        ("p_value>0.01", 0.2, True),
        (" verdict ", 0, False),
        ("verdict.p_value>=0.004", 0.004, True),
        ("verdict.p_value > 1e-2", 0.004, False),
        ("slices.ks.max<0.31", 0.3, True),
        ("slices.ks.mean<0.27", 0.275, False),
        ("slices.ks[E_tot/E_inc]<0.2", 0.3, False),
        ("slices.outside_floor<=0", 1, False),
    ],
)
def test_requirements_are_evaluated(text: str, value: float, met: bool) -> None:
    check = evaluate(text, METRICS)
    assert check.value == pytest.approx(value)
    assert check.met is met
    assert check.requirement.text == text.strip()


@pytest.mark.parametrize("text", ["js.max<1", "js[depth]<1", "ks[EC_x_2]<1", "slices.ks[depth]<1"])
def test_what_is_not_defined_is_never_met(text: str) -> None:
    assert not evaluate(text, METRICS).met


@pytest.mark.parametrize(
    "text",
    ["slices.ks.max<9", "slices.ks.min<9", "slices.ks[E_tot/E_inc]<9", "slices.outside_floor<9"],
)
def test_what_is_asked_of_all_slices_needs_all_of_them(text: str) -> None:
    assert evaluate(text, METRICS).met
    for slices in ([], [*METRICS["slices"], {"observables": {}}]):
        check = evaluate(text, METRICS | {"slices": slices})
        assert not check.met
        assert check.value != check.value
    # What is wrong with the words is said all the same.
    with pytest.raises(MissingError, match="does not exist"):
        evaluate("slices.ks[dept]<9", METRICS | {"slices": []})


@pytest.mark.parametrize(
    "text",
    ["", "ks", "ks.max", "ks.max=0.1", "ks.max<", "ks.max<x", "ks.median<1", "ks[depth<1", "a b<1"],
)
def test_what_cannot_be_read_is_said_with_an_example(text: str) -> None:
    with pytest.raises(ConfigError, match=r"requirement.*ks\.max<0\.1"):
        parse(text)


@pytest.mark.parametrize("text", ["kss.max<1", "ks[dept]<1", "ks<1", "slices.fpd<1"])
def test_unknown_names_are_answered_with_the_known_ones(text: str) -> None:
    with pytest.raises(MissingError, match=r"does not exist; available: .*(ks|depth|fpd)"):
        evaluate(text, METRICS)
