"""Secrets are masked: in whole data, in texts that come in pieces, and in the encodings that programs give them."""

from __future__ import annotations

import base64
import html
import itertools
import json
import re
import string
import unicodedata
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magent.events import Event
from magent.hiding import MaskedText, Words
from magent.keys import Guard, clean_environment, is_key, values
from magent.masks import MaskedSink, masker

KEY = "sk-Öl/4+y=? &\"q\\'<z>~"
PEM = "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n".format(
    "\n".join(string.ascii_letters[at:] + string.digits + string.ascii_letters[:at] + "/+" for at in range(9))
)


def streamed(pieces: list[str], *secrets: str) -> list[str]:
    seen: list[str] = []
    sink = MaskedSink([lambda event: seen.append(str(event.data.get("text", event.type)))], Words(secrets))
    for piece in pieces:
        sink(Event(0, 0.0, "text", {"path": "a", "text": piece}))
    sink(Event(1, 0.0, "visit.completed", {"path": "a"}))
    assert seen.pop() == "visit.completed"
    return seen


def test_data_is_masked_at_any_depth_and_what_is_short_is_left() -> None:
    mask: Any = masker(["sesame", "abc"])
    assert mask({"sesame": ["open sesame!", 1, {"k": "abc"}]}) == {"***": ["open ***!", 1, {"k": "abc"}]}
    assert masker(["abc", ""]) is None


def test_data_without_a_secret_is_handed_back_itself() -> None:
    mask: Any = masker(["sesame"])
    data = {"a": [1, {"b": ("c", None)}], "d": 2.5}
    assert mask(data) is data


def test_keys_that_read_alike_when_masked_stay_apart() -> None:
    mask: Any = masker(["sesame", "secret"])
    assert mask({"sesame": 1, "secret": 2}) == {"***": 1, "*** (2)": 2}


def test_a_number_that_is_a_secret_is_masked_and_true_is_not_one() -> None:
    mask: Any = masker(["123456"])
    assert mask({"n": 123456, "in": 9912345699, "f": 123456.5, "no": 12345, "b": True}) == {
        "n": "***", "in": "***", "f": "***", "no": 12345, "b": True,
    }  # fmt: skip


def test_data_may_be_as_deep_as_json_is() -> None:
    mask: Any = masker(["sesame"])
    data: Any = "sesame"
    for _ in range(400):
        data = [data]
    shown = json.dumps(mask(data))
    assert "sesame" not in shown
    assert "***" in shown


def _inside(encode: Callable[[bytes], bytes], shift: int) -> Callable[[str], str]:
    return lambda text: encode(b"\xff" * shift + text.encode() + b"\xfe\xfd").decode()


def _unit(char: str, form: str = "04x") -> str:
    data = char.encode("utf-16-be")
    return "".join(f"\\u{high * 256 + low:{form}}" for high, low in zip(data[::2], data[1::2], strict=True))


