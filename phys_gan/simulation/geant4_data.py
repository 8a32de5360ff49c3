r"""What Geant4 reads from files: its own data sets, or tables computed here (:func:`load_geant4`).

Geant4's data sets have gigabytes. Electromagnetic showers need four small tables per element, which
:func:`write_tables` computes, in the formats of Geant4 11.4:

* ``brem_SB/br{Z}``: bremsstrahlung, :math:`\beta^2/Z^2\, k\, d\sigma/dk` [mb] on a grid of the
  photon's fraction of the kinetic energy and of the logarithm of that energy. Screened
  Bethe-Heitler with the Coulomb correction of Davies, Bethe and Maximon: Y.-S. Tsai, Rev. Mod.
  Phys. 46 (1974) 815, equations 3.38 to 3.45. Below 100 MeV, where this approximation of high
  energies fails (by 6 % in lead at 10 MeV, by half at 1 MeV), a polynomial is added that was fitted
  to exact calculations: S. M. Seltzer and M. J. Berger, At. Data Nucl. Data Tables 35 (1986) 345,
  in the version of F. Tessier and I. Kawrakow, Nucl. Instrum. Meth. B 266 (2008) 625. From 0.3 MeV
  on the radiated energy then agrees with theirs to 1.7 %, and the spectra to 1.4 % (standard
  deviation), for boron to uranium.
* ``epics2017/phot/pe-{cs,high,low}-{Z}.dat``: the photoelectric effect, from the parametrisation of
  F. Biggs and R. Lighthill, SAND87-0070, which Geant4 carries as its Sandia tables.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import NDArray

from phys_gan.detectors.materials import coulomb_correction
from phys_gan.errors import MissingError

ANALYTIC = "em-analytic"
"""Electromagnetic physics on the tables of this module."""
STANDARD = "em-standard"
"""Geant4's own standard electromagnetic physics."""

ELECTRON_MASS = 0.51099895
"""[MeV]"""

_ALPHA = 1 / 137.035999
_RADIUS_SQUARED = 79.4078  # classical electron radius squared [mb]
# Radiation logarithms of the elements too light for the Thomas-Fermi model (Tsai, table B.2).
_ELASTIC = {1: 5.3104, 2: 4.7935, 3: 4.7402, 4: 4.7112}
_INELASTIC = {1: 5.9173, 2: 5.6125, 3: 5.5377, 4: 5.4728}
# What is added to Tsai's formula [mb]: Chebyshev polynomials of degree 3, 5 and 2 in ln Z, ln T and
# the fraction of the photon, over these ranges of Z and T [MeV]; it ends between 30 and 100 MeV.
_CORRECTED_Z, _CORRECTED_T, _FADE = (5, 92), (0.01, 100.0), (30.0, 100.0)
_CORRECTION = [
    [
        [2.1062, -0.6430, 0.2278],
        [-2.9366, 0.7818, 0.2177],
        [0.8627, 0.4713, -0.1238],
        [0.5512, -0.8124, 0.2927],
        [-0.6792, 0.6471, -0.1834],
        [0.3893, -0.1293, 0.1634],
    ],
    [
        [0.2029, 0.9304, -0.1321],
        [0.2493, -0.4302, 0.0320],
        [-1.0016, 0.2412, 0.0402],
        [0.4682, 0.5068, -0.1214],
        [0.0789, -0.4837, 0.0545],
        [-0.1685, 0.3968, -0.0730],
    ],
    [
        [-0.0617, -0.0212, 0.0818],
        [0.2669, 0.1360, 0.0736],
        [-0.3140, -0.1686, 0.0919],
        [0.0506, 0.1300, -0.0171],
        [0.1016, -0.0809, 0.0257],
        [-0.1074, 0.0376, 0.0323],
    ],
    [
        [0.0107, 0.0659, 0.0055],
        [-0.0462, 0.0337, -0.0015],
        [-0.0246, 0.0456, 0.0056],
        [-0.0704, -0.0160, 0.0177],
        [0.0770, 0.0296, -0.0207],
        [-0.0639, 0.0056, 0.0187],
    ],
]
_FRACTIONS = np.array(
    [
        0,
        0.01,
        0.025,
        0.05,
        0.075,
        *np.arange(0.1, 0.9, 0.05).round(2),
        0.9,
        0.925,
        0.95,
        0.97,
        0.98,
        0.99,
        0.995,
        0.999,
        1.0,
    ]
)
_KINETIC = 10 ** np.linspace(-3, 4, 71)
"""Kinetic energies of the electron [MeV]."""
_PHOTO_RANGE, _PHOTO_POINTS = (1e-5, 1.0), 400
"""Photon energies [MeV] of the tabulated photoelectric effect; above it is a polynomial in 1/E."""

