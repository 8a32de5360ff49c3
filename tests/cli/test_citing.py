"""`phys-gan cite`: BibTeX on stdout and nothing else, or one sentence on stderr."""

import pytest

from phys_gan.training import recipe_names
from phys_gan.workflows.exploration import cite


@pytest.fixture
def cite_it(run):
    """Return a function that runs the command and gives its exit code, output and errors."""
    return lambda *what: run("cite", *what)


@pytest.mark.parametrize("name", recipe_names())
def test_a_recipe(cite_it, name):
    code, out, err = cite_it(name)
    assert (code, err) == (0, "")
    assert out == cite(name) + "\n"
    assert out.startswith("@software{physgan,")


def test_a_name_that_is_neither_lists_the_recipes(cite_it, tmp_path):
    for what in ("nothing", tmp_path / "nothing.toml"):
        code, out, err = cite_it(what)
        assert (code, out) == (2, "")
        assert err.startswith("phys-gan: ")
        assert len(err.strip().splitlines()) == 1
        assert all(name in err for name in recipe_names())


def test_help(cite_it):
    code, out, _ = cite_it("--help")
    assert code == 0
    assert "BibTeX" in out
    assert cite_it()[0] == 2
