"""What tox.ini cannot say: an environment may need something else than a Python of its own."""

import sys
from pathlib import Path

from tox.plugin import impl
from tox.tox_env.api import ToxEnv
from tox.tox_env.errors import Skip

sys.path.insert(0, str(Path(__file__).parent / "tests"))

from conformance.setup_autobahn import NO_PYTHON_27, cache_folder, find_python27


@impl
def tox_before_run_commands(tox_env: ToxEnv) -> None:
    """Skip the conformance tests, and say why, where Autobahn's suite cannot be had."""
    if tox_env.name != "conformance" or cache_folder().exists():
        return
    if find_python27() is None:
        raise Skip(NO_PYTHON_27)
