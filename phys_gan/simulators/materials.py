"""Materials, and the effective medium that a period of a calorimeter makes for a shower."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from phys_gan.detectors import Detector, Slab
from phys_gan.errors import DetectorError

__all__ = ["MATERIALS", "EffectiveMedium", "Material", "effective_medium"]

SCALE_ENERGY = 21.2
"""E_s = m_e c^2 sqrt(4 pi / alpha) [MeV], the scale energy of multiple scattering."""


@dataclass(frozen=True)
class Material:
    """Hold the properties of one material; mixtures are averaged by weight.

    Attributes:
        z: Atomic number.
        density: Density [g/cm^3].
        radiation_length: X_0 [g/cm^2].
        critical_energy: E_c of electrons after Rossi [MeV].
    """

    z: float
    density: float
    radiation_length: float
    critical_energy: float

    @property
    def moliere_radius(self) -> float:
        """Moliere radius R_M = E_s X_0 / E_c [g/cm^2]."""
        return SCALE_ENERGY * self.radiation_length / self.critical_energy


MATERIALS: Mapping[str, Material] = MappingProxyType(
    {
        "Al": Material(13, 2.699, 24.01, 42.70),
        "BGO": Material(62.5, 7.130, 7.97, 10.50),
        "C": Material(6, 2.210, 42.70, 81.74),
        "CsI": Material(54.0, 4.510, 8.39, 11.17),
        "Cu": Material(29, 8.960, 12.86, 19.42),
        "Fe": Material(26, 7.874, 13.84, 21.68),
        "LAr": Material(18, 1.396, 19.55, 32.84),
        "LKr": Material(36, 2.418, 11.37, 17.03),
        "LXe": Material(54, 2.953, 8.48, 11.66),
        "Pb": Material(82, 11.35, 6.37, 7.43),
        "PbWO4": Material(68.4, 8.300, 7.39, 9.64),
        "Si": Material(14, 2.329, 21.82, 40.19),
        "U": Material(92, 18.95, 6.00, 6.65),
        "W": Material(74, 19.30, 6.76, 7.97),
        "air": Material(7.37, 1.205e-3, 36.62, 87.92),
        "polystyrene": Material(5.61, 1.060, 43.79, 93.11),
        "scintillator": Material(5.57, 1.032, 43.90, 94.11),
        "water": Material(7.22, 1.000, 36.08, 78.33),
    }
)
"""Materials by name: Particle Data Group, Atomic and Nuclear Properties of Materials (2024)."""


@dataclass(frozen=True)
class EffectiveMedium:
    """Hold what a shower feels of a calorimeter (Grindhammer and Peters, hep-ex/0001020, sec. 3).

    Attributes:
        z: Effective atomic number.
        radiation_length: X_0 [mm].
        critical_energy: E_c [MeV].
        moliere_radius: R_M [mm].
        inverse_frequency: 1 / F_S, periods' depth in radiation lengths; 0 when all is read out.
        e_over_mip: Response to electrons over that to minimum ionising particles; 1 when all is
            read out.
        sampling: Whether only the active slabs are read out.
    """

    z: float
    radiation_length: float
    critical_energy: float
    moliere_radius: float
    inverse_frequency: float = 0.0
    e_over_mip: float = 1.0
    sampling: bool = False


def effective_medium(detector: Detector) -> EffectiveMedium:
    r"""Return the effective medium of a detector.

    With the share of weight :math:`w_i = \rho_i d_i / \sum_j \rho_j d_j` of each slab,

    .. math:: Z = \sum w_i Z_i, \quad 1 / X_0 = \sum w_i / X_{0,i}, \quad
        E_c = X_0 \sum w_i E_{c,i} / X_{0,i}, \quad R_M = E_s X_0 / E_c

    and, when only the active slabs are read out, :math:`F_S = X_0 / (d_a + d_p)` and
    :math:`e/mip = 1 / (1 + 0.007 (Z_p - Z_a))`.

    A detector without absorber, or one without a stochastic term (the deposits in the absorber
    are read out too), does not sample: it behaves as a homogeneous block of the mixture.

    Raises:
        DetectorError: The detector is an image or a toy, has no ``[sampling]`` table, or is made
            of a material that is not known.
    """
    sampling = detector.sampling
    if detector.signed:
        kind = "an image" if detector.is_image else "a toy"
        raise DetectorError(
            f"detector '{detector.name}' is {kind}, in which no shower can be simulated",
            remedy="name a detector with Cartesian or polar layers",
            value=detector.name,
        )
    if sampling is None:
        raise DetectorError(
            f"detector '{detector.name}' has no [sampling] table, so its material is unknown",
            remedy="add [sampling] with the active slab and, where there is one, the absorber",
            value=detector.name,
        )
    slabs = [sampling.active] if sampling.absorber is None else [sampling.active, sampling.absorber]
    materials = [_material(slab) for slab in slabs]
    depth = sum(slab.thickness for slab in slabs)
    # The densities are in g/cm^3 and the slabs in mm: the factor 10 appears with X_0 below.
    grams = [m.density * s.thickness for m, s in zip(materials, slabs, strict=True)]
    shares = [gram / sum(grams) for gram in grams]
    mixture = list(zip(shares, materials, strict=True))
    grams_per_x0 = 1 / sum(w / m.radiation_length for w, m in mixture)
    radiation_length = 10 * grams_per_x0 * depth / sum(grams)
    critical_energy = grams_per_x0 * sum(
        w * m.critical_energy / m.radiation_length for w, m in mixture
    )
    reads_all = len(slabs) == 1 or sampling.stochastic_term == 0
    return EffectiveMedium(
        z=sum(w * m.z for w, m in mixture),
        radiation_length=radiation_length,
        critical_energy=critical_energy,
        moliere_radius=SCALE_ENERGY * radiation_length / critical_energy,
        inverse_frequency=0.0 if reads_all else depth / radiation_length,
        e_over_mip=1.0 if reads_all else 1 / (1 + 0.007 * (materials[1].z - materials[0].z)),
        sampling=not reads_all,
    )


def _material(slab: Slab) -> Material:
    try:
        return MATERIALS[slab.material]
    except KeyError:
        raise DetectorError(
            f"material '{slab.material}' is not known; available: {', '.join(MATERIALS)}",
            remedy="name one of these that is close in atomic number, and scale its thickness",
            value=slab.material,
        ) from None
