"""Conditions that nobody listed."""

import numpy as np
import pytest

from phys_gan.detectors import load_detector
from phys_gan.encodings import ImageEncoding, ShowerEncoding, build_encoding
from phys_gan.encodings.image import ImageEncodingConfig
from phys_gan.errors import ConfigError, MissingError
from phys_gan.generation import draw_conditions
from phys_gan.simulation import simulate


@pytest.fixture(scope="module")
def encoding():
    galaxies = simulate(load_detector("galaxies-32"), 500, seed=0)
    config = ImageEncodingConfig(conditions={"flux": "log", "axis_ratio": "linear"})
    return ImageEncoding(galaxies.detector, config).fit(galaxies)


def test_what_is_not_given_has_the_range_of_the_training_events(encoding):
    drawn = draw_conditions(encoding, 4000, seed=1)
    for row, name in enumerate(("flux", "axis_ratio")):
        low, high = encoding.ranges[row].tolist()
        assert low <= drawn[name].min() < low + 0.01 * (high - low)
        assert high >= drawn[name].max() > high - 0.01 * (high - low)
    low, high = encoding.ranges[0].tolist()
    assert np.median(drawn["flux"]) == pytest.approx(np.sqrt(low * high), rel=0.1)
    assert np.median(drawn["axis_ratio"]) == pytest.approx(0.65, rel=0.03)


def test_values_and_ranges(encoding):
    drawn = draw_conditions(encoding, 100, {"flux": (50, 60), "axis_ratio": 0.5}, seed=1)
    assert set(drawn["axis_ratio"]) == {0.5}
    assert 50 <= drawn["flux"].min() < drawn["flux"].max() <= 60


def test_lists_are_taken_in_turn_and_ranges_may_say_how(encoding):
    given = {"flux": [50.0, 60.0, 90.0], "axis_ratio": (0.4, 0.9, "log")}
    drawn = draw_conditions(encoding, 2000, given, seed=1)
    assert drawn["flux"][:5].tolist() == [50, 60, 90, 50, 60]
    assert np.median(drawn["axis_ratio"]) == pytest.approx(0.6, rel=0.03)
    drawn = draw_conditions(encoding, 2000, {"flux": (40, 100, "lin")}, seed=1)
    assert np.median(drawn["flux"]) == pytest.approx(70, rel=0.03)


def test_one_condition_leaves_the_others_as_they_are(encoding):
    free, fixed = (draw_conditions(encoding, 9, g, seed=1) for g in ({}, {"flux": 50}))
    np.testing.assert_array_equal(free["axis_ratio"], fixed["axis_ratio"])
    other = draw_conditions(encoding, 9, seed=2)
    assert not np.array_equal(free["axis_ratio"], other["axis_ratio"])


def test_energies_are_drawn_evenly():
    showers = simulate(load_detector("calogan"), 50, seed=0)
    drawn = draw_conditions(
        ShowerEncoding(showers.detector).fit(showers), 2000, {"energy": (2e3, 4e3)}
    )
    assert drawn["energy"].mean() == pytest.approx(3e3, rel=0.02)


@pytest.mark.parametrize(
    ("given", "kind", "says"),
    [
        (
            {"mass": 1},
            MissingError,
            "not know the condition 'mass'; it knows flux, axis_ratio",
        ),
        ({"flux": (60, 50)}, ConfigError, "the range 60:50 of 'flux' runs from high to low"),
        ({"flux": -1}, ConfigError, "'flux' must be positive, not -1"),
        ({"flux": [5.0, 0.0]}, ConfigError, "'flux' must be positive, not 0"),
        ({"flux": []}, ConfigError, "the list of 'flux' is empty"),
        ({"axis_ratio": (0, 1, "log")}, ConfigError, "'axis_ratio' must be positive, not 0"),
    ],
)
def test_what_cannot_be_drawn(encoding, given, kind, says):
    with pytest.raises(kind, match=says):
        draw_conditions(encoding, 5, given)


def test_a_model_without_conditions():
    config = ImageEncodingConfig()
    assert draw_conditions(build_encoding(config, load_detector("galaxies-32")), 5) == {}
    with pytest.raises(MissingError, match="it knows none"):
        draw_conditions(build_encoding(config, load_detector("galaxies-32")), 5, {"flux": 1})
