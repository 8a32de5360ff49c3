"""The pages of docs/: what must be in them, and where links lead."""

import pydoc
import re
from pathlib import Path

import pytest

import phys_gan as pg

ROOT = Path(__file__).parent.parent
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])


def test_the_reference_names_all_of_the_top_level():
    page = (ROOT / "docs" / "api" / "top.md").read_text("utf-8")
    named = set(re.findall(r"^\| `(\w+)` ", page, re.MULTILINE))
    assert named == set(pg.__all__) - {"__version__"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text("utf-8"))
    missing = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert not missing


def test_every_page_is_in_the_contents():
    contents = "".join(
        (ROOT / "docs" / page).read_text("utf-8") for page in ("index.md", "api/index.md")
    )
    names = {page.stem for page in (ROOT / "docs").rglob("*.md")} - {"index"}
    assert not [name for name in names if name not in contents]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_that_pages_name_exist(page):
    named = re.findall(
        r"`((?:phys_gan|tests|benchmarks|docs|datasets)/[a-z0-9_/.-]*)`", page.read_text("utf-8")
    )
    assert not [name for name in named if not (ROOT / name).exists()]


def test_modules_that_pages_name_exist():
    missing = []
    for page in PAGES:
        for name in re.findall(
            r"`(?:python -m )?((?:phys_gan|benchmarks)(?:\.\w+)+)", page.read_text("utf-8")
        ):
            found = pydoc.locate(name)
            if found is None:
                missing.append((page.name, name))
    assert not missing
