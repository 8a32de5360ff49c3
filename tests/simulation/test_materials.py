from __future__ import annotations

import pytest

from phys_gan.detectors import Detector, Sampling, Slab, load_detector
from phys_gan.errors import DetectorError
from phys_gan.simulation.profiles import MATERIALS, effective_medium


def with_slabs(sampling: Sampling | None) -> Detector:
    return load_detector("calogan").model_copy(update={"sampling": sampling})


# Radiation length and Moliere radius [cm] as the Particle Data Group prints them.
PDG = {
    "Al": (8.897, 4.419),
    "Cu": (1.436, 1.568),
    "Fe": (1.757, 1.719),
    "LAr": (14.00, 9.043),
    "Pb": (0.5612, 1.602),
    "PbWO4": (0.8904, 1.959),
    "Si": (9.370, 4.944),
    "U": (0.3166, 1.009),
    "W": (0.3504, 0.9327),
}


@pytest.mark.parametrize("name", PDG)
def test_lengths_are_those_of_the_particle_data_group(name: str) -> None:
    material = MATERIALS[name]
    length, radius = PDG[name]
    assert material.radiation_length / material.density == pytest.approx(length, rel=2e-3)
    assert material.moliere_radius / material.density == pytest.approx(radius, rel=2e-3)


def test_one_material_is_its_own_medium() -> None:
    crystal = Sampling(active=Slab(material="PbWO4", thickness=220.0), stochastic_term=0.03)
    medium = effective_medium(with_slabs(crystal))
    assert medium.radiation_length == pytest.approx(8.904, rel=2e-3)
    assert medium.moliere_radius == pytest.approx(19.59, rel=2e-3)
    assert medium.critical_energy == pytest.approx(9.64)
    assert (medium.inverse_frequency, medium.e_over_mip, medium.sampling) == (0, 1, False)


def test_depths_in_radiation_lengths_add() -> None:
    medium = effective_medium(load_detector("calogan"))
    assert 6 / medium.radiation_length == pytest.approx(2 / 5.612 + 4 / 140.0, rel=2e-3)


def test_only_a_stochastic_term_makes_a_detector_sample() -> None:
    assert not effective_medium(load_detector("calogan")).sampling
    medium = effective_medium(load_detector("calochallenge-2"))
    assert medium.sampling
    assert medium.e_over_mip == pytest.approx(1 / (1 + 0.007 * (74 - 14)))
    assert medium.inverse_frequency == pytest.approx(1.4 / 3.504 + 0.3 / 93.7, rel=2e-3)


def test_an_image_has_no_medium() -> None:
    with pytest.raises(DetectorError, match="'galaxies-32' is an image"):
        effective_medium(load_detector("galaxies-32"))


def test_a_missing_sampling_table_is_named() -> None:
    with pytest.raises(DetectorError, match=r"no \[sampling\] table"):
        effective_medium(with_slabs(None))


def test_an_unknown_material_is_named_with_those_there_are() -> None:
    exotic = Sampling(active=Slab(material="unobtainium", thickness=1.0))
    with pytest.raises(DetectorError, match=r"'unobtainium' is not known; available: Al, .*W"):
        effective_medium(with_slabs(exotic))
