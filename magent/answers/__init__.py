"""What counts as an answer to a question, in one place: its JSON Schema, short forms, flags, and its place in a file.

A whole answer is a mapping: the fields of its kind (`approved`; `text`; `choice`; `rating`; `decision comments
content`; `valid errors`), `form` where the question has one, and `by at comment via`. The short form is the value of
the first field alone.

Modules, in order: seal, schema, flags, whole, document.
"""

from magent.answers.document import answers_for, check_document, unused
from magent.answers.flags import command, describe, from_flags
from magent.answers.schema import DECISIONS, answer_schema, check_value, read_options, text_of
from magent.answers.seal import digest
from magent.answers.whole import check_literal, check_question, normalise

__all__ = [
    "DECISIONS",
    "answer_schema",
    "answers_for",
    "check_document",
    "check_literal",
    "check_question",
    "check_value",
    "command",
    "describe",
    "digest",
    "from_flags",
    "normalise",
    "read_options",
    "text_of",
    "unused",
]
