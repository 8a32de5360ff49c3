"""The Python blocks of the how-to pages run as they stand, page by page, in order.

Blocks that begin with ```py instead of ```python are shown, not run: they need what is not here.
"""

import re
from pathlib import Path

import pytest

from phys_gan.data import FORMATS
from phys_gan.losses import LOSSES
from phys_gan.networks import ARCHITECTURES
from phys_gan.observables import OBSERVABLES

ROOT = Path(__file__).parent.parent
PAGES = sorted([*(ROOT / "docs" / "howto").glob("*.md"), ROOT / "docs" / "precision.md"])
EXTRA = "pip install 'phys_gan["
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Change to a temporary folder in which ``datasets`` is that of the repository."""
    (tmp_path / "datasets").symlink_to(ROOT / "datasets")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def registries():
    """Take out again what a page registers, for the tests that come after it."""
    registries = (OBSERVABLES, LOSSES, ARCHITECTURES, FORMATS)
    known = [(registry, dict(registry)) for registry in registries]
    yield
    for registry, content in known:
        registry.clear()
        registry.update(content)


def run(page, text):
    """Run the blocks of a page in one namespace; say which one fails, and where it stands."""
    # Not "__main__": what only a script shall do, such as the command line, is left out.
    names = {"__name__": page}
    for number, block in enumerate(BLOCK.finditer(text), 1):
        line = text[: block.start(1)].count("\n") + 1
        # Empty lines in front let errors name the lines of the page.
        code = "\n" * (line - 1) + block[1]
        try:
            exec(compile(code, page, "exec"), names)
        except Exception as error:
            if isinstance(error, ModuleNotFoundError) or EXTRA in str(error):
                pytest.skip(f"{page}, block {number} (line {line}): {error}")
            pytest.fail(f"{page}, block {number} (line {line}): {type(error).__name__}: {error}")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
@pytest.mark.usefixtures("folder", "registries")
def test_the_blocks_run(page):
    run(str(page.relative_to(ROOT)), page.read_text("utf-8"))


@pytest.mark.slow
@pytest.mark.usefixtures("folder")
def test_the_example_of_the_readme_runs(capsys):
    run("README.md", (ROOT / "README.md").read_text("utf-8"))
    assert "within" in capsys.readouterr().out


def test_a_block_that_fails_is_named():
    text = "```python\na = 1\n```\n\n```sh\nfalse\n```\n\n```python\n\nb = a / 0\n```\n"
    with pytest.raises(pytest.fail.Exception, match=r"page, block 2 \(line 10\): ZeroDivision"):
        run("page", text)


def test_a_page_that_needs_an_extra_is_left_out():
    with pytest.raises(pytest.skip.Exception, match=r"block 1 .*nowhere_to_be_found"):
        run("page", "```python\nimport nowhere_to_be_found\n```\n")


def test_what_a_script_does_is_left_out():
    run("page", '```python\nif __name__ == "__main__":\n    raise SystemExit\n```\n')
