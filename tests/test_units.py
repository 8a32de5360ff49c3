"""Energies as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phys_gan.errors import ConfigError, RangeError
from phys_gan.units import format_energy, parse_energies, parse_energy


@pytest.mark.parametrize(
    ("text", "mev"),
    [("1GeV", 1e3), ("1.5 TeV", 1.5e6), ("511keV", 0.511), ("1e3MeV", 1e3), (".5eV", 5e-7)],
)
def test_energies(text, mev):
    assert parse_energy(text) == pytest.approx(mev)


@pytest.mark.parametrize("text", ["", "GeV", "10", "10gev", "1 2GeV", "1e4000000 pc", "--GeV"])
def test_no_energies(text):
    with pytest.raises(ConfigError, match="is not an energy"):
        parse_energy(text)


@pytest.mark.parametrize("text", ["0GeV", "-1GeV", "1e999GeV"])
def test_impossible_energies(text):
    with pytest.raises(RangeError, match="is not positive"):
        parse_energy(text)


def test_ranges():
    assert parse_energies("1GeV:100GeV") == (1e3, 1e5)
    assert parse_energies("50GeV") == (5e4, 5e4)
    with pytest.raises(RangeError, match="from high to low"):
        parse_energies("2GeV:1GeV")


@given(st.floats(1e-5, 1e9))
def test_what_is_written_reads_back(energy):
    assert parse_energy(format_energy(energy)) == pytest.approx(energy, rel=1e-3)
