"""The contract of every encoding, on real showers and on any output of a network."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import phys_gan as pg
from phys_gan.encodings import AbsoluteEncoding, ShowerEncoding, build_encoding
from phys_gan.workflows import demo_sample

KINDS = [ShowerEncoding, AbsoluteEncoding]
GEANT4 = pg.read(demo_sample())[:800]
DISK = pg.simulate(pg.load_detector("calochallenge-2"), 150, energy=(2e3, 5e4), seed=3)
SAMPLES = {"calogan": GEANT4, "calochallenge-2": DISK}


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__)
def kind(request):
    return request.param


@pytest.fixture(params=SAMPLES)
def events(request):
    return SAMPLES[request.param]


def test_shapes(kind, events):
    encoding = kind(events.detector).fit(events)
    x, c = encoding.encode(events)
    assert x.shape == (len(events), encoding.n_globals + events.detector.n_cells)
    assert c.shape == (len(events), encoding.n_conditions)
    assert x.dtype == c.dtype == torch.float32
    assert torch.isfinite(x).all()


def test_real_events_come_back(kind, events):
    encoding = kind(events.detector).fit(events)
    cells = encoding.decode(*encoding.encode(events)).numpy()
    cut = float(encoding.cut) if isinstance(encoding, ShowerEncoding) else 0.0
    clear = events.cells > 2 * cut
    # Normal scores end at +-3: the outermost showers of each feature are pulled in, and with
    # 45 layers most of 150 showers are outermost in one of them.
    inner = np.ones(len(events), bool)
    if encoding.n_globals:
        scores = encoding.encode(events)[0][:, : encoding.n_globals]
        inner = (scores.abs() < 2.9).all(dim=1).numpy()
        assert inner.mean() > (0.2 if events is DISK else 0.95)
    ratio = cells[inner][clear[inner]] / events.cells[inner][clear[inner]]
    assert np.quantile(np.abs(ratio - 1), 0.99) < (1e-3 if encoding.n_globals else 1e-6)
    np.testing.assert_allclose(cells[inner].sum(1), events.total_energy()[inner], rtol=1e-3)


def test_incident_energy_comes_back(kind, events):
    encoding = kind(events.detector).fit(events)
    energy = encoding.incident_energy(encoding.encode_conditions(events.conditions, len(events)))
    np.testing.assert_allclose(energy, events.energy, rtol=1e-6)


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), size=st.sampled_from([0.01, 1.0, 30.0]))
@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("kind", KINDS)
def test_any_output_becomes_a_physical_shower(kind, name, seed, size):
    events = SAMPLES[name][:32]
    encoding = fitted(kind, name)
    _, c = encoding.encode(events)
    n = encoding.n_globals + events.detector.n_cells
    raw = size * torch.randn(32, n, generator=torch.Generator().manual_seed(seed))
    raw.requires_grad_()
    x = encoding.constrain(raw, c)
    cells = encoding.decode(x, c)
    assert torch.isfinite(cells).all()
    assert (cells >= 0).all()
    assert ((cells == 0) | (cells >= events.detector.threshold)).all()
    # What the discriminator sees of a generated event is what it would see of a real one; a cell
    # just at the cut may fall to either side by rounding.
    again = encoding.encode_cells(cells.detach(), c)
    np.testing.assert_allclose(
        again[:, encoding.n_globals :], x.detach()[:, encoding.n_globals :], atol=1e-3
    )
    x.sum().backward()
    assert torch.isfinite(raw.grad).all()


_FITTED = {}


def fitted(kind, name):
    if (kind, name) not in _FITTED:
        _FITTED[kind, name] = kind(SAMPLES[name].detector).fit(SAMPLES[name])
    return _FITTED[kind, name]


def test_the_state_is_in_the_state_dict(kind, events):
    encoding = kind(events.detector).fit(events)
    copy = build_encoding(encoding.config, events.detector)
    copy.load_state_dict(encoding.state_dict())
    for first, second in zip(encoding.encode(events), copy.encode(events), strict=True):
        assert torch.equal(first, second)


def test_layer_energies_are_exact():
    encoding = fitted(ShowerEncoding, "calogan")
    _, c = encoding.encode(GEANT4)
    raw = torch.randn(len(GEANT4), 3 + 504, generator=torch.Generator().manual_seed(1))
    cells = encoding.decode(raw, c).double()
    features = encoding.quantiles.to_features(raw[:, :3], encoding.incident_energy(c).log())
    np.testing.assert_allclose(cells.sum(1).numpy() / GEANT4.energy, features[:, 0], rtol=1e-5)


def test_energies_outside_the_range_are_refused(kind):
    encoding = fitted(kind, "calogan")
    low, high = GEANT4.energy.min(), GEANT4.energy.max()
    encoding.encode_conditions({"energy": np.array([low / 1.04, high * 1.04])}, 2)
    for energy in (low / 1.1, high * 1.1, np.nan):
        with pytest.raises(pg.errors.RangeError, match="trained from"):
            encoding.encode_conditions({"energy": np.array([energy])}, 1)


def test_other_detectors_are_refused(kind):
    with pytest.raises(pg.errors.DetectorError, match="calochallenge-2"):
        fitted(kind, "calogan").encode(DISK)
    with pytest.raises(pg.errors.DetectorError, match="is not a calorimeter"):
        kind(pg.load_detector("galaxies-32"))


def test_the_energy_is_needed(kind):
    with pytest.raises(pg.errors.MissingError, match="energy"):
        fitted(kind, "calogan").encode_conditions({"theta": np.zeros(3)}, 3)


def test_events_without_hits_are_refused():
    empty = pg.Events(np.zeros((5, 504)), {"energy": np.ones(5)}, GEANT4.detector)
    with pytest.raises(pg.errors.DataError, match="no cell"):
        ShowerEncoding(GEANT4.detector).fit(empty)


def test_physical_events_look_the_same_encoded_or_decoded():
    encoding = fitted(ShowerEncoding, "calogan")
    x, c = encoding.encode(GEANT4)
    rows = encoding.physical(x, c)
    # What lies beyond the outermost scores was pulled in.
    inside = (x[:, :3].abs() < 2.9).all(1)
    np.testing.assert_allclose(rows[inside, 3:], GEANT4.cells[inside], rtol=1e-3, atol=0.02)
    # A raw output between the scores of an empty layer becomes the one that real events have.
    empty = torch.from_numpy(GEANT4.layer_energies()[:, 2] == 0)
    assert empty.any()
    moved = x.clone()
    moved[empty, 2] -= 0.01
    again = encoding.physical(moved, c)
    np.testing.assert_allclose(again[empty, 2], rows[empty, 2], atol=1e-6)


def test_absolute_cells_are_in_gev_whatever_the_unit_of_the_detector():
    in_gev = pg.load_detector("calogan").model_copy(update={"cell_unit": "GeV", "threshold": 0.0})
    encoding = AbsoluteEncoding(in_gev)
    cells = torch.rand(2, in_gev.n_cells)
    assert torch.equal(encoding.encode_cells(cells, torch.ones(2, 1)), cells)
    assert torch.equal(encoding.decode(cells, torch.ones(2, 1)), cells)
    with pytest.raises(pg.errors.DetectorError, match="in 'count', which is not an energy; choose"):
        AbsoluteEncoding(in_gev.model_copy(update={"cell_unit": "count"}))
