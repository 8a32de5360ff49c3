from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from phys_gan.detectors import Detector, load_detector
from phys_gan.events import Events
from phys_gan.report import render, save_page, sections
from phys_gan.report.numbers import make_card
from phys_gan.report.sections import Plot, Rendered
from phys_gan.validation.comparison import Comparison, Comparisons, Options, compare_all
from phys_gan.validation.requirements import evaluate

DETECTORS = ["calogan", "calochallenge-1-photons", "calochallenge-2"]
DRAWN = ["calogan", "several"]
FEW = ["E_tot/E_inc", "E_{k}/E_tot", "cell_energy"]
NAUGHTY = "<script>alert('x')</script> & \"quotes\" $x"


@cache
def detector_of(name: str) -> Detector:
    return load_detector(name)


def toy(name: str, seed: int, source: str = "a toy") -> Events:
    """Draw showers with an exponential radius and a hump in depth."""
    detector = detector_of(name)
    generator = np.random.default_rng(seed)
    n = 60
    energy = np.exp(generator.uniform(np.log(1e3), np.log(1e5), n))
    radius = np.hypot(*detector.positions.T)
    depth = detector.depths[detector.layer_of_cell] / detector.depths.max()
    mean = np.exp(-radius / 20) * depth * np.exp(-3 * depth)
    cells = mean * generator.exponential(size=(n, detector.n_cells))
    cells *= generator.random(cells.shape) < 0.3
    cells *= (energy * generator.normal(1, 0.03, n) / cells.sum(axis=1))[:, None]
    return Events(cells, {"energy": energy}, detector, None, {"source": source})


def compare(
    first: Events, second: Events, observables: list[str], *, whole: bool = False
) -> Comparison:
    options = Options(observables=observables, multivariate=whole)
    return compare_all(first, {"candidate": second}, options=options)["candidate"]


@cache
def comparison(name: str) -> Comparison:
    return compare(toy(name, 1), toy(name, 2, NAUGHTY), FEW, whole=name == "calogan")


@cache
def several() -> Comparisons:
    candidates = {"first": toy("calogan", 2), NAUGHTY: toy("calogan", 3)}
    options = Options(observables=["depth", "E_tot/E_inc"], multivariate=False)
    return compare_all(toy("calogan", 1), candidates, options=options)


@cache
def page(name: str) -> str:
    return render(comparison(name))


