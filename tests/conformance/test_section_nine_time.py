"""Section 9 (large and many messages) beside Qt's own module, where that is installed."""

from importlib.util import find_spec
from pathlib import Path

import pytest

from conformance.compare import LIMIT, ROLES, compare, table
from conformance.suite import Role


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.timeout(1800)
@pytest.mark.skipif(
    find_spec("PySide6.QtWebSockets") is None,
    reason="nothing to compare with: Qt's own QtWebSockets (PySide6-Addons) is not installed",
)
def test_section_nine_takes_at_most_twice_the_time_of_qts_module(role: Role, wstest: Path) -> None:
    comparisons = compare(role, wstest, rounds=3)
    print(table(comparisons))

    assert comparisons["all"].ratio <= LIMIT, table(comparisons)