# The data sets of Geant4 11.4.1 that a physics list reads, and the variables that name them.
_ELECTROMAGNETIC = {
    "G4EMLOW8.8": "G4LEDATA",
    "PhotonEvaporation6.1.2": "G4LEVELGAMMADATA",
    "G4ENSDFSTATE3.0": "G4ENSDFSTATEDATA",
}
_HADRONIC = {"G4PARTICLEXS4.2": "G4PARTICLEXSDATA", "G4SAIDDATA2.0": "G4SAIDXSDATA"}
_NEUTRONS = {"G4NDL4.7.1": "G4NEUTRONHPDATA"}
_ALL = "GEANT4_DATA_DIR"

Sandia = Callable[[int, float], Sequence[float]]
"""Coefficients of 1/E ... 1/E^4 [barn MeV^i] of the photoelectric effect of element Z at
E [MeV]."""


def load_geant4(physics: str, folder: Path) -> Any:
    """Import the wheel ``geant4-pybind``, with its data sets where Geant4 finds them.

    Without ``GEANT4_DATA_DIR`` the wheel would ask, or download gigabytes, when it is imported.

    Arguments:
        physics: ``"em-analytic"``, ``"em-standard"`` or the name of a reference list.
        folder: For tables of our own.

    Raises:
        MissingError: It is not installed, there is no such physics, or data sets that it reads are
            not there.
    """
    root = os.environ.get(_ALL)
    if physics == ANALYTIC:
        for name, variable in _ELECTROMAGNETIC.items():
            (folder / name).mkdir(parents=True, exist_ok=True)
            os.environ[variable] = str(folder / name)
        (folder / "G4ENSDFSTATE3.0" / "ENSDFSTATE.dat").touch()
    os.environ.setdefault(_ALL, str(folder))
    try:
        import geant4_pybind
    except ImportError as error:
        raise MissingError(
            f"full simulation needs geant4-pybind ({error})",
            remedy="install it with: pip install 'phys_gan[geant4]'",
        ) from error
    if physics not in (ANALYTIC, STANDARD):
        factory = geant4_pybind.G4PhysListFactory()
        factory.SetVerbose(0)
        if not factory.IsReferencePhysList(physics):
            lists = ", ".join(map(str, factory.AvailablePhysLists()))
            raise MissingError(
                f"there is no physics '{physics}'; available: {ANALYTIC}, {STANDARD}, {lists}",
                remedy="name one of these",
                value=physics,
            )
    if physics != ANALYTIC:
        _require_data(physics, root)
    return geant4_pybind


def _require_data(physics: str, root: str | None) -> None:
    """Require the data sets that a physics list reads, in the versions of this Geant4."""
    needed = dict(_ELECTROMAGNETIC)
    if physics != STANDARD:
        needed |= _HADRONIC | (_NEUTRONS if "_HP" in physics else {})
    missing = []
    for name, variable in needed.items():
        own = os.environ.get(variable)
        place = Path(own) if own else Path(root or "") / name
        if not (own or root) or place.name != name or not place.is_dir():
            missing.append(name)
    if missing:
        where = f"in '{root}'" if root else f"because {_ALL} is not set"
        raise MissingError(
            f"the physics '{physics}' reads data sets of Geant4 that are missing {where}: "
            f"{', '.join(missing)}",
            remedy=f"unpack them (cern.ch/geant4-data/datasets) and set {_ALL} to their folder; "
            f"showers of electrons and photons need none with '{ANALYTIC}'",
            value=physics,
            constraint=tuple(missing),
        )


