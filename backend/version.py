"""The version of Hearth, in one place."""

VERSION = "0.1.0"
