"""Tiny models of every kind of detector, and what their exports answer."""

from functools import cache

import numpy as np
import pytest
import torch

import phys_gan as pg
from phys_gan.detectors import CartesianLayer, Detector, PolarLayer
from phys_gan.encodings import ImageEncoding, ShowerEncoding
from phys_gan.encodings.image import ImageEncodingConfig
from phys_gan.encodings.shower import ShowerEncodingConfig
from phys_gan.model import Model
from phys_gan.networks import CompactConfig, DcganConfig, Sizes, build_generator

SMALL = CompactConfig(latent=8, width=16, depth=1)


def polar(**changes):
    """Three layers of four segments and three rings."""
    layer = {"r": (0, 10, 20, 30), "n_alpha": 4} | changes
    return Detector(
        name="polar",
        threshold=0.0005,
        sampling=pg.load_detector("par04-9x16x45").sampling,
        layers=[PolarLayer(name=str(k), z=(20 * k, 20 * k + 20), **layer) for k in range(3)],
    )


def grid(side=30, layers=30):
    """Cells of 5 mm around the axis."""
    edges = tuple((np.arange(side + 1) - side / 2) * 5)
    return Detector(
        name="grid",
        threshold=0.1,
        sampling=pg.load_detector("ild-ecal").sampling,
        layers=[
            CartesianLayer(name=str(k), z=(7 * k, 7 * k + 7), x=edges, y=edges)
            for k in range(layers)
        ],
    )


def finished(encoding, options, config, events, provenance=None):
    """Put a model together whose weights are random everywhere."""
    torch.manual_seed(0)
    sizes = encoding.detector, Sizes.of(encoding)
    generator = build_generator(config, *sizes).eval()
    generator.adapt(*encoding.encode(events))
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    return Model(encoding, options, generator, config, provenance or {})


def shower_model(detector, n=60):
    events = pg.simulate(detector, n, energy=(1e3, 1e5), seed=1)
    encoding = ShowerEncoding(detector).fit(events)
    known = {"references": "physgan krause2021caloflow"}
    return finished(encoding, ShowerEncodingConfig(), SMALL, events, known)


def galaxy_model():
    events = pg.simulate(pg.load_detector("galaxies-32"), 60, seed=1)
    options = ImageEncodingConfig(
        conditions={
            "flux": "log",
            "axis_ratio": "linear",
            "position_angle": {"kind": "periodic", "order": 2},
            "noise": "linear",
        },
    )
    encoding = ImageEncoding(events.detector, options).fit(events)
    return finished(encoding, options, DcganConfig(latent=8, width=4, d_width=4), events)


@pytest.fixture(scope="session")
def showers():
    return shower_model(polar())


@pytest.fixture(scope="session")
def galaxies():
    return galaxy_model()


@pytest.fixture(scope="session")
def towers():
    """A model of more cells than DDML takes."""
    return shower_model(grid(32, 31), 20)


@pytest.fixture(scope="session")
def written(tmp_path_factory):
    """Return a function that exports a model into a folder of its own."""
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")

    def write(model, target, **options):
        path = tmp_path_factory.mktemp(target) / "deep" / "model.onnx"
        return pg.export(model, path, target, **options), path

    return write


@pytest.fixture(scope="session")
def generic(showers, written):
    return written(showers, "generic")


@pytest.fixture(scope="session")
def par04(showers, written):
    return written(showers, "par04", energy_scale=0.033)


@pytest.fixture(scope="session")
def fastcalosim(showers, written):
    ends = (256.0, 4194304.0)
    return written(showers, "fastcalosim", energy_range=ends, particle="pi+")


@pytest.fixture(scope="session")
def ddml(towers, written):
    return written(towers, "ddml-grid")


@pytest.fixture(scope="session")
def galsim(galaxies, written):
    return written(galaxies, "galsim")


def close(found, expected):
    """Hold cells against those of the model, relative to the largest of each event."""
    found, expected = (np.asarray(cells).reshape(len(cells), -1) for cells in (found, expected))
    assert found.shape == expected.shape
    assert (np.abs(found - expected).max(1) <= 1e-5 * np.abs(expected).max(1)).all()


@cache
def opened(path):
    """Return a session of a file."""
    onnxruntime = pytest.importorskip("onnxruntime")
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def answer(path, *inputs, names):
    """Return the first output of a file."""
    session = opened(path)
    assert [port.name for port in session.get_inputs()] == names
    assert {port.type for port in session.get_inputs()} == {"tensor(float)"}
    feed = dict(zip(names, (np.asarray(array, np.float32) for array in inputs), strict=True))
    return session.run(None, feed)[0]


def shapes(path):
    """Return the shapes of the inputs and of the output."""
    session = opened(path)
    return [port.shape for port in (*session.get_inputs(), *session.get_outputs())]
