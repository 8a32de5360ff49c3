"""The tutorial: every block of docs/tutorial.md, in order, in an empty folder (slow)."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from helpers import needs_geant4

DOCS = Path(__file__).parent.parent / "docs"
PAGE = DOCS / "tutorial.md"
SHORTER = (
    (r"training\.events=\d+", "training.events=20000"),
    (r"likelihood_events=\d+", "likelihood_events=15000"),
    (r"--wall-time \S+", "--wall-time 0.01s"),
    (r"my_showers\.root 10000", "my_showers.root 2500"),
    (r"-n 20000", "-n 500"),
    (r"-n 2000 (.*) --minutes \S+", r"-n 500 \1 --minutes 0.05"),
    (r"--energy 0\.5GeV:5GeV", "--energy 0.1GeV:0.3GeV"),
    (r"--require 'ks\[E_tot/E_inc\]<0\.15'", "--require 'ks[E_tot/E_inc]<1'"),
    (
        r"--out (report|gate)",
        r"--out \1 --observable E_tot/E_inc --observable cell_energy",
    ),
)
"""What is shorter than on the page; a wall time this short ends after one step."""


def blocks(page):
    """Return language and text of the blocks that are run or written."""
    return re.findall(r"^```(sh|toml)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


def commands(text):
    """Return each command of a block with its exit code: 0 unless the page says another one."""
    if text.startswith("python -c '"):
        return [(text, 0)]
    said = re.compile(r"\s+# exit code (\d+)$")
    return [
        (said.sub("", line), int(found[1]) if (found := said.search(line)) else 0)
        for line in text.splitlines()
    ]


def shorter(command):
    for pattern, value in SHORTER:
        command = re.sub(pattern, value, command)
    return command


def follow(page, folder, change=shorter):
    """Do what the page says and yield command, exit code that it claims, and what happened."""
    scripts = Path(sys.executable).parent
    variables = os.environ | {"PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"}
    for language, text in blocks(page):
        if language == "toml":
            name = re.match(r"# (\S+\.toml)\n", text)
            assert name, f"a block begins with the name of its file:\n{text}"
            (folder / name[1]).write_text(text, "utf-8")
            continue
        for command, code in commands(text):
            done = subprocess.run(
                change(command),
                shell=True,
                cwd=folder,
                env=variables,
                capture_output=True,
                text=True,
            )
            yield command, code, done


@pytest.mark.slow
@needs_geant4
def test_the_page_does_what_it_says(tmp_path):
    shutil.copy(DOCS / "make_own_showers.py", tmp_path)
    codes = []
    for command, code, done in follow(PAGE.read_text("utf-8"), tmp_path):
        assert done.returncode == code, f"{command}\n{done.stdout}\n{done.stderr}"
        codes.append(code)
    assert {0, 1, 85} == set(codes)
    for name in ("report/index.html", "gate/metrics.json", "production.root", "study/index.html"):
        assert (tmp_path / name).is_file()


def test_every_shortening_still_has_something_to_shorten():
    page = PAGE.read_text("utf-8")
    assert not [pattern for pattern, _ in SHORTER if not re.search(pattern, page)]
