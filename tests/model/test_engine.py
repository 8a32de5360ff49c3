"""The engine: the same events in any batches, precision and way of running."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import phys_gan as pg

FAST = pg.FastSim.load("calogan-eplus")
ENERGIES = {"energy": np.geomspace(1e3, 9.9e4, 1000)}


def differences(one, other):
    """Largest difference in each event, relative to its hottest cell."""
    return np.abs(one.cells - other.cells).max(axis=1) / one.cells.max(axis=1)


@pytest.mark.parametrize(("batch_size", "n"), [(1, 100), (7, 1000), (1000, 1000)])
def test_events_are_those_of_any_batch_size(batch_size, n):
    energies = {"energy": ENERGIES["energy"][:n]}
    whole = FAST.generate(energies, seed=5)
    cut = FAST.generate(energies, seed=5, batch_size=batch_size)
    # Rounding may lift a cell over the smallest energy, or the other way.
    assert np.quantile(differences(whole, cut), 0.99) < 1e-5
    np.testing.assert_allclose(cut.total_energy(), whole.total_energy(), rtol=1e-6)


def test_bfloat16_is_close():
    low = pg.FastSim.load("calogan-eplus", precision="bfloat16")
    exact, close = (fast.generate(ENERGIES, seed=5) for fast in (FAST, low))
    distances = differences(exact, close)
    assert 0 < np.median(distances) < 3e-3
    assert distances.max() < 0.1
    np.testing.assert_allclose(close.total_energy(), exact.total_energy(), rtol=5e-3)


def test_an_unknown_precision_is_refused():
    with pytest.raises(pg.errors.ConfigError, match="no precision 'float16'; choose one of: float"):
        replace(FAST, precision="float16")


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_auto_is_a_gpu_where_there_is_one(monkeypatch, device):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: device == "cuda")
    if device == "cpu":
        assert pg.FastSim.load("calogan-eplus").model.device.type == "cpu"
    elif not torch.backends.cuda.is_built():
        with pytest.raises(pg.errors.ConfigError, match="'cuda' is not available"):
            pg.FastSim.load("calogan-eplus")


@pytest.mark.parametrize(
    ("name", "size"),
    [("calogan-eplus", 2048), ("calochallenge-2-electron", 256), ("galaxies-32", 128)],
)
def test_batches_suit_the_network(name, size):
    assert pg.FastSim.load(name).engine.batch_size == size


def test_a_compiled_network_sees_one_shape(monkeypatch):
    seen = []

    def compiled(function, **options):
        def call(z, c):
            seen.append((z.shape, c.shape))
            return function(z, c)

        return call

    monkeypatch.setattr(torch, "compile", compiled)
    energies = {"energy": ENERGIES["energy"][:25]}
    events = replace(FAST, compiled=True).generate(energies, seed=5, batch_size=10)
    latent = FAST.model.generator.latent
    assert seen == [((10, latent), (10, 2))] * 3
    assert np.quantile(differences(FAST.generate(energies, seed=5), events), 0.99) < 1e-5


# torch's own compiler uses what torch has deprecated.
@pytest.mark.filterwarnings("ignore:.torch.jit.script_method:DeprecationWarning")
@pytest.mark.slow
def test_compiled_events_are_the_same():
    events = replace(FAST, compiled=True).generate(ENERGIES, seed=5, batch_size=256)
    assert np.quantile(differences(FAST.generate(ENERGIES, seed=5), events), 0.99) < 1e-5
