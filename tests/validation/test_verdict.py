"""The verdict joins all families at one rate of false alarms, and names the worst."""

from __future__ import annotations

import json
from functools import cache

import pytest

from phys_gan.detectors import load_detector
from phys_gan.events import Events
from phys_gan.metrics.result import Result
from phys_gan.metrics.uncertainty import ALPHA
from phys_gan.simulation import simulate
from phys_gan.validation import Comparison, Options, compare
from phys_gan.validation.distributions import Distributions
from phys_gan.validation.evidence import Finding
from phys_gan.validation.verdict import FAMILIES, make_verdict

OPTIONS = Options(observables=["E_tot/E_inc", "depth"])


def result(p_value: float | None, **fields: float) -> Result:
    numbers = {"value": 0.1, "error": 0.01, "floor": 0.05, "floor_error": 0.01, "limit": 0.09}
    return Result(
        **numbers | fields, n_reference=9, n_candidate=9, within_floor=True, p_value=p_value
    )


def observables(p_value: float) -> Distributions:
    results = {"depth": {"ks": result(p_value)}, "sparsity": {"ks": result(0.7)}}
    return Distributions(None, (9, 9), {}, results, 2.0, 2 * p_value)


def asked(p_value: float, level: float) -> list[Finding]:
    return [
        Finding("dead cells", "1 cell never fires.", p_value, level),
        Finding("layer order", "", 1.0, level),
    ]


@cache
def showers() -> Events:
    return simulate(load_detector("calogan"), 600, seed=4)


@cache
def compared(factor: float = 1.0) -> Comparison:
    events = showers()
    second = events[1::2]
    cells = (second.cells * factor).astype("float32")
    changed = Events(cells, dict(second.conditions), events.detector)
    return compare(events[::2], changed, options=OPTIONS)


def test_each_family_has_its_part_of_one_rate() -> None:
    # Two families, each with half of 1 %; the findings share theirs.
    half = ALPHA / 2
    calm = make_verdict(observables(0.01), [], {}, asked(0.3, half / 2))
    assert (calm.passed, calm.p_value) == (True, pytest.approx(0.04))
    assert calm.text == (
        "The samples agree: nothing is beyond chance in 2 observables and 2 known failures "
        "(p = 0.04)."
    )
    # Not significant alone among all observables, but p of the family is below half of 1 %.
    found = make_verdict(observables(0.002), [], {}, asked(0.3, half / 2))
    assert not found.passed
    assert found.text.startswith("The samples differ (p = 0.008), worst in depth (KS 0.100")
    assert [part.passed for part in found.parts.values()] == [False, True]


def test_a_finding_fails_and_is_named_first() -> None:
    level = ALPHA / 4
    named = make_verdict(observables(0.0), [], {}, asked(level / 10, level))
    assert not named.passed
    assert "worst in dead cells (1 cell never fires)" in named.text
    assert named.text.endswith("1 of 2 known failures.")
    assert named.parts["findings"].p_value == pytest.approx(ALPHA / 2 / 10)


def test_metrics_without_a_p_value_are_normal_around_their_floor() -> None:
    joint = {"fpd": result(None, value=0.05), "kpd": result(0.5)}
    assert make_verdict(observables(0.5), [], joint, []).passed
    # Five standard deviations of both errors.
    joint["fpd"] = result(None, value=0.05 + 5 * 2**0.5 * 0.01)
    verdict = make_verdict(observables(0.5), [], joint, [])
    assert verdict.parts["joint"].p_value == pytest.approx(2 * 2.87e-7, rel=1e-2)
    assert verdict.text.startswith("The samples differ (p < 0.0001), worst in FPD (0.121 ± 0.01")


def test_equal_showers_pass_and_spoiled_ones_do_not() -> None:
    calm = compared()
    assert calm.verdict.passed
    assert tuple(calm.verdict.parts) == FAMILIES
    assert not calm.findings
    assert all(check.met for check in calm.check(["verdict", "verdict.p_value>=0.01"]))
    spoiled = compared(1.05)
    assert not spoiled.verdict.passed
    assert spoiled.findings[0].name == "mean response"
    assert not any(check.met for check in spoiled.check(["verdict", "verdict.p_value>=0.01"]))


def test_the_verdict_comes_first_everywhere() -> None:
    spoiled = compared(1.05)
    assert spoiled.summary().startswith(f"candidate: {spoiled.verdict.text}\n")
    written = json.loads(json.dumps(spoiled.metrics))
    assert next(iter(written)) == "verdict"
    assert written["verdict"]["parts"]["findings"]["worst"].startswith("mean response (")
    assert written["findings"][0]["p_value"] < written["findings"][0]["level"]
