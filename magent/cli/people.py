"""Who sits at this terminal."""

from __future__ import annotations

import getpass
import os


def login() -> str:
    """The login name, for the record of who answered and who cancelled."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # a container's user may have no name
        return f"user {os.getuid()}"
