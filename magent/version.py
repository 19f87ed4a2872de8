"""The version, in one place. Reading the installed metadata takes longer than all the rest of `--version`."""

VERSION = "0.1.0"
