"""``@pytest.mark.beyond("reason")``: a test that Qt's own module is known to fail.

On Qt's module such a test is expected to fail, and is not run at all where ``crashes=True`` says
that it would end the process; on this package it is a test like any other. A ``conftest.py``
imports both hooks to have the marker in its folder; importing them twice does no harm.
"""

import pytest

from support.qtmodule import ON_QT

_SEEN = pytest.StashKey[bool]()


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker, which ``--strict-markers`` asks for."""
    config.addinivalue_line(
        "markers",
        "beyond(reason, crashes=False): Qt's own module fails or dies; here it must pass",
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Expect the failure, or leave the test out, where the module under test is Qt's."""
    if not ON_QT:
        return
    for item in items:
        marker = item.get_closest_marker("beyond")
        if marker is None or item.stash.get(_SEEN, False):
            continue
        item.stash[_SEEN] = True
        reason = f"beyond Qt: {marker.args[0]}"
        if marker.kwargs.get("crashes", False):
            item.add_marker(pytest.mark.skip(reason=reason))
        else:
            item.add_marker(pytest.mark.xfail(reason=reason, strict=False))
