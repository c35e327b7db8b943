"""The one place of the version number; the build reads it too."""

__version__ = "0.1.0"
