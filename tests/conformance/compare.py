"""Time section 9 on this package and on Qt's module, in turn, and compare.

``python tests/conformance/compare.py [--rounds 3] [--role client|server]`` prints, for each role
and each group of section 9, both times and their ratio (above 1: slower than Qt), and writes them
to ``reports/compare-ROLE.json``. It ends with 1 when the whole section takes more than twice Qt's
time in one of the roles.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple, get_args

if __name__ == "__main__":  # run as a file: the folder of the tests is not on the path yet
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from conformance.expected import Result, cases_of
from conformance.setup_autobahn import NO_PYTHON_27, ensure_wstest
from conformance.suite import REPORTS, Role, run

OURS = "pyqwebsocket.QtWebSockets"
QTS = "PySide6.QtWebSockets"
ROLES: tuple[Role, ...] = get_args(Role)
LIMIT = 2.0
"""How many times Qt's time section 9 may take."""


class Comparison(NamedTuple):
    """The times of one group of cases, and the ratio of ours to Qt's."""

    ours: float
    qts: float
    ratio: float


def compare(
    role: Role, wstest: Path, rounds: int, sections: Sequence[str] = ("9",)
) -> dict[str, Comparison]:
    """Run both modules in *role* *rounds* times, taking turns in going first; return medians.

    The times are those that the suite measured for each case, in milliseconds; the
    ratio is the median of the rounds' ratios, for only times from one round are comparable.
    """
    cases = cases_of(sections)
    runs: dict[str, list[dict[str, float]]] = {OURS: [], QTS: []}
    for number in range(rounds):
        for module in (OURS, QTS) if number % 2 == 0 else (QTS, OURS):
            results = run(role, module, wstest, cases, label=f"-time-{number}")
            runs[module].append(group_times(results))
    return {group: _compared(group, runs) for group in runs[OURS][0]}


def group_times(results: Mapping[str, Result]) -> dict[str, float]:
    """Return the sum of the milliseconds of each group ("9.1") and of all ("all")."""
    times = {"all": 0.0}
    for case, result in results.items():
        group = case.rpartition(".")[0]
        times[group] = times.get(group, 0.0) + result.milliseconds
        times["all"] += result.milliseconds
    return times


def table(comparisons: Mapping[str, Comparison]) -> str:
    """Return the comparison as text, one group a line."""
    lines = [f"{'cases':6} {'ours, ms':>9} {'Qt, ms':>9} {'ratio':>6}"]
    lines += [
        f"{group:6} {times.ours:9.0f} {times.qts:9.0f} {times.ratio:6.2f}"
        for group, times in sorted(comparisons.items())
    ]
    return "\n".join(lines)


def _compared(group: str, runs: Mapping[str, Sequence[Mapping[str, float]]]) -> Comparison:
    ours = [times[group] for times in runs[OURS]]
    qts = [times[group] for times in runs[QTS]]
    ratio = median(mine / max(theirs, 1.0) for mine, theirs in zip(ours, qts, strict=True))
    return Comparison(median(ours), median(qts), round(ratio, 2))


def main() -> int:
    """Compare, print the tables and keep them as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--role", choices=ROLES, help="only this one; both by default")
    options = parser.parse_args()
    wstest = ensure_wstest()
    if wstest is None:
        print(f"SKIPPED: {NO_PYTHON_27}")
        return 77
    roles = (options.role,) if options.role else ROLES
    ratios = [_report(role, compare(role, wstest, options.rounds)) for role in roles]
    return 0 if max(ratios) <= LIMIT else 1


def _report(role: Role, comparisons: Mapping[str, Comparison]) -> float:
    """Print and keep what came out in *role*; return the ratio of the whole section."""
    print(f"{role}:\n{table(comparisons)}")
    as_json = {group: times._asdict() for group, times in comparisons.items()}
    (REPORTS / f"compare-{role}.json").write_text(json.dumps(as_json, indent=2) + "\n")
    return comparisons["all"].ratio


if __name__ == "__main__":
    sys.exit(main())
