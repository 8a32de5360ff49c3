"""Bad input, one kind after the other, in every layout that it can occur in."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import awkward as ak
import h5py
import numpy as np
import pytest
import uproot

from phys_gan.data import FORMATS, read
from phys_gan.data.format import Frame, HitMapping
from phys_gan.data.formats.galaxies import image_detector
from phys_gan.detectors import Detector
from phys_gan.errors import ConfigError, MissingError, PhysGanError

fits = pytest.importorskip("astropy.io.fits")

Copied = Callable[[str], Path]
Wrong = Callable[..., PhysGanError]
SMALL = Detector.from_toml(
    'name = "small"\n[sampling]\nresponse = 0.8\nactive = { material = "Si", thickness = 0.3 }\n'
    + "".join(
        f'[[layers]]\nkind = "polar"\nz = [{z}, {z + 1}]\nr = [0.0, 1.0, 3.0]\nn_alpha = 3\n'
        for z in (0.0, 1.0)
    )
)
Content = dict[str, Any]
IMAGES = ("galaxy10-hdf5", "galaxiesml-hdf5", "cosmos-fits")
AXES = Detector.from_toml('name = "axes"\ncell_unit = ""\n' + 2 * '[[layers]]\nkind = "axis"\n')
IMAGE = image_detector("image", "grz", (8, 8), 0.2, "count")
HITS = HitMapping.model_validate(
    {
        "hits": {"x": "x", "y": "y", "z": "z", "energy": "energy"},
        "conditions": {"energy": "incident_energy", "theta": "condition_theta"},
    }
)
# How files of other programs are read: what those of ours say themselves.
FOREIGN: dict[str, dict[str, Any]] = {
    "calogan-hdf5": {},
    "calogan-root": {},
    "hits-root": {"detector": SMALL, "mapping": HITS},
    "edm4hep-root": {"detector": SMALL, "mapping": HitMapping(frame=Frame())},
    "galaxiesml-hdf5": {},
    "galaxy10-hdf5": {"detector": IMAGE},
    "cosmos-fits": {},
    "toys-hdf5": {"detector": AXES},
} | {name: {"detector": SMALL} for name in FORMATS if re.match("caloch|par04|shower|caloc", name)}

CELLS = {
    "calogan-hdf5": "layer_1",
    "calogan-root": "fancy_tree/cell_300",
    "hits-root": "hits/energy",
    "edm4hep-root": "events/CalorimeterHits.energy",
    "calochallenge-hdf5": "showers",
    "galaxy10-hdf5": "images",
    "galaxiesml-hdf5": "image",
    "cosmos-fits": "pixels",
    "par04-root": "virtualReadout/EnergyCell",
    "par04-hdf5": "showers",
    "showerdata-hdf5": "showers",
    "caloclouds-hdf5": "events",
    "toys-hdf5": "points",
}
ENERGY = {
    "calogan-hdf5": "energy",
    "calogan-root": "fancy_tree/TotalEnergy",
    "hits-root": "hits/incident_energy",
    "edm4hep-root": "events/condition_energy",
    "calochallenge-hdf5": "incident_energies",
    "par04-root": "global/EnergyMC",
    "par04-hdf5": "incident_energy",
    "showerdata-hdf5": "energies",
    "caloclouds-hdf5": "energy",
}


def edit(path: Path, change: Callable[[Content], Any], own: bool = True) -> None:
    """Change the data sets, branches or columns of a file; leave out what makes it one of ours."""
    {".h5": edit_hdf5, ".root": edit_root, ".fits": edit_fits}[path.suffix](path, change, own)


def edit_hdf5(path: Path, change: Callable[[Content], Any], own: bool) -> None:
    content: Content = {}
    with h5py.File(path) as file:
        file.visititems(
            lambda name, it: content.update({name: it[()]}) if hasattr(it, "shape") else None
        )
        texts = dict(file.attrs)
    if not own and "events" in content:
        content["events"][..., 3] /= 1000
    if not own and "num_points" in content:
        for points in content["showers"]:
            points[3::4] /= 1000
    change(content)
    with h5py.File(path, "w") as file:
        for name, values in content.items():
            vlen = values.dtype == object and h5py.vlen_dtype(np.float64)
            file.create_dataset(name, data=values, dtype=vlen or None)
        if own:
            file.attrs.update(texts)


def edit_root(path: Path, change: Callable[[Content], Any], own: bool) -> None:
    content: Content = {}
    with uproot.open(path) as file:
        text = str(file["phys_gan"])
        for name, tree in file.items(cycle=False, filter_classname="TTree"):
            arrays = tree.arrays(library="ak")
            lists = {f"n{field}" for field in arrays.fields if arrays[field].ndim > 1}
            for field in arrays.fields:
                if field not in lists:
                    one = arrays[field]
                    content[f"{name}/{field}"] = one if one.ndim > 1 else ak.to_numpy(one)
    change(content)
    with uproot.recreate(path) as file:
        for tree in dict.fromkeys(name.split("/")[0] for name in content):
            columns = {n.split("/")[1]: it for n, it in content.items() if n.startswith(tree)}
            if tree == "fancy_tree":
                # An RNTuple of 500 branches is written twenty times as fast as a TTree.
                file.mkrntuple(tree, columns)
                continue
            made = file.mktree(tree, {name: kind(it) for name, it in columns.items()})
            if len(next(iter(columns.values()))):
                made.extend(columns)
        if own:
            file["phys_gan"] = text


def kind(values: Any) -> Any:
    flat = values.dtype if isinstance(values, np.ndarray) else ak.to_numpy(ak.flatten(values)).dtype
    return flat if isinstance(values, np.ndarray) else f"var * {flat}"


def edit_fits(path: Path, change: Callable[[Content], Any], own: bool) -> None:
    stamps = path.with_name(f"{path.stem}_images.fits")
    with fits.open(path, memmap=False) as file:
        table, texts = file[1].data, file["PHYS_GAN"].data
        content: Content = {name: np.array(table[name]) for name in table.names}
    with fits.open(stamps, memmap=False) as file:
        content["pixels"] = np.stack([hdu.data for hdu in file[1:]])
    change(content)
    pixels = content.pop("pixels")
    codes = {"i": "K", "f": "D", "S": "20A", "U": "20A"}
    columns = [fits.Column(n, codes[it.dtype.kind], array=it) for n, it in content.items()]
    first, table = fits.PrimaryHDU(), fits.BinTableHDU.from_columns(columns)
    more = [fits.ImageHDU(texts, name="PHYS_GAN")] if own else []
    fits.HDUList([first, table, *more]).writeto(path, overwrite=True)
    hdus = [fits.PrimaryHDU(), *(fits.ImageHDU(one) for one in pixels)]
    fits.HDUList(hdus).writeto(stamps, overwrite=True)


def spoilt(values: Any, value: float) -> Any:
    """Return the values with another one in the last place of event 2."""
    if isinstance(values, np.ndarray) and values.dtype == object:
        flat = [one.astype(np.float64) for one in values]
        flat[2][-1] = value
        return np.array([*flat, None], object)[:-1]
    if isinstance(values, np.ndarray):
        values = values.astype(np.float64)
        values[2].reshape(-1)[-1] = value
        if not values[2].shape:
            values[2] = value
        return values
    counts, flat = ak.num(values), ak.to_numpy(ak.flatten(values)).astype(np.float64)
    flat[sum(counts[:3]) - 1] = value
    return ak.unflatten(flat, counts)


def energies(layout: str, own: bool) -> list[str]:
    """Return where the incident energies are."""
    if layout == "edm4hep-root" and not own:
        return [f"events/MCParticles.momentum.{axis}" for axis in "xyz"]
    return [ENERGY[layout]]


def set_cell(value: float) -> Callable[[Content, str, bool], None]:
    def change(content: Content, layout: str, own: bool) -> None:
        content[CELLS[layout]] = spoilt(content[CELLS[layout]], value)

    return change


def set_energy(value: float) -> Callable[[Content, str, bool], None]:
    def change(content: Content, layout: str, own: bool) -> None:
        for name in energies(layout, own):
            content[name] = spoilt(content[name], value)

    return change


def scale_energies(factor: float) -> Callable[[Content, str, bool], None]:
    def change(content: Content, layout: str, own: bool) -> None:
        for name in energies(layout, own):
            content[name] = content[name] * factor

    return change


def no_events(content: Content, layout: str, own: bool) -> None:
    for name in content.keys() - {"shape"}:
        content[name] = content[name][:0]


VALUES: dict[str, tuple[Callable[[Content, str, bool], None], tuple[str, ...]]] = {
    "a cell is NaN": (set_cell(np.nan), ("NaN", "event 2")),
    "a cell is infinite": (set_cell(np.inf), ("infinite", "event 2")),
    "a cell is too large": (set_cell(1e300), ("infinite", "event 2")),
    "a cell is negative": (set_cell(-1.0), ("negative", "event 2")),
    "an energy is NaN": (set_energy(np.nan), ("NaN", "event 2")),
    "an energy is infinite": (set_energy(np.inf), ("infinite", "event 2")),
    "an energy is negative": (set_energy(-1.0), ("must be positive",)),
    "an energy is zero": (set_energy(0.0), ("must be positive",)),
    "energies 1000 times too large": (
        scale_energies(1000),
        ("median of E_tot/E_inc is", "the incident energies look like {less} where {unit} is"),
    ),
    "energies 1000 times too small": (
        scale_energies(1e-3),
        ("median of E_tot/E_inc is", "the incident energies look like {more} where {unit} is"),
    ),
    "no events": (no_events, ("no {events}; check the job that made it",)),
}


def has(layout: str, case: str, own: bool) -> bool:
    """Return whether there can be such values."""
    if layout in (*IMAGES, "toys-hdf5"):
        # Pixels and coordinates may be negative, and have no energy.
        return not ("energ" in case or "negative" in case)
    if layout == "calogan-root" and not own:
        # What makes it ours changes nothing, and takes a second.
        return False
    # A momentum has no sign.
    return own or layout != "edm4hep-root" or case != "an energy is negative"


@pytest.mark.parametrize(
    ("layout", "case", "own"),
    [
        pytest.param(n, case, own, id=f"{n}, {'ours' if own else 'foreign'}: {case}")
        for n in FORMATS
        for case in VALUES
        for own in (True, False)
        if has(n, case, own)
    ],
)
def test_values_that_make_no_sense(
    copied: Copied, wrong: Wrong, layout: str, case: str, own: bool
) -> None:
    change, words = VALUES[case]
    path = copied(layout)
    edit(path, lambda content: change(content, layout, own), own)
    unit = FORMATS[layout].energy_unit
    names = {
        "unit": unit,
        "less": {"GeV": "MeV", "MeV": "keV"}[unit],
        "more": {"GeV": "TeV", "MeV": "GeV"}[unit],
        "events": "galaxies" if layout == "cosmos-fits" else "events",
    }
    if layout == "edm4hep-root" and not own and case.startswith("an energy"):
        # Here energies are those of momenta.
        words = ("no direction or point of entry (first: event 2)",)
    how = {} if own else FOREIGN[layout]
    wrong(path, *(word.format(**names) for word in words), every=layout != "calogan-root", **how)


# Names, shapes, detectors.


@pytest.mark.parametrize(
    ("layout", "need"),
    [(n, need) for n in FORMATS for need in FORMATS[n].needs if need != "specz_redshift"],
)
def test_missing_names(copied: Copied, wrong: Wrong, layout: str, need: str) -> None:
    path = copied(layout)

    def change(content: Content) -> None:
        for name in [name for name in content if name.split("/")[-1] == need]:
            content[f"{name}_"] = content.pop(name)

    # Files of ours may have no energies, and galaxies no classes.
    own = need not in ("incident_energies", "ans")
    edit(path, change, own)
    error = wrong(path, f"'{need}' (nearest: '", f"'{need}_'", every=layout != "calogan-root")
    assert isinstance(error, MissingError)


def to(name: str, change: Callable[[Any], Any]) -> Callable[[Content], None]:
    def apply(content: Content) -> None:
        content[name] = change(content[name])

    return apply


def add(name: str, other: str) -> Callable[[Content], None]:
    return lambda content: content.update({name: content[other]})


def lists(values: Any) -> Any:
    return ak.unflatten(values, np.ones(len(values), np.int64))


def shorter(values: Any) -> Any:
    """Return lists without the last number of event 2."""
    counts = ak.to_numpy(ak.num(values))
    flat = np.delete(ak.to_numpy(ak.flatten(values)), counts[:3].sum() - 1)
    return ak.unflatten(flat, counts - np.array([0, 0, 1, 0]))


def torn(values: Any) -> Any:
    return np.array([values[0][:-1], *values[1:], None], object)[:-1]


CONTENT: list[tuple[str, Callable[[Content], None], str]] = [
    ("calogan-hdf5", to("layer_1", lambda it: it[:, 1:]), "'layer_1' has shape (4, 11, 12)"),
    ("calogan-hdf5", to("energy", lambda it: it[:3]), "'layer_0' has 4 events, but 'energy'"),
    ("calogan-hdf5", to("energy", lambda it: np.tile(it, 2)), "(4, 2), but must be (N, 1)"),
    ("calogan-hdf5", to("overflow", lambda it: it[:, 1:]), "(4, 2), but must be (4, 3)"),
    ("calogan-hdf5", to("conditions/pdg", lambda it: it[1:]), "3 values of 'pdg' for 4 events"),
    ("calogan-hdf5", add("conditions/energy", "energy"), "'energy' is there twice"),
    ("calogan-root", to("fancy_tree/TotalEnergy", lists), "not hold one number per event"),
    ("calogan-root", to("fancy_tree/cell_9", lists), "not hold one number per event"),
    ("calogan-root", add("fancy_tree/condition_energy", "fancy_tree/cell_9"), "there twice"),
    ("hits-root", to("hits/energy", shorter), "has 11 numbers in event 2, but 'cell' has 12"),
    ("hits-root", to("hits/incident_energy", lists), "not hold one number per event"),
    ("hits-root", to("hits/cell", lambda it: it + 1), "names cells from 1 to 12, but detector"),
    ("hits-root", add("hits/condition_energy", "hits/overflow_1"), "'energy' is there twice"),
    ("edm4hep-root", to("events/CalorimeterHits.energy", shorter), "has 11 numbers in event 2"),
    ("edm4hep-root", to("events/condition_energy", lists), "not hold one number per event"),
    ("calochallenge-hdf5", to("showers", lambda it: it[:, 1:]), "has 11 voxels, but detector 'sm"),
    ("calochallenge-hdf5", to("showers", lambda it: it[None]), "must be (N, n_voxels)"),
    ("calochallenge-hdf5", to("incident_energies", lambda it: it[1:]), "3 values of 'energy'"),
    ("calochallenge-hdf5", add("conditions/energy", "incident_energies"), "is there twice"),
    ("galaxy10-hdf5", to("images", lambda it: it[..., 1:]), "must be (N, rows, columns, 3)"),
    ("galaxy10-hdf5", to("images", lambda it: it[:, 1:]), "3 bands of 7 x 8 pixels, but detector"),
    ("galaxy10-hdf5", to("conditions/mag", lambda it: it[1:]), "3 values of 'mag' for 4 events"),
    ("galaxy10-hdf5", add("conditions/redshift", "redshift"), "'redshift' is there twice"),
    ("galaxiesml-hdf5", to("image", lambda it: it[:, 1:]), "must be (N, 5, rows, columns)"),
    ("galaxiesml-hdf5", to("image", lambda it: it[:, :, 1:]), "5 bands of 7 x 8 pixels, but dete"),
    ("galaxiesml-hdf5", add("conditions/redshift", "redshift"), "'redshift' is there twice"),
    ("cosmos-fits", to("pixels", lambda it: it[1:]), "has no HDU 4: it has 4"),
    ("cosmos-fits", to("GAL_HDU", lambda it: it - 2), "GAL_HDU is -1 for a galaxy"),
    ("cosmos-fits", to("PIXEL_SCALE", lambda it: it.astype("U")), "does not hold a number per"),
    ("cosmos-fits", add("CONDITION_MAG", "WEIGHT"), "has the column 'condition_mag' twice"),
    ("par04-root", to("virtualReadout/zCell", shorter), "has 11 numbers in event 2, but"),
    ("par04-root", to("virtualReadout/zCell", lambda it: it + 0.5), "0.5, but must count bins"),
    ("par04-root", to("global/EnergyMC", lists), "not hold one number per event"),
    ("par04-root", add("global/condition_energy", "global/EnergyMC"), "'energy' is there twice"),
    ("par04-hdf5", to("showers", lambda it: it[0]), "must be (N, R, Phi, Z)"),
    ("par04-hdf5", to("showers", lambda it: it[:, 1:]), "has 1 x 3 x 2 bins in r, phi and z, but"),
    ("par04-hdf5", to("conditions/pdg", lambda it: it[1:]), "3 values of 'pdg' for 4 events"),
    ("par04-hdf5", add("conditions/energy", "incident_energy"), "'energy' is there twice"),
    ("showerdata-hdf5", to("showers", torn), "has 47 numbers, which is not a multiple of 4"),
    ("showerdata-hdf5", to("num_points", lambda it: it + 1), "but 'num_points' says 13"),
    ("showerdata-hdf5", to("shape", lambda it: it[1:]), "'shape' holds (12, 4), but must"),
    ("showerdata-hdf5", to("showers", lambda it: it[1:]), "has 3 events, but 'energies' has 4"),
    ("showerdata-hdf5", add("conditions/energy", "energies"), "'energy' is there twice"),
    ("caloclouds-hdf5", to("events", lambda it: it[..., 1:]), "but must be (4, P, 4)"),
    ("caloclouds-hdf5", to("events", lambda it: it[1:]), "has 3 events, but 'energy' has 4"),
    ("caloclouds-hdf5", add("conditions/energy", "energy"), "'energy' is there twice"),
    ("toys-hdf5", to("points", lambda it: it[0]), "has shape (2,), but must be (N, d)"),
    ("toys-hdf5", to("points", lambda it: it[:, 1:]), "1 coordinates, but detector 'axes' has 2"),
    ("toys-hdf5", to("conditions/mass", lambda it: it[1:]), "3 values of 'mass' for 4 events"),
]


@pytest.mark.parametrize(
    ("layout", "change", "words"), [pytest.param(*it, id=f"{it[0]}: {it[2]}") for it in CONTENT]
)
def test_wrong_shapes_and_conditions_that_are_there_twice(
    copied: Copied,
    wrong: Wrong,
    layout: str,
    change: Callable[[Content], None],
    words: str,
) -> None:
    path = copied(layout)
    edit(path, change)
    wrong(path, words, every=layout != "calogan-root")


def test_trees_of_different_length(copied: Copied, wrong: Wrong) -> None:
    def change(content: Content) -> None:
        for name in [name for name in content if name.startswith("global")]:
            content[name] = content[name][1:]

    path = copied("par04-root")
    edit(path, change)
    wrong(path, "tree 'virtualReadout' has 4 events, but 'global' has 3")


def test_a_condition_twice_in_a_mapping(
    goods: dict[str, Path], tmp_path: Path, one_sentence: Callable[..., None]
) -> None:
    mapping = tmp_path / "hits.toml"
    mapping.write_text('[conditions]\nenergy = "a"\nenergy = "b"\n')
    with pytest.raises(ConfigError) as caught:
        read(goods["hits-root"], mapping=mapping)
    one_sentence(caught.value, str(mapping), "name each condition and branch once")


@pytest.mark.parametrize("layout", FORMATS)
def test_another_detector_than_that_of_the_file(copied: Copied, wrong: Wrong, layout: str) -> None:
    words = ("belong to detector", "'calochallenge-2' (6480 cells in 45 layers)", "leave the dete")
    every = layout != "calogan-root"
    wrong(copied(layout), *words, every=every, detector="calochallenge-2")


OTHERS = {
    "calogan-hdf5": ("calochallenge-2", "has shape (4, 3, 96), but detector 'calochallenge-2'"),
    "calogan-root": ("calochallenge-2", "holds the cells of 'calogan', not those of 'calochalle"),
    "calochallenge-hdf5": ("calogan", "has 12 voxels, but detector 'calogan' has 504"),
    "galaxy10-hdf5": (
        "galaxies-32",
        "3 bands of 8 x 8 pixels, but detector 'galaxies-32' has one band of",
    ),
    "galaxiesml-hdf5": ("calogan", "5 bands of 8 x 8 pixels, but detector 'calogan' has 504 ce"),
    "cosmos-fits": ("cosmos-64", "stamps are 0.2 arcsec wide, but those of detector 'cosmos-64'"),
    "par04-hdf5": ("par04-9x16x45", "2 x 3 x 2 bins in r, phi and z, but detector 'par04-9x16x45'"),
    "toys-hdf5": ("calogan", "has 2 coordinates, but detector 'calogan' has 504 cells"),
    "par04-root": ("calogan", "the layers of 'calogan' do not share one polar grid"),
}


@pytest.mark.parametrize("layout", OTHERS)
def test_a_detector_that_cells_do_not_fit(copied: Copied, wrong: Wrong, layout: str) -> None:
    path = copied(layout)
    edit(path, lambda content: None, own=False)
    detector, words = OTHERS[layout]
    wrong(path, words, every=layout != "calogan-root", detector=detector)


@pytest.mark.parametrize("layout", [name for name in FORMATS if name not in {*OTHERS}])
def test_a_detector_that_hits_do_not_meet(copied: Copied, wrong: Wrong, layout: str) -> None:
    path = copied(layout)
    edit(path, lambda content: None, own=False)
    toml = SMALL.to_toml().replace("1.0,\n    3.0", "0.001,\n    0.002")
    thin = Detector.from_toml(toml.replace('"small"', '"thin"'))
    assert thin.layers != SMALL.layers
    wrong(path, "outside the cells of 'thin'", **{**FOREIGN[layout], "detector": thin})
