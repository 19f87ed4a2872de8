"""The tools that come with magent, as agents are told of them: text and JSON Schema of the arguments, by name. What
they do is in `magent.tools`; `validate` holds arguments against this."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from magent.functions import has_module

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
PROVIDERS = ("ddgs", "searxng", "brave")
MODEL_PROVIDERS = (  # what stands before the colon in `model`: Pydantic AI's names, the usual ones first
    "openai", "anthropic", "google", "groq", "mistral", "cohere", "deepseek", "openrouter", "xai", "ollama", "azure",
    "bedrock", "together", "fireworks", "cerebras", "github", "huggingface", "litellm", "vllm", "moonshotai", "vercel",
    "openai-chat", "openai-responses", "google-gla", "google-vertex", "google-cloud", "alibaba", "azure-responses",
    "bedrock-mantle", "crusoe", "elevenlabs", "github-copilot", "google-decisions", "heroku", "meta", "nebius",
    "openai-chatgpt", "openai-codex", "openai-decisions", "ovhcloud", "sambanova", "sentence-transformers", "snowflake",
    "system-one", "typesafe", "voyageai", "zai",
)  # fmt: skip
MOST_FOUND = 1000
MOST_RESULTS = 50
MOST_WORDS = 1000


def is_own(provider: str, home: str) -> bool:
    """Whether what stands before the colon in `model` is a module: its dotted path, or a file beside the workflow."""
    if "." in provider:
        return True
    return provider.isidentifier() and provider not in MODEL_PROVIDERS and has_module(home, provider)


LONGEST_NAME = 64  # characters of a name that a tool is offered under
_OTHER = re.compile(r"[^A-Za-z0-9_-]")


def offered_name(name: str) -> str:
    """A tool's name in OpenAI's form: `files.read` is `files_read`. One that is too long ends in a digest of itself."""
    plain = _OTHER.sub("_", name)
    return plain if len(plain) <= LONGEST_NAME else digested_name(name)


def digested_name(name: str) -> str:
    """A name in OpenAI's form that is no other tool's."""
    plain = _OTHER.sub("_", name)
    return f"{plain[: LONGEST_NAME - 9]}_{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def of_one_server(name: str, other: str) -> bool:
    """Whether these are tools of one server, or of one group."""
    entry, dot, _ = name.partition(".")
    return bool(dot) and other.startswith(f"{entry}.")


def dotted_name(name: str, tools: Mapping[str, Mapping[str, Any]]) -> str | None:
    """Of a tool that is named in OpenAI's form: `files_read` means `files.read` where `tools`, by their names with
    their settings, have a group or a server `files`."""
    entries = (entry for entry in tools if name.startswith(f"{entry}_"))
    for entry in sorted(entries, key=len, reverse=True):
        inner, settings = name[len(entry) + 1 :], tools[entry]
        group = BUILTINS.get(str(settings.get("builtin")), {})
        if inner in group or "mcp" in settings or "uses" in settings:
            return f"{entry}.{inner}"
    return None


class Builtin(NamedTuple):
    description: str
    parameters: Mapping[str, Any]


def _object(required: Mapping[str, Any], optional: Mapping[str, Any] | None = None) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {**required, **(optional or {})},
        "required": list(required),
        "additionalProperties": False,
    }


_PATH = {"type": "string", "minLength": 1, "description": "A path in the workspace, such as notes/a.txt"}
_BELOW = {"type": "string", "default": ".", "description": "A directory in the workspace; without it, all of it"}
_TEXT = {"type": "string", "description": "The text"}

_FILES = {
    "read": Builtin(
        "Reads a text file of the workspace. Gives path, text, size in bytes, and whether it was truncated.",
        _object(
            {"path": _PATH},
            {
                "first_line": {"type": "integer", "minimum": 1, "default": 1, "description": "The line to begin with"},
                "lines": {"type": "integer", "minimum": 1, "description": "At most so many lines"},
            },
        ),
    ),
    "write": Builtin(
        "Writes a text file of the workspace: what was in it is replaced. Gives path and size in bytes.",
        _object({"path": _PATH, "text": _TEXT}),
    ),
    "append": Builtin(
        "Adds text to the end of a file of the workspace, which is made where it lacks. Gives path and size in bytes.",
        _object({"path": _PATH, "text": _TEXT}),
    ),
    "list": Builtin(
        "Lists a directory of the workspace: path, type and size of each entry, and whether the list was truncated.",
        _object(
            {},
            {
                "path": _BELOW,
                "recursive": {"type": "boolean", "default": False, "description": "With what is in its directories"},
            },
        ),
    ),
    "search": Builtin(
        "Finds the lines of the workspace's text files that hold a text or match an RE2 pattern. Gives path, line and"
        " text of each match, and whether the search was truncated.",
        _object(
            {},
            {
                "text": {"type": "string", "description": "What the line holds, as it is"},
                "pattern": {"type": "string", "description": "An RE2 pattern that matches in the line"},
                "path": _BELOW,
                "ignore_case": {"type": "boolean", "default": False, "description": "Whether upper and lower are one"},
                "max_results": {"type": "integer", "minimum": 1, "maximum": MOST_FOUND, "default": 100},
            },
        ),
    ),
    "stat": Builtin(
        "Says whether a path of the workspace exists, what it is, its size in bytes and when it was changed.",
        _object({"path": _PATH}),
    ),
}

BUILTINS: Mapping[str, Mapping[str, Builtin]] = {
    "calculator": {
        "": Builtin(
            "Works out an arithmetic expression exactly: + - * / // % **, parentheses, sqrt abs round min max floor"
            " ceil log log10 exp sin cos tan factorial, pi and e. Example: (12.5 * 3 - 1) / 2",
            _object({"expression": {"type": "string", "description": "The expression, such as 2 * (3 + 4) ** 2"}}),
        )
    },
    "files": _FILES,
    "http_request": {
        "": Builtin(
            "Makes an HTTP request to a host that is allowed. Gives status, headers, text, json (null where the answer"
            " is none), the url that answered after redirects, and whether the text was truncated.",
            _object(
                {"url": {"type": "string", "description": "The address, such as https://api.example.org/items?page=2"}},
                {
                    "method": {"type": "string", "enum": list(METHODS), "default": "GET"},
                    "headers": {
                        "type": "object",
                        "additionalProperties": {"type": "string"},
                        "description": "Headers of the request, by name",
                    },
                    "body": {"type": "string", "description": "Text to send"},
                    "json": {"description": "A JSON value to send, in place of `body`"},
                },
            ),
        )
    },
    "web_search": {
        "": Builtin(
            "Searches the web. Gives a list of results, each with title, url and snippet, the best first.",
            _object(
                {"query": {"type": "string", "minLength": 1, "maxLength": 500, "description": "What to search for"}},
                {
                    "max_results": {
                        "type": "integer",
                        "minimum": 1,
                        "maximum": MOST_RESULTS,
                        "description": "At most so many",
                    }
                },
            ),
        )
    },
    "json_query": {
        "": Builtin(
            "Picks values out of JSON with a JMESPath expression. Gives what it finds, null where there is nothing."
            " Example: items[?price > `10`].{name: name, price: price} | [0:5]",
            _object(
                {
                    "expression": {
                        "type": "string",
                        "minLength": 1,
                        "description": "JMESPath, such as items[0].name",
                    },
                    "data": {"description": "The JSON value to look into"},
                }
            ),
        )
    },
    "shell": {
        "": Builtin(
            "Runs a program in the workspace, one of those that are allowed. Takes a list of words, the program first;"
            " no shell reads them: no pipes, no redirections, no patterns. Gives exit_code, stdout, stderr.",
            _object(
                {
                    "command": {
                        "type": "array",
                        "items": {"type": "string"},
                        "minItems": 1,
                        "maxItems": MOST_WORDS,
                        "description": 'The words, such as ["git", "log", "--oneline"]',
                    }
                }
            ),
        )
    },
}
"""Name of the built-in → name within it ("" where it is one tool) → what agents are told."""
