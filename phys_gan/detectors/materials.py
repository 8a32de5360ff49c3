r"""Materials as an electromagnetic shower sees them: radiation length, critical energy, density.

What the Particle Data Group tabulates is taken from there. Any other element follows from Tsai's
formula, any other mixture from Bragg's rule of additivity, :math:`1/X_0 = \sum w_i / X_{0,i}` with
the fractions of weight w. Names are those of elements, of :data:`MATERIALS`, of NIST as Geant4 has
them (``G4_KAPTON``), or the user's own in a construction.

References:
    Particle Data Group, Review of Particle Physics (2024), sec. 34.4 and Atomic and Nuclear
    Properties of Materials.
    Y.-S. Tsai, Rev. Mod. Phys. 46 (1974) 815.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from phys_gan.errors import DetectorError

SCALE_ENERGY = 21.2
"""E_s = m_e c^2 sqrt(4 pi / alpha) [MeV], the scale energy of multiple scattering."""

_ALPHA = 1 / 137.035999


@dataclass(frozen=True)
class Material:
    """The properties of one material; mixtures are averaged by weight.

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
    def length(self) -> float:
        """Radiation length X_0 [mm]."""
        return 10 * self.radiation_length / self.density

    @property
    def moliere_radius(self) -> float:
        """Moliere radius R_M = E_s X_0 / E_c [mm]."""
        return SCALE_ENERGY * self.length / self.critical_energy


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

_OF_NIST: Mapping[str, str] = MappingProxyType(
    {
        "C": "G4_GRAPHITE",
        "CsI": "G4_CESIUM_IODIDE",
        "LAr": "G4_lAr",
        "LKr": "G4_lKr",
        "LXe": "G4_lXe",
        "air": "G4_AIR",
        "polystyrene": "G4_POLYSTYRENE",
        "scintillator": "G4_PLASTIC_SC_VINYLTOLUENE",
        "water": "G4_WATER",
    }
)
"""Those whose name in Geant4 is not ``G4_`` and ours."""
_OURS = {f"G4_{name}": name for name in MATERIALS if name not in _OF_NIST} | {
    theirs: ours for ours, theirs in _OF_NIST.items()
}

