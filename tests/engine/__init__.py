"""Tests of the engine: no Qt, no I/O; see transcript.py for how they are written."""
