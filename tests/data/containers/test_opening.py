"""Open files: errors name them, and uproot forgets what a damaged one taught."""

from __future__ import annotations

from pathlib import Path

import h5py
import pytest
import uproot

from phys_gan.data.containers.opening import (
    forget_classes,
    listing,
    nearest,
    opened,
    remember_classes,
)
from phys_gan.data.source import Source
from phys_gan.errors import DetectorError


def test_errors_name_the_file(tmp_path: Path) -> None:
    path = tmp_path / "file.h5"
    with h5py.File(path, "w"):
        pass
    with pytest.raises(DetectorError) as caught, opened(Source(path)):
        raise DetectorError("it is wrong", remedy="do it", value=1, constraint=2)
    assert str(caught.value) == f"'{path}': it is wrong; do it"
    assert (caught.value.value, caught.value.constraint) == (1, 2)


def test_listing_and_nearest() -> None:
    assert listing([]) == "nothing"
    assert listing(["a", "b"]) == "'a', 'b'"
    assert listing([str(n) for n in range(20)], 2) == "'0', '1' and 18 more"
    assert nearest("energy", ["energies", "layer_0"]) == " (nearest: 'energies')"
    assert nearest("energy", ["layer_0"]) == ""


def test_what_was_learned_is_forgotten():
    remember_classes()
    branch = uproot.classes["TBranch"]
    before = dict(branch.known_versions)
    branch.known_versions[13] = object
    branch.known_versions[99] = object
    uproot.classes["Nonsense"] = object
    forget_classes()
    assert uproot.classes["TBranch"].known_versions == before
    assert "Nonsense" not in uproot.classes
