"""Everything that the checks of one bundle share."""

from __future__ import annotations

from functools import cached_property

from magent.spec.checks.texts import Use, collect
from magent.spec.checks.views import Names


class Context(Names):
    """The graphs of a bundle, what names mean in its documents, and every text that is parsed."""

    @cached_property
    def uses(self) -> list[Use]:
        return collect(self)