def bremsstrahlung(
    z: int, kinetic: NDArray[np.float64], fraction: NDArray[np.float64]
) -> NDArray[np.float64]:
    r"""Return :math:`\beta^2/Z^2\, k\, d\sigma/dk` [mb] of an electron in the field of an atom.

    Arguments:
        z: Atomic number.
        kinetic: Kinetic energies T [MeV].
        fraction: Photon energies k over T, broadcast against ``kinetic``.
    """
    kinetic, fraction = np.broadcast_arrays(kinetic, fraction)
    energy = kinetic + ELECTRON_MASS
    y = np.minimum(fraction, 1 - 1e-6) * kinetic / energy
    coulomb = coulomb_correction(z)
    if z in _ELASTIC:
        # Complete screening, or none where the momentum transfer is too large for it.
        bare = np.log(2 * energy * (1 - y) / (ELECTRON_MASS * np.maximum(y, 1e-12))) - 0.5
        elastic = np.minimum(_ELASTIC[z], bare)
        inelastic = np.minimum(_INELASTIC[z], bare)
        screened = (1 - y + 0.75 * y**2) * (elastic - coulomb + inelastic / z)
        screened += (1 - y) * (1 + 1 / z) / 12
    else:
        # Tsai's gamma and epsilon, and his fits to the Thomas-Fermi-Moliere screening functions.
        momentum = 100 * ELECTRON_MASS * y / (energy * (1 - y))
        g, e = momentum / z ** (1 / 3), momentum / z ** (2 / 3)
        phi1 = (
            16.863
            - 2 * np.log(1 + 0.311877 * g**2)
            + 2.4 * np.exp(-0.9 * g)
            + 1.6 * np.exp(-1.5 * g)
        )
        phi12 = 2 / (3 + 19.5 * g + 18 * g**2)
        psi1 = (
            24.34
            - 2 * np.log(1 + 13.111641 * e**2)
            + 2.8 * np.exp(-8 * e)
            + 1.2 * np.exp(-29.2 * e)
        )
        psi12 = 2 / (3 + 120 * e + 1200 * e**2)
        log_z = math.log(z)
        screened = (1 - y + 0.75 * y**2) * (
            0.25 * phi1 - log_z / 3 - coulomb + (0.25 * psi1 - 2 * log_z / 3) / z
        ) + 0.125 * (1 - y) * (phi12 + psi12 / z)
    # Where screening is stronger than the formula allows for, it must stay positive.
    beta_squared = 1 - (ELECTRON_MASS / energy) ** 2
    tsai = np.maximum(screened, 0.02) * beta_squared * 16 * _ALPHA * _RADIUS_SQUARED / 3
    if z < _CORRECTED_Z[0]:
        return tsai
    return np.maximum(tsai + _correction(z, kinetic, fraction), 0.02)


def _correction(
    z: int, kinetic: NDArray[np.float64], fraction: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return what is added to Tsai's formula [mb]."""

    def scaled(values: Any, low: float, high: float) -> Any:
        inside = np.clip(values, low, high)
        return 2 * np.log(inside / low) / math.log(high / low) - 1

    low, high = _FADE
    fade = np.clip(np.log(high / kinetic) / math.log(high / low), 0, 1)
    added = chebyshev.chebval3d(
        np.full(kinetic.shape, scaled(z, *_CORRECTED_Z)),
        scaled(kinetic, *_CORRECTED_T),
        2 * fraction - 1,
        np.array(_CORRECTION),
    )
    return np.asarray(added * fade**2 * (3 - 2 * fade), np.float64)


def write_tables(folder: Path, elements: Mapping[int, Sandia]) -> None:
    """Write the tables of some elements where ``G4LEDATA`` points to.

    Arguments:
        folder: The folder; it is made.
        elements: Coefficients of the photoelectric effect by atomic number.
    """
    photo = folder / "epics2017" / "phot"
    for part in (folder / "brem_SB", photo):
        part.mkdir(parents=True, exist_ok=True)
    low, high = _PHOTO_RANGE
    energies = np.geomspace(low, 1.001 * high, _PHOTO_POINTS)
    for z, sandia in elements.items():
        # A two-dimensional vector of Geant4: its type, its sizes, both axes, a row per energy.
        values = bremsstrahlung(z, _KINETIC[:, np.newaxis], _FRACTIONS)
        rows = [
            f"4 {len(_FRACTIONS)} {len(_KINETIC)}",
            _line(_FRACTIONS, 6),
            _line(np.log(_KINETIC), 10),
            *(_line(row, 6) for row in values),
        ]
        (folder / "brem_SB" / f"br{z}").write_text("\n".join(rows) + "\n")
        # Of one shell: a polynomial in 1/E above `high`, and sigma E^3 [barn MeV^3] below.
        polynomial = f"1 1 {high}\n{low} {' '.join(map(str, sandia(z, high)))} 0 0\n"
        for name in ("high", "low"):
            (photo / f"pe-{name}-{z}.dat").write_text(polynomial)
        sums = (
            sum(c / energy ** (i + 1) for i, c in enumerate(sandia(z, energy)))
            for energy in energies
        )
        table = [
            f"{energy:.9g} {max(total * energy**3, 1e-30):.9g}"
            for energy, total in zip(energies, sums, strict=True)
        ]
        head = f"{energies[0]:.9g} {energies[-1]:.9g} {len(energies)}\n{len(energies)}\n"
        (photo / f"pe-cs-{z}.dat").write_text(head + "\n".join(table) + "\n")


def _line(values: NDArray[np.float64], digits: int) -> str:
    return " ".join(f"{value:.{digits}g}" for value in values)
