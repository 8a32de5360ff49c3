from __future__ import annotations

import pytest

from phys_gan.data.containers.container import damage_reported
from phys_gan.errors import DataError


@pytest.mark.parametrize("error", [OSError("one\ntwo"), KeyError("x"), ValueError(), TypeError()])
def test_damage_is_one_line(error: Exception) -> None:
    sentence = "the HDF5 file is damaged or cut short"
    with pytest.raises(DataError, match=sentence) as caught, damage_reported("HDF5"):
        raise error
    assert "\n" not in str(caught.value)
