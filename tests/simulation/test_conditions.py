from __future__ import annotations

import numpy as np
import pytest

from phys_gan.detectors import load_detector
from phys_gan.errors import ConfigError, DataError, PhysGanError, RangeError
from phys_gan.simulation.galaxies import CONDITIONS, draw_conditions

PIXELS = load_detector("galaxies-32").layers[0]


def test_defaults_fill_their_ranges() -> None:
    drawn = draw_conditions(PIXELS, 4000, seed=1)
    assert list(drawn) == list(CONDITIONS)
    for name, condition in CONDITIONS.items():
        low, high = drawn[name].min(), drawn[name].max()
        assert condition.low <= low
        assert high <= condition.high
        middle = (
            np.sqrt(condition.low * condition.high)
            if condition.logarithmic
            else (condition.low + condition.high) / 2
        )
        # Half of the values below the middle, within 5 standard errors.
        assert np.mean(drawn[name] < middle) == pytest.approx(0.5, abs=0.04)


def test_conditions_do_not_depend_on_each_other_or_on_the_number() -> None:
    few = draw_conditions(PIXELS, 10, seed=3)
    many = draw_conditions(PIXELS, 1000, {"flux": 50.0}, seed=3)
    for name in set(CONDITIONS) - {"flux"}:
        np.testing.assert_array_equal(many[name][:10], few[name])
    others = np.corrcoef(np.stack([many[name] for name in CONDITIONS if name != "flux"]))
    assert np.abs(others - np.eye(5)).max() < 0.16


def test_values_ranges_and_arrays() -> None:
    fluxes = np.array([3.0, 400.0, 7.0])
    drawn = draw_conditions(PIXELS, 3, {"flux": fluxes, "noise": 0.0, "axis_ratio": (0.8, 0.9)})
    np.testing.assert_array_equal(drawn["flux"], fluxes)
    np.testing.assert_array_equal(drawn["noise"], np.zeros(3))
    assert np.all((drawn["axis_ratio"] >= 0.8) & (drawn["axis_ratio"] <= 0.9))


@pytest.mark.parametrize(
    ("given", "kind", "sentence"),
    [
        ({"magnitude": 20.0}, ConfigError, "no condition 'magnitude'; available: flux, half_light"),
        ({"axis_ratio": 1.2}, RangeError, "axis_ratio is 1.2, but must be from 0.1 to 1"),
        ({"axis_ratio": (0.5, 1.2)}, RangeError, "axis_ratio is 1.2, but"),
        ({"sersic_index": 8.0}, RangeError, "sersic_index is 8, but must be from 0.5 to 6"),
        ({"noise": -0.1}, RangeError, "noise is -0.1 count, but must be at least 0 count"),
        ({"noise": (0.0, 0.1)}, RangeError, "the logarithm of noise is drawn, .* begins at 0"),
        ({"flux": 0.0}, RangeError, "flux is 0 count, but must be above 0 count"),
        ({"flux": np.nan}, RangeError, "flux is nan count"),
        ({"flux": np.inf}, RangeError, "flux is inf count"),
        ({"position_angle": 90.0}, RangeError, "is 90 rad, but must be from 0 to 3.14159 rad"),
        ({"flux": (5.0, 2.0)}, RangeError, r"the range \(5.0, 2.0\) of flux does not rise"),
        ({"flux": np.ones(3)}, DataError, r"flux has shape \(3,\), but n = 2"),
        (
            {"half_light_radius": 2.0, "axis_ratio": 0.25},
            RangeError,
            "reach 4 arcsec .* but the stamp ends 3.2 arcsec from its centre; give smaller",
        ),
    ],
)
def test_what_has_no_meaning(given: dict, kind: type[PhysGanError], sentence: str) -> None:
    with pytest.raises(kind, match=sentence):
        draw_conditions(PIXELS, 2, given)
