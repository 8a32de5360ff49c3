"""The rooms of docs/architecture.md: imports go only down, and importing is cheap."""

import ast
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
    "_version": set(),
    "errors": set(),
    "files": {"errors"},
    "work": set(),
    "randomness": set(),
    "units": {"errors"},
    "detectors": {"errors", "files"},
    "events": {"errors", "randomness", "detectors"},
    "references": {"errors"},
    "toys": {"_version", "errors", "randomness", "detectors", "events"},
    "data": BASE,
    "simulation": BASE,
    "encodings": BASE,
    "networks": BASE,
    "losses": BASE,
    "observables": BASE,
    "metrics": BASE | {"observables"},
    "validation": BASE | {"observables", "metrics"},
    "report": BASE | {"observables", "metrics", "validation"},
    "model": BASE | {"encodings", "networks"},
    "training": BASE | {"encodings", "networks", "losses", "model"},
    "generation": BASE | {"simulation", "encodings", "networks", "model"},
}
MAY["workflows"] = set(MAY)
MAY["cli"] = set(MAY)
DOORS = (ROOT / "__init__.py", ROOT / "__main__.py")
MODULES = sorted(path for path in ROOT.rglob("*.py") if path not in DOORS)
# The verbs that import the report above them, when they are called.
CALLS_UP = {
    ("validation.comparison", "report"),
    ("validation.exploration", "report.exploration"),
}


def room(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def test_every_room_is_known():
    assert {room(path) for path in MODULES} == set(MAY)


def test_imports_go_down_only():
    up = {
        str(path.relative_to(ROOT)): PICTURE["imported_rooms"](path)
        - MAY[room(path)]
        - {room(path)}
        for path in MODULES
    }
    assert {path: rooms for path, rooms in up.items() if rooms} == {}


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imported_modules(path: Path, names: set[str]) -> set[str]:
    """Return the modules that one imports: at once, when a function is called, or for types."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("phys_gan."):
            module = node.module.removeprefix("phys_gan.")
            for alias in node.names:
                inner = f"{module}.{alias.name}"
                found.add(inner if inner in names else module)
    return found - {name_of(path)}


def test_no_modules_import_each_other():
    names = {name_of(path) for path in MODULES}
    imports = {name_of(path): imported_modules(path, names) for path in MODULES}
    for module, above in CALLS_UP:
        imports[module].remove(above)
    # Take away what imports nothing that is left, again and again: circles remain.
    while leaves := {module for module, to in imports.items() if not to & set(imports)}:
        for module in leaves:
            del imports[module]
    assert imports == {}


def test_a_module_holds_one_idea():
    assert len(MODULES) <= 224
    lines = {name_of(path): len(path.read_text("utf-8").splitlines()) for path in MODULES}
    inside = {path for path in MODULES if path.name not in ("__init__.py", "_version.py")}
    small = {name_of(path) for path in inside if lines[name_of(path)] < 60}
    assert small == set()
    assert {name for name, count in lines.items() if count > 800} == set()


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
        "import phys_gan.data, phys_gan.validation, phys_gan.simulation, sys; print(*sys.modules)"
    ).split()
    assert "torch" not in loaded


def test_public_names_exist():
    for name in phys_gan.__all__:
        assert getattr(phys_gan, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = phys_gan.nonsense
