"""People: where an answer to a question comes from. Each class fills `ports.Human`.

Modules, in order: chain, custom, file, prompts, keyboard, toolbar, child, editor, lines, lists, frame, stage, drawn,
display, form, kinds, terminal.
"""
