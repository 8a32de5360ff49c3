"""What all tests share: how hypothesis searches, and what helpers.py asserts.

A run of the suite always tries the same examples, so that what passes here passes everywhere;
`make search` tries new ones.
"""

import pytest
from hypothesis import HealthCheck, settings

# Assertions of helpers.py tell what they compared, as those of tests do.
pytest.register_assert_rewrite("helpers")

# No test fails because a machine is slow.
settings.register_profile(
    "repeatable", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("searching", settings.get_profile("repeatable"), derandomize=False)
settings.load_profile("repeatable")
