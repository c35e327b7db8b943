"""``python -m pyqwebsocket``: run a program written for PySide6.QtWebSockets on this package."""

import argparse
import os
import runpy
import sys
from collections.abc import Sequence
from importlib.machinery import SourceFileLoader
from types import ModuleType, TracebackType
from typing import Final

from pyqwebsocket._install import install
from pyqwebsocket._version import __version__

_kept: Final[list[object]] = []
"""Holds what a module made until Python ends, as the globals of every ``__main__`` are held."""


def main(words: Sequence[str]) -> None:
    """Do what the command line says; it ends with 2 where that cannot be done."""
    own, arguments = _split(words)
    parser = _parser()
    options = parser.parse_args(own)
    install(prefer=options.prefer)
    _run(parser, options.program, arguments, is_module=options.is_module)


def _split(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Part our own words, up to PROGRAM, from its arguments, which argparse must not touch."""
    place = 1
    while place < len(words) and words[place].startswith("-") and words[place] != "--":
        place += 1
    if words[place : place + 1] == ["--"]:
        place += 1
    return [*words[: place + 1]], [*words[place + 1 :]]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pyqwebsocket",
        description="PySide6.QtWebSockets from PySide6-Essentials alone.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"pyqwebsocket {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    run = commands.add_parser(
        "run",
        usage="%(prog)s [-h] [--prefer] (PROGRAM | -m MODULE) [ARGS ...]",
        help="run a program written for PySide6.QtWebSockets",
        description="Run an unmodified program whose imports of PySide6.QtWebSockets are "
        "answered by this package where Qt's own module is missing.",
        allow_abbrev=False,
    )
    run.add_argument(
        "--prefer", action="store_true", help="do so even where Qt's own module is there"
    )
    run.add_argument("-m", dest="is_module", action="store_true", help="run a module, not a file")
    run.add_argument(
        "program", metavar="PROGRAM", help="what to run; all that follows becomes its sys.argv[1:]"
    )
    return parser


def _run(
    parser: argparse.ArgumentParser, program: str, arguments: list[str], *, is_module: bool
) -> None:
    """Run *program* as Python itself would: sys.argv, sys.path, tracebacks and exit code."""
    sys.argv[:] = [program, *arguments]
    try:
        if is_module:
            _kept.append(runpy.run_module(program, run_name="__main__", alter_sys=True))
        else:
            _run_file(program)
    except (SystemExit, KeyboardInterrupt) as end:
        _kept.append(end)
        raise
    except Exception as error:  # noqa: BLE001 - Python, too, prints whatever a program lets go
        _kept.append(error)
        traceback = _of_program(error.__traceback__)
        if traceback is None and isinstance(error, OSError | ImportError):
            parser.exit(2, f"{parser.prog}: cannot run {program}: {error}\n")
        sys.excepthook(type(error), error.with_traceback(traceback), traceback)
        sys.exit(1)


def _run_file(program: str) -> None:
    """Run a file as ``__main__``, which it stays: runpy would take it back, and change sys.argv."""
    path = os.path.join(os.getcwd(), program)
    loader = SourceFileLoader("__main__", path)
    code = loader.source_to_code(loader.get_data(path), path)
    module = ModuleType("__main__")
    module.__file__ = path
    module.__loader__ = loader
    sys.modules["__main__"] = module
    if not sys.flags.safe_path:
        sys.path[0] = os.path.dirname(os.path.realpath(path))
    exec(code, vars(module))  # noqa: S102 - that is what this command is for


def _of_program(traceback: TracebackType | None) -> TracebackType | None:
    """Leave out the frames before the program's first: ours, runpy's, those of the import."""
    while traceback is not None:
        name = traceback.tb_frame.f_code.co_filename
        if name not in {__file__, runpy.__file__} and not name.startswith("<frozen "):
            break
        traceback = traceback.tb_next
    return traceback


if __name__ == "__main__":
    main(sys.argv[1:])
