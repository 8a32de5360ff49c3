"""The references of the built-in detectors: those that their files name."""

import re

import pytest

from phys_gan.detectors import detector_names, load_detector
from phys_gan.references import bibtex, detector_keys, known
from phys_gan.references.lookup import _KEYS


@pytest.mark.parametrize("name", detector_names())
def test_what_a_detector_names_is_cited(name):
    keys = detector_keys(name)
    assert set(keys) <= set(known())
    numbers = re.findall(r"(?:arXiv|doi):(\S+)", load_detector(name).reference)
    assert bool(numbers) == bool(keys)
    for number in numbers:
        assert f"{{{number}}}" in bibtex(keys)


def test_no_name_is_out_of_date():
    assert set(_KEYS) <= set(detector_names())


def test_an_own_detector_has_none():
    assert detector_keys("mine") == ()
    assert detector_keys("") == ()