ENCODINGS: dict[str, Callable[[str], str]] = {
    "whole": str,
    "json": lambda text: json.dumps(text)[1:-1],
    "json unicode": lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    "json upper": lambda text: re.sub(
        r"\\u[0-9a-f]{4}", lambda found: "\\u" + found[0][2:].upper(), json.dumps(text)[1:-1]
    ),
    "json slashes": lambda text: json.dumps(text)[1:-1].replace("/", "\\/"),
    "json of html": lambda text: "".join(f"\\u{ord(c):04x}" if c in "<>&" else json.dumps(c)[1:-1] for c in text),
    "json of php": lambda text: "".join(_unit(c) if c in "<>&'\"" or c > "~" else json.dumps(c)[1:-1] for c in text),
    "json of .net": lambda text: "".join(
        _unit(c, "04X") if c in "<>&'\"+`" or c > "~" else json.dumps(c)[1:-1] for c in text
    ),
    "json in units": lambda text: "".join(map(_unit, text)),
    "json twice": lambda text: json.dumps(json.dumps({"k": text})),
    "json twice unicode": lambda text: json.dumps(json.dumps({"k": text}, ensure_ascii=False), ensure_ascii=False),
    "repr": repr,
    "ascii": ascii,
    "bytes": lambda text: repr(text.encode())[2:-1],
    "printf %q": lambda text: re.sub(r"([^\w@%+=:,./-])", r"\\\1", text),
    "html": html.escape,
    "xml": lambda text: html.escape(text, quote=False).replace("'", "&apos;").replace('"', "&quot;"),
    "html of go": lambda text: html.escape(text, quote=False).replace("'", "&#39;").replace('"', "&#34;"),
    "url": quote,
    "url all": lambda text: quote(text, safe=""),
    "url lower": lambda text: re.sub("%..", lambda found: found[0].lower(), quote(text, safe="")),
    "url in bytes": lambda text: "".join(f"%{byte:02x}" for byte in text.encode()),
    "form": quote_plus,
    "url twice": lambda text: quote(quote(text, safe=""), safe=""),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 unpadded": lambda text: base64.b64encode(text.encode()).decode().rstrip("="),
    "base64url": lambda text: base64.urlsafe_b64encode(text.encode()).decode(),
    "base64 in a url": lambda text: quote(base64.b64encode(text.encode()), safe=""),
    **{f"base64 at {shift}": _inside(base64.b64encode, shift) for shift in range(6)},
    **{f"base64url at {shift}": _inside(base64.urlsafe_b64encode, shift) for shift in range(3)},
    "base64 of json at 8": lambda text: base64.b64encode(json.dumps({"key": text}).encode()).decode(),
    "hex": lambda text: text.encode().hex(),
    "hex upper": lambda text: text.encode().hex().upper(),
    "nfd": lambda text: unicodedata.normalize("NFD", text),
}  # fmt: skip


def sure(encoded: str, name: str) -> str:
    """The middle of an encoding in which nothing but the secret is: of base64, the ends hold some bits of others."""
    return encoded[16 if "json" in name else 8 : -4] if " at " in name else encoded


@pytest.mark.parametrize("secret", [KEY, "plainsecret123", "naïve-пароль-秘密"], ids=["signs", "plain", "unicode"])
@pytest.mark.parametrize("name", ENCODINGS)
def test_a_secret_is_masked_in_every_encoding(name: str, secret: str) -> None:
    encoded = ENCODINGS[name](secret)
    shown = Words([secret]).hide(f"before {encoded} after")
    assert "***" in shown
    assert sure(encoded, name) not in shown
    assert shown.startswith("before ")
    assert shown.endswith(" after")


@pytest.mark.parametrize("width", [60, 64, 76])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\\n", "\n    "])
def test_base64_that_is_broken_into_lines_is_masked(width: int, end: str) -> None:
    text = base64.b64encode(b'{"user": "somebody", "the token is": "' + b"0123456789abcdef" * 9 + b'"}').decode()
    broken = end.join(text[at : at + width] for at in range(0, len(text), width))
    shown = Words(["0123456789abcdef" * 9]).hide(broken)
    assert len(shown.replace("***", "")) <= len(text) - 190 + 4 * len(end)
    assert shown.count("***") == 1


def test_a_key_of_many_lines_is_masked_line_by_line_and_whole() -> None:
    words = Words([PEM])
    lines = PEM.split("\n")
    assert words.hide(f"x {PEM}y") == "x ***y"
    assert words.hide(PEM.replace("\n", "\r\n").strip()) == "***"
    assert words.hide(json.dumps(PEM)) == '"***"'
    assert words.hide(f"  {lines[3]}  ") == "  ***  "
    assert words.hide(base64.encodebytes(PEM.encode()).decode()).count("***") == 1
    assert words.hide("-----BEGIN PRIVATE KEY----- is how a key begins").startswith("-----BEGIN")