# Symbol, atomic mass [g/mol] and density [g/cm3] of the elements, from hydrogen to uranium (NIST).
_ELEMENTS = """
    H 1.0079 8.3748e-05, He 4.0026 0.00016632, Li 6.94 0.534, Be 9.0122 1.848, B 10.811 2.37,
    C 12.011 2, N 14.007 0.0011652, O 15.999 0.0013315, F 18.998 0.0015803, Ne 20.18 0.0008385,
    Na 22.99 0.971, Mg 24.305 1.74, Al 26.982 2.699, Si 28.085 2.33, P 30.974 2.2, S 32.066 2,
    Cl 35.453 0.0029947, Ar 39.948 0.001662, K 39.098 0.862, Ca 40.078 1.55, Sc 44.956 2.989,
    Ti 47.867 4.54, V 50.942 6.11, Cr 51.996 7.18, Mn 54.938 7.44, Fe 55.845 7.874, Co 58.933 8.9,
    Ni 58.693 8.902, Cu 63.546 8.96, Zn 65.396 7.133, Ga 69.723 5.904, Ge 72.613 5.323,
    As 74.922 5.73, Se 78.959 4.5, Br 79.904 0.0070721, Kr 83.799 0.0034783, Rb 85.468 1.532,
    Sr 87.617 2.54, Y 88.906 4.469, Zr 91.224 6.506, Nb 92.906 8.57, Mo 95.931 10.22,
    Tc 97.907 11.5, Ru 101.06 12.41, Rh 102.91 12.41, Pd 106.42 12.02, Ag 107.87 10.5,
    Cd 112.41 8.65, In 114.82 7.31, Sn 118.71 7.31, Sb 121.76 6.691, Te 127.6 6.24, I 126.9 4.93,
    Xe 131.29 0.0054854, Cs 132.91 1.873, Ba 137.33 3.5, La 138.91 6.154, Ce 140.12 6.657,
    Pr 140.91 6.71, Nd 144.24 6.9, Pm 144.91 7.22, Sm 150.37 7.46, Eu 151.96 5.243,
    Gd 157.25 7.9004, Tb 158.93 8.229, Dy 162.5 8.55, Ho 164.93 8.795, Er 167.26 9.066,
    Tm 168.93 9.321, Yb 173.04 6.73, Lu 174.97 9.84, Hf 178.49 13.31, Ta 180.95 16.654,
    W 183.84 19.3, Re 186.21 21.02, Os 190.22 22.57, Ir 192.22 22.42, Pt 195.08 21.45,
    Au 196.97 19.32, Hg 200.6 13.546, Tl 204.38 11.72, Pb 207.22 11.35, Bi 208.98 9.747,
    Po 208.98 9.32, At 209.99 9.32, Rn 222.02 0.0090066, Fr 223.02 1, Ra 226.03 5, Ac 227.03 10.07,
    Th 232.04 11.72, Pa 231.04 15.37, U 238.03 18.95
"""
_BY_SYMBOL = {
    symbol: (z, float(mass), float(density))
    for z, (symbol, mass, density) in enumerate(
        (entry.split() for entry in _ELEMENTS.replace("\n", " ").split(",")), start=1
    )
}
# Where the Thomas-Fermi model of the atom does not hold (Tsai, table B.2).
_LIGHT = {1: (5.31, 6.144), 2: (4.79, 5.621), 3: (4.74, 5.805), 4: (4.71, 5.924)}
_GASES = frozenset(("H", "He", "N", "O", "F", "Ne", "Cl", "Ar", "Kr", "Xe", "Rn"))

_COMPOUNDS: Mapping[str, tuple[float, Mapping[str, float]]] = MappingProxyType(
    {
        "G4_ALUMINUM_OXIDE": (3.97, {"Al": 0.5293, "O": 0.4707}),
        "G4_BARIUM_FLUORIDE": (4.89, {"Ba": 0.7833, "F": 0.2167}),
        "G4_BRASS": (8.52, {"Cu": 0.5751, "Zn": 0.3342, "Pb": 0.0907}),
        "G4_GALLIUM_ARSENIDE": (5.31, {"Ga": 0.4820, "As": 0.5180}),
        "G4_GLASS_LEAD": (
            6.22,
            {"O": 0.1565, "Si": 0.0809, "Ti": 0.0081, "As": 0.0026, "Pb": 0.7519},
        ),
        "G4_Galactic": (1e-25, {"H": 1.0}),
        "G4_KAPTON": (1.42, {"C": 0.6911, "H": 0.0264, "N": 0.0733, "O": 0.2092}),
        "G4_MYLAR": (1.40, {"C": 0.6250, "H": 0.0420, "O": 0.3330}),
        "G4_PLEXIGLASS": (1.19, {"C": 0.5998, "H": 0.0805, "O": 0.3196}),
        "G4_POLYCARBONATE": (1.20, {"C": 0.7557, "H": 0.0555, "O": 0.1888}),
        "G4_POLYETHYLENE": (0.94, {"C": 0.8563, "H": 0.1437}),
        "G4_SILICON_DIOXIDE": (2.32, {"Si": 0.4674, "O": 0.5326}),
        "G4_SODIUM_IODIDE": (3.667, {"Na": 0.1534, "I": 0.8466}),
        "G4_STAINLESS-STEEL": (8.00, {"Fe": 0.7462, "Cr": 0.1690, "Ni": 0.0848}),
        "G4_TEFLON": (2.20, {"C": 0.2402, "F": 0.7598}),
    }
)
"""Density [g/cm3] and fractions of weight of further materials of NIST."""


