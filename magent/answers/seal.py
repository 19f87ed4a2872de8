"""What was shown, as a number that is kept with each answer: so it can be proved what was approved."""

from __future__ import annotations

import hashlib
import json

from magent.ports import Question

SHOWN = ("input", "prompt", "context", "content", "options", "form")


def digest(question: Question) -> str:
    """The SHA-256, in hexadecimal, of what was shown as canonical JSON: keys sorted, no blanks, UTF-8, numbers
    as Python writes them. All of it stands in the `ask` of a `visit.started` event."""
    asked = question.as_json()
    shown = {name: asked[name] for name in SHOWN}
    text = json.dumps(shown, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
