"""Two tiny models of one small detector, and events of several particles."""

import awkward as ak
import numpy as np
import pytest
import torch

import phys_gan as pg
from phys_gan.detectors import CartesianLayer, Detector
from phys_gan.encodings import ShowerEncoding
from phys_gan.encodings.shower import ShowerEncodingConfig
from phys_gan.generation.plugins import Coverage, FastDetector
from phys_gan.model import Model
from phys_gan.networks import CompactConfig, Sizes, build_generator

EDGES = (-60.0, -20.0, 20.0, 60.0)


def small(name="small", depth=100.0):
    return Detector(
        name=name,
        sampling=pg.load_detector("calogan").sampling,
        layers=[
            CartesianLayer(name=str(k), z=(depth * k, depth * k + depth), x=EDGES, y=EDGES)
            for k in range(3)
        ],
    )


def tiny(particle, latent, detector=None):
    """Put a model together whose weights are random everywhere."""
    detector = detector or small()
    events = pg.simulate(detector, 60, particle=particle, energy=(1e3, 1e5), seed=1)
    encoding = ShowerEncoding(detector).fit(events)
    config = CompactConfig(latent=latent, width=16, depth=1)
    torch.manual_seed(latent)
    generator = build_generator(config, detector, Sizes.of(encoding))
    generator.adapt(*encoding.encode(events))
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    about = {"data_particle": particle}
    return pg.FastSim(Model(encoding, ShowerEncodingConfig(), generator.eval(), config, about))


@pytest.fixture(scope="session")
def positron():
    return tiny("e+", 24)


@pytest.fixture(scope="session")
def photon():
    return tiny("gamma", 8)


@pytest.fixture(scope="session")
def detector(positron, photon):
    return FastDetector([(fast, Coverage.of(fast)) for fast in (positron, photon)])


def some(n_events, seed=0):
    """Return events of e+, photons, protons and slow or inclined particles."""
    random = np.random.default_rng(seed)
    counts = random.integers(0, 5, n_events)
    n = counts.sum()
    flat = ak.zip(
        {
            "pdg": random.choice([-11, 22, 2212, 11], n, p=[0.4, 0.4, 0.1, 0.1]),
            "energy": random.choice([50.0, 2e3, 3e4], n, p=[0.1, 0.4, 0.5]),
            "theta": random.choice([0.0, 0.5], n, p=[0.9, 0.1]),
            "phi": random.uniform(-3, 3, n),
        }
    )
    return ak.unflatten(flat, counts)


@pytest.fixture(scope="session")
def events():
    return some(40)
