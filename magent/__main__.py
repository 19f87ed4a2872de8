"""The door: `python -m magent` and the command `magent`."""
