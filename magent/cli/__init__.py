"""The command line. `verbs` is the table of what it can do; each verb has a file of its own, imported on use.

Modules, in order: verbs, console, parser, main; then what several verbs share, then the verbs.
"""

VERSION = "0.1.0"  # as in pyproject.toml: reading the installed metadata takes longer than all the rest of --version
VERSION_LINE = f"magent {VERSION}"