def test_secrets_that_overlap_or_hold_one_another_leave_nothing() -> None:
    words = Words(["abcdefgh", "efghijkl", "cdef", "ghij"])
    assert words.hide("-abcdefghijkl-abcdxcdef-") == "-***-abcdx***-"


def test_json_that_is_masked_is_json() -> None:
    data = {"a": KEY, "b": [f"in {KEY} between"], "c": json.dumps({"k": KEY})}
    shown = json.loads(Words([KEY]).hide(json.dumps(data)))
    assert shown == {"a": "***", "b": ["in *** between"], "c": '{"k": "***"}'}


def test_a_secret_that_comes_in_pieces_is_never_seen() -> None:
    assert streamed(["op", "en ses", "a", "me now"], "sesame") == ["op", "en ", "*** now"]


def test_what_was_held_back_for_nothing_is_told_in_the_end() -> None:
    assert streamed(["it is se"], "sesame") == ["it is ", "se"]


def test_a_text_of_another_task_is_not_mixed_in() -> None:
    seen: list[tuple[str, str]] = []
    sink = MaskedSink([lambda event: seen.append((event.data["path"], event.data["text"]))], Words(["sesame"]))
    for path, piece in (("a", "ses"), ("b", "ame"), ("a", "ame")):
        sink(Event(0, 0.0, "text", {"path": path, "text": piece}))
    assert seen == [("b", "ame"), ("a", "***")]


@pytest.mark.parametrize(
    ("between", "data"),
    [
        ("checkpoint.kept", {"upto": 3}),
        ("tool.called", {"path": "a"}),
        ("text.withdrawn", {"path": "a", "delegation": "a>1"}),
        ("visit.completed", {"path": "b"}),
    ],
)
def test_what_else_happens_meanwhile_cuts_no_secret(between: str, data: dict[str, Any]) -> None:
    sesame = "open sesame now"
    for cut in range(5, 11):
        seen: list[str] = []
        sink = MaskedSink([lambda event, seen=seen: seen.append(str(event.data.get("text", "")))], Words(["sesame"]))
        sink(Event(0, 0.0, "text", {"path": "a", "text": sesame[:cut]}))
        sink(Event(1, 0.0, between, data))
        sink(Event(0, 0.0, "text", {"path": "a", "text": sesame[cut:]}))
        sink(Event(2, 0.0, "run.completed", {}))
        shown = "".join(seen)
        assert shown in ("open *** now", f"open {sesame[5:cut]}*** now"), shown
        assert "sesa" not in shown


def test_what_may_be_a_secret_or_not_stands_before_what_follows() -> None:
    seen: list[str] = []
    sink = MaskedSink([lambda event: seen.append(str(event.data.get("text", event.type)))], Words(["sesame"]))
    for piece in ("this is", " it is"):
        sink(Event(0, 0.0, "text", {"path": "a", "text": piece}))
        sink(Event(1, 0.0, "tool.called", {"path": "a"}))
    sink(Event(0, 0.0, "text", {"path": "a", "text": "same"}))
    sink(Event(2, 0.0, "text.withdrawn", {"path": "a"}))
    assert seen == ["this i", "s", "tool.called", " it i", "s", "tool.called", "same", "text.withdrawn"]


def test_two_who_speak_at_one_address_are_not_mixed_either() -> None:
    seen: list[tuple[str, str]] = []
    sink = MaskedSink([lambda event: seen.append((event.data["role"], event.data["text"]))], Words(["sesame"]))
    for role, piece in (("a", "ses"), ("b", "ame!"), ("a", "ame")):
        sink(Event(0, 0.0, "text", {"path": "p", "role": role, "text": piece}))
    assert seen == [("b", "ame!"), ("a", "***")]


@given(
    st.lists(st.text("ab", min_size=4, max_size=7), min_size=1, max_size=3),
    st.lists(st.text("ab", max_size=5), max_size=8),
)
def test_pieces_come_to_what_the_whole_comes_to(secrets: list[str], pieces: list[str]) -> None:
    mask: Any = masker(secrets)
    assert "".join(streamed(pieces, *secrets)) == mask("".join(pieces))


