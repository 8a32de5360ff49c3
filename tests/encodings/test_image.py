"""Images on an asinh scale and back; conditions as logarithms and angles."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from phys_gan.detectors import Detector, ImageLayer, load_detector
from phys_gan.encodings.image import ImageEncoding, ImageEncodingConfig
from phys_gan.errors import DetectorError, RangeError
from phys_gan.events import Events

CAMERA = Detector(
    name="camera",
    cell_unit="count",
    layers=[ImageLayer(name=band, rows=8, columns=6, pixel_scale=0.2) for band in "gr"],
)
CONFIG = ImageEncodingConfig(
    conditions={
        "flux": "log",
        "sersic_index": "linear",
        "position_angle": {"kind": "periodic", "order": 2},
    },
)
RNG = np.random.default_rng(0)


def stamps(n=400, noise=(0.1, 0.5)):
    cells = np.concatenate([RNG.normal(0.05, s, (n, 48)) for s in noise], axis=1)
    cells[:, [20, 68]] += 100
    return Events(
        cells,
        {
            "flux": np.geomspace(10, 1000, n),
            "sersic_index": np.linspace(1, 3, n),
            "position_angle": np.linspace(0, math.pi, n),
        },
        CAMERA,
    )


@pytest.fixture(scope="module")
def encoding():
    return ImageEncoding(CAMERA, CONFIG).fit(stamps())


def test_the_softening_is_a_multiple_of_the_noise_of_each_band(encoding):
    np.testing.assert_allclose(encoding.soft, [0.8, 4.0], rtol=0.1)


def test_noise_stays_linear_and_bright_pixels_are_compressed(encoding):
    cells = torch.full((1, 96), 0.01)
    encoded = encoding.encode_cells(cells, torch.zeros(1, 4))
    assert encoded[0, 0] == pytest.approx(0.01 / float(encoding.soft[0]), rel=1e-3)
    assert encoding.encode(stamps(1))[0].max() == pytest.approx(math.asinh(100 / 0.8), rel=0.01)


@settings(max_examples=50)
@given(hnp.arrays(np.float32, 96, elements=st.floats(-1e4, 1e4, width=32)))
def test_decoding_undoes_encoding(cells):
    encoding = ImageEncoding(CAMERA)
    c = torch.zeros(1, 0)
    decoded = encoding.decode(encoding.encode_cells(torch.from_numpy(cells)[None], c), c)
    np.testing.assert_allclose(decoded[0], cells, rtol=2e-5, atol=1e-6)


def test_what_is_constrained_stays_as_it_is(encoding):
    c = torch.zeros(5, 4)
    raw = 30 * torch.randn(5, 96)
    allowed = encoding.constrain(raw, c)
    assert torch.isfinite(encoding.decode(allowed, c)).all()
    again = encoding.encode_cells(encoding.decode(allowed, c), c)
    torch.testing.assert_close(again, allowed, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(encoding.decode(raw, c), encoding.decode(allowed, c))
    small = torch.randn(5, 96)
    assert torch.equal(encoding.constrain(small, c), small)


def test_conditions_as_logarithm_as_they_are_and_as_an_angle(encoding):
    told = encoding.encode_conditions(
        {"flux": [10, 100, 1000], "sersic_index": [1, 2, 3], "position_angle": [0, 0.3, 2]}, 3
    )
    np.testing.assert_allclose(told[:, 0], [-1, 0, 1], atol=1e-6)
    np.testing.assert_allclose(told[:, 1], [-1, 0, 1], atol=1e-6)
    np.testing.assert_allclose(told[:, 2], np.cos([0, 0.6, 4]), atol=1e-6)
    np.testing.assert_allclose(told[:, 3], np.sin([0, 0.6, 4]), atol=1e-6)


@given(st.floats(-20, 20))
def test_an_axis_turned_by_pi_is_the_same(angle):
    encoding = ImageEncoding(CAMERA, CONFIG).fit(stamps(10))
    other = {"flux": [100], "sersic_index": [2]}
    first = encoding.encode_conditions({**other, "position_angle": [angle]}, 1)
    second = encoding.encode_conditions({**other, "position_angle": [angle + math.pi]}, 1)
    np.testing.assert_allclose(first, second, atol=1e-5)


def test_conditions_a_little_beyond_the_training_events(encoding):
    middle = {"flux": [100], "sersic_index": [2], "position_angle": [1]}
    encoding.encode_conditions({**middle, "flux": [1000 * 100**0.049]}, 1)
    encoding.encode_conditions({**middle, "sersic_index": [3.09]}, 1)
    for wrong in ({"flux": [1000 * 100**0.06]}, {"flux": [-1]}, {"sersic_index": [3.2]}):
        with pytest.raises(RangeError, match="was trained from"):
            encoding.encode_conditions({**middle, **wrong}, 1)


def test_pixels_without_noise_have_a_scale_as_well():
    cells = np.zeros((3, 96))
    cells[:, 20] = 5
    encoding = ImageEncoding(CAMERA).fit(Events(cells, {}, CAMERA))
    assert (encoding.soft > 0).all()
    np.testing.assert_allclose(
        encoding.decode(encoding.encode(Events(cells, {}, CAMERA))[0], torch.zeros(3, 0)),
        cells,
        atol=1e-5,
    )


def test_what_cannot_be_encoded():
    with pytest.raises(DetectorError, match="'calogan' is not an image"):
        ImageEncoding(load_detector("calogan"))
    events = stamps(4)
    dark = Events(events.cells, {**events.conditions, "flux": [0, 1, 2, 3]}, CAMERA)
    with pytest.raises(RangeError, match="'flux' is 0 for an event, and has no logarithm"):
        ImageEncoding(CAMERA, CONFIG).fit(dark)
    with pytest.raises(ValueError, match="has no order"):
        ImageEncodingConfig(conditions={"flux": {"kind": "log", "order": 2}})


def test_lists_of_version_0_1_mean_the_same():
    content = {
        "conditions": ["flux", "sersic_index", "position_angle"],
        "logarithmic": ["flux"],
        "angles": ["position_angle"],
    }
    assert ImageEncodingConfig.model_validate(content) == CONFIG
