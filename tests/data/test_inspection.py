from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from phys_gan.data import FORMATS, inspect, read, write
from phys_gan.detectors import load_detector
from phys_gan.errors import DataError
from phys_gan.events import Events

SAMPLE = Path(__file__).resolve().parents[2] / "datasets" / "geant4_calogan_eplus.h5"
CALOGAN = load_detector("calogan")


def test_the_sample() -> None:
    found, events = inspect(SAMPLE), read(SAMPLE)
    assert (found.format, found.detector.name, found.n_events) == ("calogan-hdf5", "calogan", 5000)
    assert found.conditions == {"energy": (events.energy.min(), events.energy.max())}
    ratio = events.total_energy() / events.energy
    assert found.response == pytest.approx((ratio.mean(), ratio.std(ddof=1) / np.sqrt(5000)))
    assert found.occupancy == pytest.approx(np.mean(events.cells > 0))
    assert found.warnings == []
    text = str(found)
    for part in (
        "format       calogan-hdf5",
        "detector     calogan (504 cells in 3 layers)",
        "events       5000",
        "energy       1.002 GeV to 99.88 GeV",
        "E_tot/E_inc  0.996295",
        "provenance   simulator: Geant4 11.4.1",
    ):
        assert part in text
    assert text == "\n".join(found.lines())


def test_overflow_and_other_conditions(tmp_path: Path) -> None:
    cells = np.zeros((2, 504))
    cells[:, :2] = [[30, 40], [50, 60]]
    conditions = {"energy": [100, 200], "angle": [0.1, 0.25]}
    write(tmp_path / "a.h5", Events(cells, conditions, CALOGAN, np.full((2, 3), 10.0)))
    found = inspect(tmp_path / "a.h5")
    # 180 MeV in the cells, 60 MeV outside.
    assert found.overflow == (pytest.approx(0.25), pytest.approx(0.3))
    assert found.response == pytest.approx((0.625, 0.075))
    assert found.conditions["angle"] == (0.1, 0.25)
    assert found.warnings == ["25% of the energy misses every cell"]
    assert (
        "overflow     25 % of the energy outside the cells, at most 30 % of one event's"
        in found.lines()
    )
    assert "E_tot/E_inc  0.625 ± 0.075 (mean)" in found.lines()


def warnings_of(tmp_path: Path, cells: np.ndarray, energy: np.ndarray) -> list[str]:
    write(tmp_path / "a.h5", Events(cells, {"energy": energy}, CALOGAN))
    return inspect(tmp_path / "a.h5").warnings


def test_warnings(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    cells, energy = rng.random((10, 504)), np.full(10, 250.0)
    assert warnings_of(tmp_path, cells, energy) == []
    (text,) = warnings_of(tmp_path, cells / 50, energy)
    assert text.startswith("E_tot/E_inc is 0.0201 on average, but detector 'calogan' has about ")
    cells[3] = 0
    assert warnings_of(tmp_path, cells, energy) == ["1 of 10 events have no signal in any cell"]
    # The same sum is not the same event.
    cells[6] = cells[5, ::-1]
    assert warnings_of(tmp_path, cells, energy) == ["1 of 10 events have no signal in any cell"]
    cells[4] = cells[7] = cells[5]
    assert "2 of 10 events are copies of others" in warnings_of(tmp_path, cells, energy)
    energy[7] = 260
    text = "2 of 10 events are copies of others, 1 of them with other conditions"
    assert text in warnings_of(tmp_path, cells, energy)


def test_one_event_has_no_error(tmp_path: Path) -> None:
    write(tmp_path / "a.h5", Events(np.ones((1, 504)), {"energy": [500]}, CALOGAN))
    assert "E_tot/E_inc  1.008 (mean)" in inspect(tmp_path / "a.h5").lines()


def test_images(tmp_path: Path) -> None:
    pixels = np.linspace(-1, 3, 2048).reshape(2, 1024)
    write(tmp_path / "a.h5", Events(pixels, {"mag": [20.0, 21.0]}, load_detector("galaxies-32")))
    found = inspect(tmp_path / "a.h5")
    assert found.response is None
    assert found.cell_range == (-1, 3)
    assert "detector   galaxies-32 (1024 cells in 1 layer)" in found.lines()
    assert "cells      -1 to 3 count" in found.lines()


def test_one_file_at_a_time(tmp_path: Path) -> None:
    for name in "ab":
        write(tmp_path / f"{name}.h5", Events(np.ones((1, 504)), {"energy": [500]}, CALOGAN))
    with pytest.raises(DataError, match="names 2 files; inspect one at a time"):
        inspect(tmp_path / "*.h5")


@pytest.mark.parametrize(
    ("mev", "text"), [(2.5e6, "2.5 TeV"), (1000, "1 GeV"), (1, "1 MeV"), (0.5, "500 keV")]
)
def test_energies_have_a_fitting_unit(tmp_path: Path, mev: float, text: str) -> None:
    cells = np.full((1, 504), mev / 504)
    write(tmp_path / "a.h5", Events(cells, {"energy": [mev]}, CALOGAN))
    assert f"energy       {text} to {text}" in inspect(tmp_path / "a.h5").lines()


def test_formats_describe_themselves() -> None:
    for name, layout in FORMATS.items():
        assert layout.name == name
        assert layout.description
        assert layout.needs
        assert all(ending.startswith(".") for ending in layout.extensions)


def test_importing_the_room_is_cheap() -> None:
    code = (
        "import sys, phys_gan.data; "
        "sys.exit(bool({'h5py', 'uproot', 'awkward', 'torch', 'matplotlib'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
