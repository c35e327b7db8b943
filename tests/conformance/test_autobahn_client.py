"""Every case of Autobahn's fuzzing server, with QWebSocket as the client."""

from pathlib import Path

import pytest

from conformance.expected import (
    COMPRESSION_WATCH,
    SECTIONS,
    Result,
    cases_of,
    complaints,
    expected_results,
)
from conformance.suite import run_client
from support.qtmodule import MODULE_NAME, ON_QT

pytestmark = pytest.mark.timeout(1800)  # the first test waits for all cases to be run


@pytest.fixture(scope="module")
def results(wstest: Path) -> dict[str, Result]:
    """What Autobahn says of each case after one run through all of them."""
    return run_client(MODULE_NAME, wstest, [*cases_of(SECTIONS), *COMPRESSION_WATCH])


@pytest.mark.parametrize("section", SECTIONS)
def test_every_case_of_the_section_ends_as_expected(
    section: str, results: dict[str, Result]
) -> None:
    expected = expected_results(cases_of([section]), on_qt=ON_QT)

    assert complaints(expected, results) == []


def test_compression_is_not_negotiated_yet(results: dict[str, Result]) -> None:
    assert complaints(expected_results(COMPRESSION_WATCH), results) == []


def test_the_report_names_no_case_that_nobody_expects(results: dict[str, Result]) -> None:
    assert set(results) == {*cases_of(SECTIONS), *COMPRESSION_WATCH}
