"""The harness itself: a verdict that cannot pass by saying nothing."""

from pathlib import Path

import pytest

from conformance import setup_autobahn
from conformance.compare import group_times
from conformance.expected import OK, Result, cases_of, complaints, expected_results
from conformance.suite import ConformanceError, read_report


def test_sections_one_to_seven_nine_and_ten_have_301_cases() -> None:
    assert len(cases_of(["1", "2", "3", "4", "5", "6", "7", "9", "10"])) == 301


def test_a_section_is_not_taken_for_another_that_begins_with_its_number() -> None:
    assert cases_of(["1"])[-1] == "1.2.8"
    assert cases_of(["9.1"]) == [f"9.1.{number}" for number in range(1, 7)]


def test_a_case_missing_from_the_report_is_a_complaint() -> None:
    expected = expected_results(["3.1", "3.2"])

    assert complaints(expected, {"3.1": OK}) == [
        "3.2: missing from the report, expected behaviour OK, close OK"
    ]


@pytest.mark.parametrize(
    "seen",
    [
        Result("FAILED", "OK"),
        Result("NON-STRICT", "OK"),
        Result("INFORMATIONAL", "OK"),
        Result("OK", "FAILED"),
        Result("OK", "WRONG CODE"),
        Result("OK", "UNCLEAN"),
        Result("UNIMPLEMENTED", "OK"),
    ],
)
def test_anything_but_ok_is_a_complaint(seen: Result) -> None:
    assert complaints(expected_results(["3.1"]), {"3.1": seen}) == [
        f"3.1: {seen}; expected behaviour OK, close OK"
    ]


def test_the_time_of_a_case_is_no_matter_of_right_and_wrong() -> None:
    assert complaints(expected_results(["3.1"]), {"3.1": Result("OK", "OK", 12)}) == []


def test_qts_shortcomings_are_excused_on_qt_only() -> None:
    seen = {"6.4.2": Result("NON-STRICT", "OK")}

    assert complaints(expected_results(["6.4.2"], on_qt=True), seen) == []
    assert complaints(expected_results(["6.4.2"]), seen) != []


def test_without_a_report_there_is_an_error_and_no_empty_result(tmp_path: Path) -> None:
    with pytest.raises(ConformanceError, match="wrote no report"):
        read_report(tmp_path, "anybody")


def test_times_are_summed_by_group_and_in_all() -> None:
    results = {"9.1.1": Result("OK", "OK", 5), "9.1.2": Result("OK", "OK", 7), "2.1": OK}

    assert group_times(results) == {"9.1": 12, "2": 0, "all": 12}


def test_without_python_27_the_setup_says_so_and_is_neither_success_nor_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    monkeypatch.setenv("PYQWEBSOCKET_AUTOBAHN", str(tmp_path / "cache"))

    assert setup_autobahn.main() == setup_autobahn.EXIT_SKIPPED
    assert "needs Python 2.7 and none was found" in capsys.readouterr().out


def test_a_shim_that_does_not_run_is_no_python_27(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shim = tmp_path / "python2.7"
    shim.write_text("#!/bin/sh\necho 'command not found' >&2\nexit 127\n")
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))

    assert setup_autobahn.find_python27() is None