@cache
def page_of_several() -> str:
    return render(several())


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the figures out: drawing takes nearly all of the time."""

    def draw(plot: Plot, stem: str, *, files: bool) -> Rendered:
        return Rendered(plot, "data:image/none", 1, 1, stem, {"pdf": b""} if files else {})

    monkeypatch.setattr(sections, "render_plot", draw)
    monkeypatch.setattr(sections, "_cores", lambda: 1)


class Reader(HTMLParser):
    """Collect the addresses of a page, and check that elements are closed in order."""

    VOID = frozenset({"meta", "img", "br"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.images: list[str] = []
        self.links: list[str] = []
        self.names: set[str] = set()
        self.row_heads: list[str] = []
        self.inside_row_head = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag not in self.VOID:
            self.open.append(tag)
        assert not (tag == "script" and found)
        if "src" in found:
            self.images.append(found["src"] or "")
        if "href" in found:
            self.links.append(found["href"] or "")
        if "id" in found:
            self.names.add(found["id"] or "")
        if found.get("scope") == "row":
            self.inside_row_head = True
            self.row_heads.append("")

    def handle_data(self, data: str) -> None:
        if self.inside_row_head:
            self.row_heads[-1] += data

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        self.inside_row_head = False


def read(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    return reader


@pytest.mark.parametrize("name", DRAWN)
def test_the_page_is_whole_and_needs_no_network(name: str) -> None:
    text = page_of_several() if name == "several" else page(name)
    reader = read(text)
    assert reader.open == []
    assert reader.images
    assert all(source.startswith("data:image/") for source in reader.images)
    assert all(link.startswith("#") for link in reader.links)
    assert {link[1:] for link in reader.links} <= reader.names
    assert "url(http" not in text
    assert "@import" not in text
    assert len(text) < 6e6


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("name", DETECTORS)
def test_every_observable_has_a_row(name: str) -> None:
    assert set(comparison(name).results) <= set(read(render(comparison(name))).row_heads)


def test_texts_of_users_are_escaped() -> None:
    for text in (page("calogan"), page_of_several()):
        assert "<script>alert" not in text
        assert "&lt;script&gt;alert" in text


def test_several_candidates_stand_side_by_side() -> None:
    text = page_of_several()
    assert text.count('<section class="card') == 2
    assert text.count("<details>") == 2
    # The overview and the table of each candidate.
    assert read(text).row_heads.count("depth") == 3


@pytest.mark.usefixtures("undrawn")
def test_the_verdict_is_in_words() -> None:
    events = toy("calogan", 1)
    same = compare(events, events[::-1], ["depth", "sparsity"])
    assert "All 2 observables are within the floor." in render(same)
    twice = Events(events.cells * 2, dict(events.conditions), events.detector)
    text = render(compare(events, twice, ["depth", "E_tot/E_inc"]))
    assert "1 of 2 observables are within the floor." in text
    table = text[text.index('id="summary"') : text.index('id="observables"')]
    rows = {row[0]: row[1] for row in re.findall(r'scope="row">(.*?)</th>(.*?)</tr>', table, re.S)}
    assert "▲</span> outside floor" in rows["E_tot/E_inc"]
    assert "●</span> within floor" in rows["depth"]


@pytest.mark.usefixtures("undrawn")
def test_a_requirement_that_fails_turns_the_light_red() -> None:
    result = comparison("calogan")
    checks = [evaluate(t, result.metrics) for t in ("ks[E_tot/E_inc]<0", "ks.max<=1")]
    text = render(result, checks)
    assert "1 of 2 requirements are met." in text
    assert "NOT met" in text
    row = re.search(r'scope="row">E_tot/E_inc</th>(.*?)</tr>', text, re.S)
    assert row is not None
    assert "■</span> requirement failed" in row[1]
    assert "NOT met" not in render(result)


@pytest.mark.usefixtures("undrawn")
def test_one_screen_comes_before_all_that_is_folded() -> None:
    result = comparison("calogan")
    text = render(result)
    first = text[: text.index('<details class="part">')]
    assert result.verdict.text.split("(")[0] in first
    worst = [name for name in result.ranking if name != "E_inc"][:3]
    assert re.findall(r"<figcaption><b>(.*?)</b>", first) == worst
    low, _, high = result.candidate.conditions["energy"]
    for words in ("Told apart by", "Speed", "Validity", f"{low / 1e3:.3g} to {high / 1e3:.3g} GeV"):
        assert words in first
    # Whatever the table of contents names lies inside a part that it opens.
    rest = text[text.index("<nav") :]
    contents = re.findall(r'<a href="#(.*?)"', rest[: rest.index("</nav>")])
    assert re.findall(r'</summary>\n<div id="(.*?)">', rest) == contents
    assert "<h2" not in re.sub(r"<summary>.*?</summary>", "", rest)


def test_facts_are_what_is_recorded() -> None:
    events = toy("calogan", 1)
    full = replace(events, provenance={"seconds_per_event": "2.5", "simulator": "Geant4"})
    known = {"seconds_per_event": "0.00125", "valid_energy": "1:2e5"}
    fast = replace(toy("calogan", 2), provenance=known)
    facts = dict(make_card("GAN", compare(full, fast, ["depth"]), ()).facts)
    assert facts["Speed"] == [
        ("2,000 times as fast", "as recorded"),
        ("2.5 s per event", "reference, Geant4"),
        ("1.2 ms per event", "candidate"),
    ]
    ((text, small),) = facts["Validity"]
    assert text.endswith(" GeV")
    assert small.endswith("within what the model is made for (0.001 to 200 GeV)")
    assert facts["Told apart by"][0][0] == "Not asked"
    narrow = replace(fast, provenance={"valid_energy": "2000:2e5", "seconds_per_event": "soon"})
    facts = dict(make_card("GAN", compare(events, narrow, ["depth"]), ()).facts)
    assert "OUTSIDE what the model is made for (2 to 200 GeV)" in facts["Validity"][0][1]
    assert facts["Speed"][0][0] == "Not recorded"


def test_numbers_can_be_sorted_by() -> None:
    result = comparison("calogan")
    row = re.search(r'scope="row">E_tot/E_inc</th>(.*?)</tr>', page("calogan"), re.S)
    assert row is not None
    values = [float(v) for v in re.findall(r'data-sort="(.*?)"', row[1])]
    assert result.results["E_tot/E_inc"]["ks"].value == values[0]
    assert len(values) == 7


def test_equal_input_gives_an_equal_page() -> None:
    same = compare(toy("calogan", 1), toy("calogan", 2), ["depth"])
    assert render(same) == render(compare(toy("calogan", 1), toy("calogan", 2), ["depth"]))


@pytest.mark.usefixtures("undrawn")
def test_many_layers_are_shown_together() -> None:
    text = render(comparison("calochallenge-2"))
    assert "Observables along the layers" in text
    assert text.count("<figure") < 40
    assert "E_k/E_tot" in text


def test_an_empty_candidate_can_be_drawn() -> None:
    events = toy("calogan", 1)
    nothing = Events(np.zeros_like(events.cells), dict(events.conditions), events.detector)
    for pair in ((events, nothing), (nothing, events)):
        assert "0 of 2 observables are within" in render(compare(*pair, ["EC_x_1", "cell_energy"]))


def test_figures_are_saved_beside_the_page(tmp_path: Path) -> None:
    calls: list[tuple[str, int]] = []
    result = compare(toy("calogan", 1), toy("calogan", 2), ["E_tot/E_inc"])
    index = save_page(
        result, tmp_path, figures=True, report=lambda what, done: calls.append((what, done))
    )
    text = index.read_text("utf-8")
    linked = {link for link in read(text).links if not link.startswith("#")}
    found = {f"figures/{path.name}" for path in (tmp_path / "figures").iterdir()}
    assert linked == found
    assert "figures/observables-E_tot-over-E_inc.pdf" in found
    assert len(found) == 2 * text.count("<figure")
    assert [done for _, done in calls] == list(range(1, text.count("<figure") + 1))
    for path in (tmp_path / "figures").iterdir():
        content = path.read_bytes()
        assert content.startswith(b"%PDF" if path.suffix == ".pdf" else b"\x89PNG")
        assert re.fullmatch(r"[A-Za-z0-9_.+-]+", path.name)


@pytest.mark.usefixtures("undrawn")
def test_figures_can_be_left_out(tmp_path: Path) -> None:
    result = compare(toy("calogan", 1), toy("calogan", 2), ["depth"])
    index = save_page(result, tmp_path, figures=False)
    assert [path.name for path in tmp_path.iterdir()] == ["index.html"]
    assert index.read_text("utf-8") == render(result)
