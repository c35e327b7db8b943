"""What Autobahn has to say of each case; README.md has the reasons."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple


class Result(NamedTuple):
    """How one case went: what was said, how it was closed, how long it took."""

    behavior: str
    close: str
    milliseconds: int = 0

    def __str__(self) -> str:
        return f"behaviour {self.behavior}, close {self.close}"


OK = Result("OK", "OK")

# How many cases each group of autobahntestsuite 25.10.1 has; they count from 1 without a gap.
GROUP_SIZES = {
    "1.1": 8,
    "1.2": 8,
    "2": 11,
    "3": 7,
    "4.1": 5,
    "4.2": 5,
    "5": 20,
    "6.1": 3,
    "6.2": 4,
    "6.3": 2,
    "6.4": 4,
    "6.5": 5,
    "6.6": 11,
    "6.7": 4,
    "6.8": 2,
    "6.9": 4,
    "6.10": 3,
    "6.11": 5,
    "6.12": 8,
    "6.13": 5,
    "6.14": 10,
    "6.15": 1,
    "6.16": 3,
    "6.17": 5,
    "6.18": 5,
    "6.19": 5,
    "6.20": 7,
    "6.21": 8,
    "6.22": 34,
    "6.23": 7,
    "7.1": 6,
    "7.3": 6,
    "7.5": 1,
    "7.7": 13,
    "7.9": 9,
    "7.13": 2,
    "9.1": 6,
    "9.2": 6,
    "9.3": 9,
    "9.4": 9,
    "9.5": 6,
    "9.6": 6,
    "9.7": 6,
    "9.8": 6,
    "10.1": 1,
}

SECTIONS = ("1", "2", "3", "4", "5", "6", "7", "9", "10")

# Sections 12 and 13 offer compression, which neither module speaks yet: two cases keep watch.
COMPRESSION_WATCH = ("12.1.1", "13.1.1")
UNIMPLEMENTED = Result("UNIMPLEMENTED", "OK")

# These three have no right answer; Autobahn only notes what it saw.
INFORMATIONAL = {
    "7.1.6": Result("INFORMATIONAL", "INFORMATIONAL"),
    "7.13.1": Result("INFORMATIONAL", "INFORMATIONAL"),
    "7.13.2": Result("INFORMATIONAL", "INFORMATIONAL"),
}

# Where Qt's own module (6.12.0, driven from Python) falls short, in both roles alike.
QT_SHORTCOMINGS = {
    "6.4.2": Result("NON-STRICT", "OK"),
    "6.4.3": Result("NON-STRICT", "OK"),
    "6.4.4": Result("NON-STRICT", "OK"),
    "6.22.1": Result("FAILED", "WRONG CODE"),
    "6.23.6": Result("FAILED", "WRONG CODE"),
}


def cases_of(sections: Iterable[str]) -> list[str]:
    """Return the numbers of all cases of *sections*, each a section ("9") or a group ("9.1")."""
    wanted = tuple(sections)
    return [
        f"{group}.{number}"
        for group, size in GROUP_SIZES.items()
        if group in wanted or group.split(".")[0] in wanted
        for number in range(1, size + 1)
    ]


def expected_results(cases: Iterable[str], *, on_qt: bool = False) -> dict[str, Result]:
    """Return what has to come out of *cases*, in either role, for this package or Qt's module."""
    exceptions = INFORMATIONAL | dict.fromkeys(COMPRESSION_WATCH, UNIMPLEMENTED)
    if on_qt:
        exceptions |= QT_SHORTCOMINGS
    return {case: exceptions.get(case, OK) for case in cases}


def complaints(expected: Mapping[str, Result], seen: Mapping[str, Result]) -> list[str]:
    """Return one line for each case that is missing, or that came out other than expected."""
    lines = []
    for case, wanted in expected.items():
        result = seen.get(case)
        if result is None:
            lines.append(f"{case}: missing from the report, expected {wanted}")
        elif result[:2] != wanted[:2]:
            lines.append(f"{case}: {result}; expected {wanted}")
    return lines
