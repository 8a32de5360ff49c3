from __future__ import annotations

import dataclasses
from functools import cache

import numpy as np
import pytest

from phys_gan.detectors import load_detector
from phys_gan.events import Events
from phys_gan.metrics.result import Result
from phys_gan.report import tables
from phys_gan.report.numbers import Status, make_card, observable_status, result_status, severity
from phys_gan.report.sections import file_names
from phys_gan.report.tables import joint_table
from phys_gan.validation.comparison import Comparisons, Options, compare_all
from phys_gan.validation.requirements import Check, evaluate

GOOD = Result(0.1, 0.01, 0.1, 0.02, 0.2, 50, 50, True, 0.5, 40.0)
BAD = dataclasses.replace(GOOD, value=0.4, within_floor=False, p_value=1e-9, n_equivalent=3.0)


def check(text: str, **results: Result) -> Check:
    found = {name: {"ks": result.as_dict()} for name, result in results.items()}
    return evaluate(text, {"observables": found, "multivariate": {"fpd": BAD.as_dict()}})


def statuses(text: str) -> list[Status]:
    results = {"depth": GOOD, "sparsity": BAD}
    checks = [check(text, **results)]
    return [observable_status(name, {"ks": result}, checks) for name, result in results.items()]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ks.max<1", [Status.GREEN, Status.AMBER]),
        ("ks.max<0.3", [Status.GREEN, Status.RED]),
        ("ks.max<0.05", [Status.RED, Status.RED]),
        ("ks.min>0.2", [Status.RED, Status.AMBER]),
        ("ks[depth]<0.05", [Status.RED, Status.AMBER]),
        ("ks.mean<0.01", [Status.GREEN, Status.AMBER]),
        ("outside_floor<=0", [Status.GREEN, Status.AMBER]),
        ("fpd<0.1", [Status.GREEN, Status.AMBER]),
        ("slices.ks.max<0.05", [Status.GREEN, Status.AMBER]),
        ("slices.ks[depth]<0.05", [Status.RED, Status.AMBER]),
    ],
)
def test_a_requirement_blames_the_observables_that_break_it(
    text: str, expected: list[Status]
) -> None:
    assert statuses(text) == expected


def test_a_joint_metric_fails_its_own_requirement_only() -> None:
    checks = [check("fpd<0.1")]
    assert result_status("fpd", BAD, checks) is Status.RED
    assert result_status("kpd", BAD, checks) is Status.AMBER
    assert result_status("kpd", GOOD, checks) is Status.GREEN


def test_lights_differ_by_more_than_colour() -> None:
    assert len({status.symbol for status in Status}) == len({status.word for status in Status}) == 3


def test_rounding_at_a_limit_of_zero_is_not_severe() -> None:
    rounded = dataclasses.replace(GOOD, value=1e-15, limit=0.0)
    assert severity({"ks": rounded}) == 0
    assert severity({"ks": rounded, "js": BAD}) == pytest.approx(2)
    assert dataclasses.replace(rounded, within_floor=False).severity == np.inf


@cache
def comparisons() -> Comparisons:
    detector = load_detector("calogan")
    generator = np.random.default_rng(0)

    def events(scale: float) -> Events:
        cells = generator.exponential(size=(200, 504))
        energy = cells.sum(axis=1)
        return Events(scale * cells, {"energy": energy}, detector, None, {"seed": str(scale)})

    options = Options(observables=["E_tot/E_inc", "E_1"], multivariate=False)
    return compare_all(events(1.0), {"same": events(1.0), "twice": events(2.0)}, options=options)


def test_the_worst_observable_and_every_candidate_are_shown() -> None:
    table = tables.overview_table(comparisons(), {})
    assert [head for head, _ in table.heads] == ["observable", "same", "twice"]
    assert sorted(name for name, _ in table.rows) == ["E_1", "E_tot/E_inc"]
    for _, (same, twice) in table.rows:
        assert same.status is Status.GREEN
        assert twice.status is Status.AMBER
        assert float(twice.sort) > float(same.sort)


def test_failed_requirements_come_first_in_the_table() -> None:
    comparison = comparisons()["same"]
    best = comparison.ranking[-1]
    checks = [evaluate(f"ks[{best}]<0", comparison.metrics)]
    table = tables.observables_table(comparison, checks)
    assert table.rows[0][0] == best
    assert table.rows[0][1][-1].status is Status.RED
    equivalent = table.rows[0][1][-2]
    assert float(equivalent.sort) == comparison.results[best]["ks"].n_equivalent


def test_requirements_are_listed_for_all_candidates() -> None:
    texts = ("ks.max<0.5", "ks.max<2")
    checks = {n: [evaluate(t, c.metrics) for t in texts] for n, c in comparisons().items()}
    table = tables.requirements_table(checks)
    assert table is not None
    words = [[cell.text for cell in cells] for _, cells in table.rows]
    assert words == [["met", "NOT met"], ["met", "met"]]
    assert tables.requirements_table({"same": []}) is None


def test_joint_metrics_need_not_exist_for_all() -> None:
    first, second = comparisons().values()
    some = Comparisons(
        {
            "a": dataclasses.replace(first, multivariate={"fpd": GOOD, "own": BAD}),
            "b": dataclasses.replace(second, multivariate={"fpd": BAD}),
        }
    )
    table = joint_table(some, {"a": [], "b": []})
    assert table is not None
    assert [name for name, _ in table.rows] == ["FPD", "own"]
    assert [cell.text for cell in table.rows[1][1]] == ["0.400 ± 0.010", "not computed"]
    none = Comparisons({"a": dataclasses.replace(first, multivariate={})})
    assert joint_table(none, {"a": []}) is None


def test_samples_and_their_making_are_listed() -> None:
    assert [n for n, _ in tables.samples_table(comparisons()).rows] == [
        "reference",
        "same",
        "twice",
    ]
    (row,) = tables.provenance_table(comparisons()).rows
    assert row[0] == "seed"
    assert [cell.text for cell in row[1]] == ["1.0", "1.0", "2.0"]
    response = tables.response_table(comparisons())
    assert response is not None
    assert len(response.rows) == 3


def test_the_card_says_the_worst() -> None:
    comparison = comparisons()["twice"]
    card = make_card("twice", comparison, [])
    assert card.status is Status.AMBER
    assert card.verdict.startswith("The samples differ (p < 0.0001), worst in mean response (")
    assert "0 of 2 observables are within the floor." in card.lines
    assert any("p < 0.0001" in line for line in card.lines)
    failed = [evaluate("ks.max<0", comparison.metrics)]
    assert make_card("twice", comparison, failed).status is Status.RED


def test_names_of_files_are_safe_and_different() -> None:
    names = ["a/b", "A/B", "a-over-b-2", "..", "ε", "x" * 300, "con:<>|?*"]
    stems = file_names(names)
    assert len({stem.casefold() for stem in stems}) == len(names)
    assert all(0 < len(stem) < 100 for stem in stems)
    assert stems[-1] == "con"
