"""Names and texts out of files, in a page that a browser opens."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from phys_gan.detectors import Detector
from phys_gan.events import Events
from phys_gan.report import save_page
from phys_gan.validation.comparison import Options, compare_all

HOSTILE = '<script>alert("x")</script>\'><img src=x onerror=y> $\\frac$ ../../x'
LAYER = (
    '[[layers]]\nname = {name}\nkind = "polar"\n'
    "z = [{z}.0, {z}.5]\nr = [0.0, 1.0, 3.0]\nn_alpha = 3\n"
)


def events(seed: int) -> Events:
    quoted = json.dumps(HOSTILE)
    detector = Detector.from_toml(
        f"name = {quoted}\ndescription = {quoted}\nreference = {quoted}\n"
        + "".join(LAYER.format(name=quoted, z=z) for z in (0, 1))
    )
    rng = np.random.default_rng(seed)
    energy = rng.uniform(1e3, 2e3, 100)
    cells = (rng.random((100, detector.n_cells)) * energy[:, None] / 12).astype(np.float32)
    texts = {HOSTILE: HOSTILE, "a book": 3_000_000 * "a"}
    return Events(cells, {"energy": energy, HOSTILE: rng.random(100)}, detector, None, texts)


class Elements(HTMLParser):
    """Collect what a browser would make of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("hostile") / "a" / "b" / "report"
    options = Options(observables=["E_{k}/E_tot", "E_tot/E_inc"], multivariate=False)
    save_page(compare_all(events(0), {HOSTILE: events(1)}, options=options), place, figures=True)
    return place


def test_nothing_of_a_name_is_markup(folder: Path) -> None:
    page = (folder / "index.html").read_text("utf-8")
    seen = Elements()
    seen.feed(page)
    assert seen.tags.count("script") == 1
    assert not [name for name in seen.attributes if name.startswith("on")]
    assert "&lt;script&gt;alert(&#34;x&#34;)&lt;/script&gt;" in page


def test_nothing_of_a_name_is_a_path(folder: Path) -> None:
    above = folder.parents[2]
    files = [path for path in above.rglob("*") if path.is_file()]
    assert all(path.is_relative_to(folder) for path in files)
    assert len(files) > 10


def test_a_book_is_cut(folder: Path) -> None:
    page = (folder / "index.html").read_text("utf-8")
    assert 3_900 * "a" in page
    assert 4_100 * "a" not in page
