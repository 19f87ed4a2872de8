"""People: where an answer to a question comes from. Each class fills `ports.Human`.

Modules, in order: chain, file, prompts, terminal.
"""