def nist_name(material: str) -> str:
    """Return what Geant4 calls a material.

    Example:
        >>> nist_name("scintillator"), nist_name("Pb"), nist_name("G4_KAPTON")
        ('G4_PLASTIC_SC_VINYLTOLUENE', 'G4_Pb', 'G4_KAPTON')
    """
    return _OF_NIST.get(material, material if material.startswith("G4_") else f"G4_{material}")


def coulomb_correction(z: int) -> float:
    """Return f(alpha Z) of Davies, Bethe and Maximon (Tsai, equation 3.3)."""
    a = (_ALPHA * z) ** 2
    return a * (1 / (1 + a) + 0.20206 - 0.0369 * a + 0.0083 * a**2 - 0.002 * a**3)


def element(symbol: str) -> Material:
    r"""Return an element by Tsai's formula and Rossi's critical energy as the PDG fits it.

    .. math:: \frac{1}{X_0} = \frac{Z^2 (L - f(Z)) + Z L'}{716.408\,A}, \quad
        E_c = \frac{610\,MeV}{Z + 1.24}\ (710\,MeV / (Z + 0.92)\ \text{for gases})

    Raises:
        KeyError: There is no such element up to uranium.

    Example:
        >>> round(element("Pb").length, 2)
        5.61
    """
    z, mass, density = _BY_SYMBOL[symbol]
    elastic, inelastic = _LIGHT.get(
        z, (math.log(184.15 * z ** (-1 / 3)), math.log(1194 * z ** (-2 / 3)))
    )
    length = 716.408 * mass / (z**2 * (elastic - coulomb_correction(z)) + z * inelastic)
    critical = 710 / (z + 0.92) if symbol in _GASES else 610 / (z + 1.24)
    return Material(z, density, length, critical)


def mixture(parts: Sequence[tuple[float, Material]], density: float) -> Material:
    r"""Return a mixture of materials.

    .. math:: Z = \sum w_i Z_i, \quad 1 / X_0 = \sum w_i / X_{0,i}, \quad
        E_c = X_0 \sum w_i E_{c,i} / X_{0,i}

    Arguments:
        parts: Fractions of weight w, together 1, and the materials.
        density: Density of the mixture [g/cm3].
    """
    length = 1 / sum(w / m.radiation_length for w, m in parts)
    return Material(
        z=sum(w * m.z for w, m in parts),
        density=density,
        radiation_length=length,
        critical_energy=length * sum(w * m.critical_energy / m.radiation_length for w, m in parts),
    )


def find_material(
    name: str, own: Mapping[str, tuple[float, Mapping[str, float]]] | None = None
) -> Material:
    """Return a material by its name.

    Arguments:
        name: Element, name of :data:`MATERIALS`, or name of NIST such as ``G4_KAPTON``.
        own: Further ones by name: density [g/cm3], and fractions of weight by name.

    Raises:
        DetectorError: There is no such material.

    Example:
        >>> round(find_material("G4_KAPTON").length)
        286
    """
    if own and name in own:
        density, composition = own[name]
        # Parts may be the user's own, but not the material itself.
        others = {key: value for key, value in own.items() if key != name}
        return _mixed(density, composition, others)
    if (ours := _OURS.get(name, name)) in MATERIALS:
        return MATERIALS[ours]
    if name in _COMPOUNDS:
        return _mixed(*_COMPOUNDS[name], {})
    if (symbol := name.removeprefix("G4_")) in _BY_SYMBOL:
        return element(symbol)
    raise DetectorError(
        f"material '{name}' is not known; available: {', '.join(MATERIALS)}, any element, and "
        f"{', '.join(_COMPOUNDS)}",
        remedy="name one of these, or declare it under [construction.materials]",
        value=name,
    )


def _mixed(
    density: float,
    composition: Mapping[str, float],
    own: Mapping[str, tuple[float, Mapping[str, float]]],
) -> Material:
    total = sum(composition.values())
    return mixture(
        [(part / total, find_material(name, own)) for name, part in composition.items()], density
    )
