"""Run a program that imports ``pyqwebsocket.QtWebSockets`` on the module under test.

python run_example.py MODULE PROGRAM [ARGUMENT...]
"""

import importlib
import runpy
import sys
import types

if __name__ == "__main__":
    module, sys.argv = sys.argv[1], sys.argv[2:]
    if not module.startswith("pyqwebsocket."):
        sys.modules["pyqwebsocket"] = types.ModuleType("pyqwebsocket")
        sys.modules["pyqwebsocket.QtWebSockets"] = importlib.import_module(module)
    runpy.run_path(sys.argv[0], run_name="__main__")
