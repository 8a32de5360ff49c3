"""Energies as people write them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phys_gan.errors import ConfigError, RangeError
from phys_gan.units import (
    draw_values,
    format_energy,
    is_logarithmic,
    parse_energies,
    parse_energy,
    parse_values,
)


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


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("50GeV", 5e4),
        ("10GeV, 2TeV,50MeV", [1e4, 2e6, 50.0]),
        ("1GeV:100GeV", (1e3, 1e5)),
        ("1GeV:1GeV", (1e3, 1e3)),
        ("1GeV:100GeV:lin", (1e3, 1e5, "lin")),
        ("1GeV:100GeV:log", (1e3, 1e5, "log")),
    ],
)
def test_values(text, values):
    assert parse_values(text) == values


@pytest.mark.parametrize(
    ("text", "kind", "says"),
    [
        ("", ConfigError, "'' is not an energy"),
        ("10GeV,", ConfigError, "'' is not an energy"),
        ("1GeV:", ConfigError, "'' is not an energy"),
        ("1GeV:2GeV,5GeV", ConfigError, "'1GeV:2GeV' is not an energy"),
        ("1GeV:2GeV:", ConfigError, "ends in ''; write LOW:HIGH, LOW:HIGH:lin or LOW:HIGH:log"),
        ("1GeV:2GeV:log:log", ConfigError, "ends in 'log:log'"),
        ("1GeV:2GeV:uniform", ConfigError, "ends in 'uniform'"),
        ("2GeV:1GeV", RangeError, "the range '2GeV:1GeV' runs from high to low; write LOW:HIGH"),
        ("5GeV,-1GeV", RangeError, "is not positive"),
    ],
)
def test_no_values(text, kind, says):
    with pytest.raises(kind, match=says):
        parse_values(text)


def test_plain_numbers():
    assert parse_values("-1:2", float) == (-1, 2)
    with pytest.raises(RangeError, match="'0:2:log' has no logarithms; begin above 0"):
        parse_values("0:2:log", float)
    with pytest.raises(ValueError, match="could not convert"):
        parse_values("few", float)


@given(
    st.lists(st.floats(1, 10), min_size=1, max_size=5)
    | st.floats(1, 10)
    | st.tuples(st.floats(1, 10), st.floats(10, 20))
    | st.tuples(st.floats(1, 10), st.floats(10, 20), st.sampled_from(["lin", "log"])),
    st.integers(1, 30),
)
def test_an_event_has_its_value_whatever_comes_after_it(values, n):
    few, many = (draw_values(values, size, np.random.default_rng(1)) for size in (n, 40))
    np.testing.assert_array_equal(few, many[:n])
    if isinstance(values, tuple):
        assert ((few >= values[0]) & (few <= values[1])).all()
    else:
        turns = [values] if isinstance(values, float) else values
        assert few.tolist() == [turns[k % len(turns)] for k in range(n)]


@pytest.mark.parametrize(
    ("values", "otherwise", "even"),
    [
        ((1.0, 100.0), False, False),
        ((1.0, 100.0), True, True),
        ((1.0, 100.0, "lin"), True, False),
        ((1.0, 100.0, "log"), False, True),
        (5.0, True, True),
    ],
)
def test_what_is_even(values, otherwise, even):
    assert is_logarithmic(values, otherwise) == even
    if isinstance(values, tuple):
        drawn = draw_values(values, 4000, np.random.default_rng(1), logarithmic=otherwise)
        fraction = np.log(drawn) / np.log(100) if even else (drawn - 1) / 99
        # Standard error of the mean of a uniform distribution: 1 / sqrt(12 n).
        assert abs(fraction.mean() - 0.5) < 5 / np.sqrt(12 * 4000)
        assert abs(np.mean(fraction < 0.25) - 0.25) < 5 * np.sqrt(0.25 * 0.75 / 4000)


@given(st.floats(1e-5, 1e9))
def test_what_is_written_reads_back(energy):
    assert parse_energy(format_energy(energy)) == pytest.approx(energy, rel=1e-3)
