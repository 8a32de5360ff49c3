"""The rooms of docs/architecture.md: imports go only down, and importing is cheap."""

import runpy
import subprocess
import sys
from pathlib import Path

import pytest

import phys_gan

ROOT = Path(phys_gan.__file__).parent
PICTURE = runpy.run_path(
    str(Path(__file__).parent.parent / "docs" / "make_architecture.py"), run_name="picture"
)
BASE = set(PICTURE["BASE"])
# What each room may import beside itself.
MAY = {
    "errors": set(),
    "files": {"errors"},
    "toml": set(),
    "randomness": set(),
    "units": {"errors"},
    "particles": {"errors"},
    "detectors": {"errors", "files", "toml"},
    "events": {"errors", "randomness", "detectors"},
    "references": {"errors"},
    "toys": {"errors", "randomness", "detectors", "events"},
    "data": BASE,
    "simulators": BASE,
    "encodings": BASE,
    "networks": BASE,
    "objectives": BASE,
    "validation": BASE,
    "report": BASE | {"validation"},
    "model": BASE | {"encodings", "networks"},
    "training": BASE | {"encodings", "networks", "objectives", "model"},
    "generation": BASE | {"encodings", "networks", "model"},
    "workflows": BASE | {"data", "simulators", "training", "generation", "validation"},
}
EVERYTHING = set(MAY)
MAY |= {"benchmark": EVERYTHING, "cli": EVERYTHING | {"benchmark"}}
DOORS = (ROOT / "__init__.py", ROOT / "__main__.py")
MODULES = sorted(path for path in ROOT.rglob("*.py") if path not in DOORS)


def room(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def test_every_room_is_known():
    assert {room(path) for path in MODULES} == set(MAY)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_down_only(path):
    assert PICTURE["imported_rooms"](path) <= MAY[room(path)] | {room(path)}


def test_the_picture_shows_what_is_imported():
    assert set(PICTURE["ROOMS"]) == set(MAY) - BASE
    assert PICTURE["PICTURE"].read_text("utf-8") == PICTURE["drawing"](), "make it again"


def run(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout


@pytest.mark.parametrize("room", sorted(MAY))
def test_each_room_imports_alone(room):
    run(f"import phys_gan.{room}")


def test_importing_the_package_loads_nothing_heavy():
    loaded = run("import phys_gan, sys; print(*sys.modules)").split()
    assert not {"torch", "matplotlib", "scipy", "pydantic", "uproot"} & set(loaded)


def test_reading_and_validating_need_no_torch():
    loaded = run(
        "import phys_gan.data, phys_gan.validation, phys_gan.simulators, sys; print(*sys.modules)"
    ).split()
    assert "torch" not in loaded


def test_public_names_exist():
    for name in phys_gan.__all__:
        assert getattr(phys_gan, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = phys_gan.nonsense
