"""The registry: bins, which observables a detector has, and those of a user."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phys_gan.detectors import Detector, load_detector
from phys_gan.errors import ConfigError, DataError, MissingError
from phys_gan.events import Events
from phys_gan.observables import OBSERVABLES, Observable, Showers, measure, observable, select
from phys_gan.observables.registry import Binning, counts, extended

# Bins


@given(
    st.lists(st.floats(-1e6, 1e6, allow_subnormal=False), min_size=1, max_size=60),
    st.sampled_from(["linear", "log", "auto"]),
)
@settings(max_examples=150)
def test_no_entry_is_lost(values: list[float], scale: str) -> None:
    array = np.array(values)
    edges = Binning(scale).edges(array)
    assert np.all(np.diff(edges) > 0)
    assert counts(array, edges).sum() == len(array)


def test_counts_are_those_of_numpy_with_flow() -> None:
    values = np.random.default_rng(1).normal(size=1000)
    edges = np.linspace(-1, 1, 21)
    result = counts(values, edges)
    assert result[0] == (values < -1).sum()
    assert result[-1] == (values >= 1).sum()
    np.testing.assert_array_equal(result[1:-1], np.histogram(values, edges)[0])


def test_one_wild_value_does_not_stretch_the_range() -> None:
    values = np.random.default_rng(2).normal(size=5000)
    edges = Binning().edges(np.append(values, 1e9))
    assert edges[-1] < 5


def test_values_on_a_lattice_get_bins_of_whole_steps() -> None:
    generator = np.random.default_rng(3)
    values = 1 - generator.binomial(288, 0.3, 5000) / 288
    edges = Binning().edges(values)
    steps = np.diff(edges) * 288
    np.testing.assert_allclose(steps, np.round(steps), atol=1e-6)
    # Every value lies at least half a step from any edge.
    distance = np.abs(values[:, None] - edges).min()
    assert distance * 288 == pytest.approx(0.5, abs=1e-6)


@pytest.mark.parametrize("scale", ["linear", "log"])
def test_many_events_at_the_largest_value_are_inside(scale: str) -> None:
    generator = np.random.default_rng(6)
    values = np.append(generator.uniform(1, 100, 300), np.full(200, 100.0))
    entries = counts(values, Binning(scale).edges(values))
    assert entries[-1] == 0
    assert entries[-2] >= 200


def test_auto_takes_the_logarithm_of_what_spans_decades() -> None:
    generator = np.random.default_rng(4)
    wide, narrow = np.exp(3 * generator.normal(size=2000)), generator.normal(5, 1, 2000)
    for values, log in ((wide, True), (narrow, False)):
        edges = Binning("auto").edges(values)
        ratios, widths = edges[1:] / edges[:-1], np.diff(edges)
        assert np.allclose(ratios if log else widths, ratios[0] if log else widths[0])


def test_a_candidate_beside_the_reference_is_covered_by_bins_of_the_same_width() -> None:
    edges = np.linspace(0, 1, 21)
    wider = extended(edges, np.random.default_rng(5).normal(1.2, 0.05, 1000))
    assert wider[0] == 0
    assert 1.3 < wider[-1] <= 1.5 + 1e-9
    np.testing.assert_allclose(np.diff(wider), 0.05)
    np.testing.assert_array_equal(extended(edges, np.full(10, 0.5)), edges)
    assert len(extended(edges, np.array([1e12, -1e12]))) == 41


def test_logarithmic_bins_are_extended_in_the_logarithm() -> None:
    edges = np.geomspace(1, 10, 11)
    wider = extended(edges, np.repeat([0.5, 30.0], 100))
    np.testing.assert_allclose(wider[1:] / wider[:-1], 10**0.1)
    assert wider[0] < 0.51
    assert wider[-1] > 29


# Observables of a detector and of a user


def one_shower() -> Events:
    detector = load_detector("calogan")
    cells = np.zeros((1, 504))
    cells[0, 3:5] = 8.0, 2.0
    return Events(cells, {"energy": [1000.0]}, detector)


def hits(showers: Showers) -> np.ndarray:
    """Count the hits.

    In all layers.
    """
    return showers.hits.sum(axis=1)


def test_a_user_adds_observables() -> None:
    observable("test_hits", label="hits")(hits)
    try:
        with pytest.raises(ConfigError, match="exists already"):
            observable("test_hits", label="again")(hits)
        own = Observable("half", lambda showers: showers.total / 2, "half")
        events = one_shower()
        chosen = select(events.detector, ("energy",), ["test_hits", own])
        assert {k: v.tolist() for k, v in measure(events, chosen).items()} == {
            "test_hits": [2.0],
            "half": [5.0],
        }
    finally:
        OBSERVABLES.pop("test_hits")


def test_a_plain_function_is_an_observable() -> None:
    events = one_shower()
    (chosen,) = select(events.detector, names=[hits])
    assert (chosen.name, chosen.label, chosen.description) == ("hits", "hits", "Count the hits.")
    assert measure(events, [chosen])["hits"] == 2
    # Also for images, of which the registry knows nothing yet.
    assert select(load_detector("galaxies-32"), (), [hits])[0].name == "hits"
    with pytest.raises(ConfigError, match=r"lambda.*has no name.*Observable\(name"):
        select(events.detector, names=[lambda showers: showers.total])


def test_names_are_unique() -> None:
    detector = load_detector("calogan")
    assert len(select(detector, names=["depth", "depth", "E_0", "E_{k}", hits, hits])) == 5
    other = Observable("hits", lambda showers: showers.total, "other")
    with pytest.raises(ConfigError, match="two different observables are called 'hits'"):
        select(detector, names=[hits, other])


def test_values_of_a_wrong_shape_are_refused() -> None:
    def per_layer(showers: Showers) -> np.ndarray:
        return showers.layer_energy

    events = one_shower()
    with pytest.raises(DataError, match=r"'per_layer' has values of shape \(1, 3\).*not \(1,\)"):
        measure(events, select(events.detector, names=[per_layer]))
    with pytest.raises(DataError, match=r"'own_0' has values of shape \(1,\).*not \(1, 3\)"):
        measure(events, select(events.detector, names=[Observable("own_{k}", hits, "own")]))


def test_a_division_by_zero_is_not_defined_and_no_warning() -> None:
    def share(showers: Showers) -> np.ndarray:
        return showers.layer_energy[:, 2] / showers.layer_energy[:, 1]

    events = one_shower()
    assert np.isnan(measure(events, select(events.detector, names=[share]))["share"]).all()


def test_without_energies_the_response_is_left_out() -> None:
    names = [o.name for o in select(load_detector("calogan"), ())]
    assert "E_tot/E_inc" not in names
    assert "E_inc" not in names
    assert "depth" in names


def test_one_layer_has_no_depth() -> None:
    layer = {"kind": "cartesian", "x": [0, 1, 2], "y": [0, 1], "z": (0, 1)}
    detector = Detector.model_validate({"name": "one", "layers": [layer]})
    names = [o.name for o in select(detector)]
    assert "E_0" in names
    assert not {"depth", "layer_depth", "deepest_layer", "E_0/E_tot"} & set(names)
    with pytest.raises(MissingError, match="'depth' is not an observable of the detector 'one'"):
        select(detector, names=["depth"])


def test_names_select_single_observables_and_families() -> None:
    detector = load_detector("calochallenge-2")
    names = [o.name for o in select(detector, ("energy",), ["depth", "EC_eta_3"])]
    assert names == ["depth", "EC_eta_3"]
    assert len(select(detector, ("energy",), ["EC_phi_{k}"])) == 45
    assert len(select(detector, ("energy",), ["E_ratio_{k}", "layer_depth"])) == 46
    with pytest.raises(MissingError, match=r"'dept' is not an observable.*depth"):
        select(detector, ("energy",), ["dept"])


def test_images_have_observables_of_their_own_and_none_of_showers() -> None:
    names = {o.name for o in select(load_detector("galaxies-32"), ["flux"])}
    assert {"flux_r", "flux/flux_in", "half_light_radius_r", "gini_r"} <= names
    assert not {"E_inc", "E_tot/E_inc", "E_r", "sparsity", "sparsity_r", "width_x_r"} & names
    with pytest.raises(MissingError, match="'sparsity' is not an observable of the detector 'gal"):
        select(load_detector("galaxies-32"), names=["sparsity"])


def test_bands_of_images_are_told_apart() -> None:
    layer = {"kind": "image", "rows": 8, "columns": 8, "pixel_scale": 0.2}
    detector = Detector.model_validate(
        {"name": "two", "cell_unit": "count", "layers": [{**layer, "name": n} for n in "gr"]}
    )
    names = [o.name for o in select(detector, ["flux"])]
    assert {"flux_g", "flux_r"} <= set(names)
    # Of several bands nobody knows which one the flux is asked of.
    assert "flux/flux_in" not in names


def test_layers_without_unique_names_are_numbered() -> None:
    layer = {"kind": "cartesian", "x": [0, 1, 2], "y": [0, 1], "name": "same"}
    detector = Detector.model_validate(
        {"name": "two", "layers": [{**layer, "z": (0, 1)}, {**layer, "z": (1, 2)}]}
    )
    assert "E_1" in [o.name for o in select(detector)]
