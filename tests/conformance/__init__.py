"""Autobahn's test suite against this package; README.md tells how and what is expected."""