# A mask beside what stands around it could spell a secret that is made of stars: those are left out here.
SECRETS = st.text(st.characters(exclude_characters="*"), min_size=4, max_size=40).filter(
    lambda text: len(text.strip()) >= 4
)


@given(SECRETS, st.sampled_from(sorted(ENCODINGS)), st.text(max_size=20), st.text(max_size=20), st.data())
def test_no_secret_comes_through_in_whatever_pieces(
    secret: str, name: str, before: str, after: str, data: st.DataObject
) -> None:
    try:
        encoded = ENCODINGS[name](secret)
    except UnicodeEncodeError:
        encoded = secret  # half a character, which is in no encoding of bytes
    text = before + encoded + after
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    pieces = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    words = Words([secret])
    whole, masked = words.hide(text), MaskedText(words)
    shown = "".join([*map(masked.add, pieces), masked.end()])
    assert "***" in whole
    assert secret not in shown
    if len(sure(encoded, name)) >= 8:
        assert sure(encoded, name) not in shown
    assert shown == whole


@given(st.text(string.ascii_lowercase + " \n\\%+/=", max_size=200), st.lists(st.integers(0, 200), max_size=5))
def test_a_text_without_secrets_comes_out_as_it_was(text: str, cuts: list[int]) -> None:
    masked = MaskedText(Words(["SECRET-0123456789", "Pa55-w0rd!"]))
    places = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    pieces = [text[start:end] for start, end in itertools.pairwise(places)]
    assert "".join([*map(masked.add, pieces), masked.end()]) == text


# ---- which they are


@pytest.mark.parametrize(
    "name",
    [
        "OPENAI_API_KEY", "ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "GEMINI_API_KEY", "GOOGLE_API_KEY",
        "GROQ_API_KEY", "AZURE_OPENAI_API_KEY", "AZURE_CLIENT_SECRET", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
        "AWS_ACCESS_KEY_ID", "HF_TOKEN", "GITHUB_TOKEN", "GH_TOKEN", "acme_api_key", "SLACK_ACCESS_TOKEN",
    ],
)  # fmt: skip
def test_names_of_keys_are_known(name: str) -> None:
    assert is_key(name)


@pytest.mark.parametrize("name", ["AWS_REGION", "AWS_PROFILE", "AZURE_OPENAI_ENDPOINT", "PATH", "KEYBOARD", "MONKEY"])
def test_what_is_no_key_is_not_taken_for_one(name: str) -> None:
    assert not is_key(name)


def test_a_filler_in_a_known_key_is_not_hidden_unless_the_workflow_lists_it() -> None:
    environ = {"OPENAI_API_KEY": "none", "HF_TOKEN": "hf_0123456789", "PIN": "1234", "NO": "x"}
    assert values(environ, ["PIN", "NO"]) == {"HF_TOKEN": "hf_0123456789", "PIN": "1234"}
    assert values(environ, ["OPENAI_API_KEY"]) == {"HF_TOKEN": "hf_0123456789", "OPENAI_API_KEY": "none"}


def test_a_child_gets_no_copy_of_a_secret_under_another_name() -> None:
    ours = {"PATH": "/home/hidden-value/bin", "TOKEN": "hidden-value", "URL": "https://me:hidden-value@host/", "A": "b"}
    assert clean_environment(ours, ["TOKEN"], {"X": "hidden-value"}) == {
        "PATH": "/home/hidden-value/bin", "A": "b", "X": "hidden-value",
    }  # fmt: skip


def test_what_is_guarded_grows_with_the_workflows_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GUARDED_IN_A_TEST", "very-guarded")
    monkeypatch.setenv("SOME_API_KEY", "known-by-its-name")
    guard = Guard()
    assert guard.hide("very-guarded known-by-its-name") == "very-guarded ***"
    guard.add(["GUARDED_IN_A_TEST"])
    assert guard.hide("very-guarded known-by-its-name") == "*** ***"
