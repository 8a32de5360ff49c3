"""`phys-gan cite`: BibTeX on stdout and nothing else, or one sentence on stderr."""

import sys

import pytest

from phys_gan import cli
from phys_gan.training import recipe_names
from phys_gan.workflows.citing import cite


@pytest.fixture
def run(monkeypatch, capsys):
    """Return a function that runs the command and gives its exit code, output and errors."""

    def command(*arguments):
        monkeypatch.setattr(sys, "argv", ["phys-gan", "cite", *map(str, arguments)])
        code = 0
        try:
            cli.main()
        except SystemExit as stop:
            code = stop.code or 0
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return command


@pytest.mark.parametrize("name", recipe_names())
def test_a_recipe(run, name):
    code, out, err = run(name)
    assert (code, err) == (0, "")
    assert out == cite(name) + "\n"
    assert out.startswith("@software{physgan,")


def test_a_name_that_is_neither_lists_the_recipes(run, tmp_path):
    for what in ("nothing", tmp_path / "nothing.toml"):
        code, out, err = run(what)
        assert (code, out) == (2, "")
        assert err.startswith("phys-gan: ")
        assert len(err.strip().splitlines()) == 1
        assert all(name in err for name in recipe_names())


def test_help(run):
    code, out, _ = run("--help")
    assert code == 0
    assert "BibTeX" in out
    assert run()[0] == 2
