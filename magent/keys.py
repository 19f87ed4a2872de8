"""Which variables of the environment are keys: withheld from children, and their values from all that is written."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import unquote

from magent.hiding import SHORTEST, Words

PLAIN = 8  # characters: an unlisted key that is shorter is a filler such as `none`, and would be found everywhere

_ENDINGS = (
    "_API_KEY", "_API_KEYS", "_APIKEY", "_API_TOKEN", "_API_SECRET", "_ACCESS_KEY", "_ACCESS_TOKEN", "_AUTH_TOKEN",
    "_SECRET_KEY", "_CLIENT_SECRET",
)  # fmt: skip
_NAMES = frozenset((
    "AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN", "AWS_BEARER_TOKEN_BEDROCK", "AWS_SECURITY_TOKEN",
    "AZURE_OPENAI_AD_TOKEN", "AZURE_OPENAI_KEY", "AZURE_CLIENT_CERTIFICATE_PASSWORD", "AZURE_PASSWORD",
    "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN", "COPILOT_GITHUB_TOKEN", "LOGFIRE_TOKEN",
    "GITHUB_TOKEN", "GH_TOKEN", "GITHUB_ENTERPRISE_TOKEN", "GH_ENTERPRISE_TOKEN", "GITHUB_PAT",
    "GITLAB_TOKEN", "CI_JOB_TOKEN", "NPM_TOKEN", "NODE_AUTH_TOKEN", "PYPI_TOKEN", "TWINE_PASSWORD", "VAULT_TOKEN",
    "API_KEY", "APIKEY",
))  # fmt: skip
_HEADERS = tuple(f"OTEL_EXPORTER_OTLP_{which}HEADERS" for which in ("", "TRACES_", "METRICS_"))
_LEARNED: dict[str, str] = {}  # secrets that stand in no variable of their own, such as the password in a URL
_STAY = frozenset(("PATH", "HOME", "PWD", "OLDPWD", "SHELL", "USER", "LOGNAME", "TMPDIR", "TERM", "LANG"))


def is_key(name: str) -> bool:
    """Whether a variable of this name holds a key, by what is known of such names."""
    upper = name.upper()
    return upper in _NAMES or upper.endswith(_ENDINGS)


def values(environ: Mapping[str, str], listed: Iterable[str]) -> dict[str, str]:
    """The values that must not be seen, by name: of the variables `listed`, of known keys, and what was learned."""
    sent = {f"(sent {place})": value for place, value in enumerate(_sent_along(environ))}
    wanted = {name: environ[name] for name in listed if len(environ.get(name, "").strip()) >= SHORTEST}
    known = {name: value for name, value in environ.items() if is_key(name) and len(value.strip()) >= PLAIN}
    return {**sent, **known, **wanted, **_LEARNED}


def _sent_along(environ: Mapping[str, str]) -> Iterator[str]:
    """What OpenTelemetry's variables have for the headers of what is sent: keys of collectors."""
    for name in _HEADERS:
        for pair in environ.get(name, "").split(","):
            _, equals, value = pair.partition("=")
            key = unquote(value.strip()).rpartition(" ")[2]  # `Bearer KEY`, `Basic KEY`
            if equals and len(key) >= PLAIN:
                yield key


def clean_environment(environ: Mapping[str, str], listed: Iterable[str], extra: Mapping[str, str]) -> dict[str, str]:
    """What a child may see: `environ` without the variables `listed`, keys, and copies of them under other names,
    plus all of `extra`. What a system needs, such as PATH, stays whatever is in it."""
    names = set(listed)
    kept = {name: value for name, value in environ.items() if name not in names and not is_key(name)}
    held = [value for value in values(environ, names).values() if len(value) >= PLAIN]
    if held:
        words = Words(held)
        kept = {name: value for name, value in kept.items() if name in _STAY or not words.found(value)}
    return {**kept, **extra}


class Guard:
    """What this process must not show: known keys, and the secrets of every workflow that it has read."""

    def __init__(self) -> None:
        self._names: set[str] = set()
        self._words: Words | None = None

    def add(self, names: Iterable[str]) -> None:
        """The variables of these names are secrets. What is no name is left out."""
        new = {name for name in _strings(names) if name not in self._names}
        if new:
            self._names |= new
            self._words = None

    def learn(self, secret: str) -> None:
        """A secret that no variable holds alone."""
        if len(secret) >= PLAIN and secret not in _LEARNED.values():
            _LEARNED[f"({len(_LEARNED)})"] = secret  # no variable has such a name
            self._words = None

    def forget(self) -> None:
        """As if nothing had been read or learned."""
        self._names.clear()
        _LEARNED.clear()
        self._words = None

    def environment(self) -> dict[str, str]:
        """What programs of this machine may see, such as an editor."""
        return clean_environment(os.environ, self._names, {})

    def words(self) -> Words:
        if self._words is None:
            self._words = Words(values(os.environ, self._names).values())
        return self._words

    def hide(self, text: str) -> str:
        return self.words().hide(text)


def _strings(names: Iterable[object]) -> Iterator[str]:
    return (name for name in names if isinstance(name, str))


GUARD = Guard()
