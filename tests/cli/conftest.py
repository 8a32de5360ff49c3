"""The command line in this process."""

import sys

import pytest

from phys_gan import cli


@pytest.fixture
def run(monkeypatch, capsys):
    """Return a function that runs a command and gives its exit code, output and errors."""

    def command(*arguments):
        monkeypatch.setattr(sys, "argv", ["phys-gan", *map(str, arguments)])
        code = 0
        try:
            cli.main()
        except SystemExit as stop:
            code = stop.code or 0
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return command
