"""Assertions of helpers.py tell what they compared, as those of tests do."""

import pytest

pytest.register_assert_rewrite("helpers")
