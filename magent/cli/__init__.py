"""The command line. `verbs` is the table of what it can do; each verb has a file of its own, imported on use.

Modules, in order: verbs, console, parser, main; then what several verbs share, then the verbs.
"""

from magent.version import VERSION

VERSION_LINE = f"magent {VERSION}"
