"""Data in a `run` text never becomes a command: what is accepted, what is refused, and what the shell makes of it."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from magent.expressions import EvaluationError, ExpressionProblem, ShellText

QUOTES, LIST, ELSE = "leave the quotes out, magent quotes", "use the list form", "use env or stdin"
NAMES: dict[str, Any] = {"x": "X", "y": "Y", "many": ["a b", "c"], "empty": []}

ACCEPTED = [
    ("ruff check {{ x }}", 'ruff check "$MAGENT_1"'),
    ("a {{ x }} {{ y }}", 'a "$MAGENT_1" "$MAGENT_2"'),
    ("a pre-{{ x }}.txt", 'a pre-"$MAGENT_1".txt'),
    ("a --name={{ x }} -o{{ y }}", 'a --name="$MAGENT_1" -o"$MAGENT_2"'),
    ("a {{x}}{{y}}", 'a "$MAGENT_1""$MAGENT_2"'),
    ("a > {{ x }}", 'a > "$MAGENT_1"'),
    ("a >> out/{{ x }}.log 2>&1", 'a >> out/"$MAGENT_1".log 2>&1'),
    ("a < {{ x }} 2> {{ y }}", 'a < "$MAGENT_1" 2> "$MAGENT_2"'),
    ("a 2>&1 {{ x }}", 'a 2>&1 "$MAGENT_1"'),
    ("> {{ x }} a {{ y }}", '> "$MAGENT_1" a "$MAGENT_2"'),
    ("A={{ x }}", 'A="$MAGENT_1"'),
    ("A={{ x }} B=b a {{ y }}", 'A="$MAGENT_1" B=b a "$MAGENT_2"'),
    ("export A={{ x }}", 'export A="$MAGENT_1"'),
    ("a | b {{ x }} && c {{ y }}; d", 'a | b "$MAGENT_1" && c "$MAGENT_2"; d'),
    ("a {{ x }} &\nwait", 'a "$MAGENT_1" &\nwait'),
    ("for f in {{ x }}; do a $f; done", 'for f in "$MAGENT_1"; do a $f; done'),
    ("for f in 1 2\ndo\n  a $f {{ x }}\ndone > {{ y }}", 'for f in 1 2\ndo\n  a $f "$MAGENT_1"\ndone > "$MAGENT_2"'),
    ("for f; do a {{ x }}; done", 'for f; do a "$MAGENT_1"; done'),
    ("if [ {{ x }} = y ]; then a {{ y }}; fi", 'if [ "$MAGENT_1" = y ]; then a "$MAGENT_2"; fi'),
    ("if a; then b {{ x }}; elif c; then d; else e {{ y }}; fi", None),
    (
        'while read -r l; do a "$l" {{ x }}; done < {{ y }}',
        'while read -r l; do a "$l" "$MAGENT_1"; done < "$MAGENT_2"',
    ),
    ("case {{ x }} in a|b) c {{ y }};; *) d; esac", 'case "$MAGENT_1" in a|b) c "$MAGENT_2";; *) d; esac'),
    ("case $1 in\n(a) b {{ x }}\n;;\nesac\nc {{ y }}", 'case $1 in\n(a) b "$MAGENT_1"\n;;\nesac\nc "$MAGENT_2"'),
    ("{ a {{ x }}; }", '{ a "$MAGENT_1"; }'),
    ("(a {{ x }})", '(a "$MAGENT_1")'),
    ("! a {{ x }}", '! a "$MAGENT_1"'),
    ("f() { a {{ x }}; }; f", 'f() { a "$MAGENT_1"; }; f'),
    ("a $(b {{ x }})", 'a $(b "$MAGENT_1")'),
    ("a $(b $(c {{ x }}) {{ y }})", 'a $(b $(c "$MAGENT_1") "$MAGENT_2")'),
    ("A=$(b {{ x }}) c", 'A=$(b "$MAGENT_1") c'),
    ("a $((1 + (2 * 3))) {{ x }}", 'a $((1 + (2 * 3))) "$MAGENT_1"'),
    ("a ${b:-c} ${d%%.*} ${#e} {{ x }}", 'a ${b:-c} ${d%%.*} ${#e} "$MAGENT_1"'),
    ('a "$(date) $b `c` \\" \'" {{ x }}', 'a "$(date) $b `c` \\" \'" "$MAGENT_1"'),
    ("a '\\'{{ x }}''", "a '\\'\"$MAGENT_1\"''"),
    ("a 'it'\\''s' {{ x }}", "a 'it'\\''s' \"$MAGENT_1\""),
    ("a \"b\"{{ x }}'c'", 'a "b""$MAGENT_1"\'c\''),
    ("a $HOME/{{ x }} ~/{{ y }}", 'a $HOME/"$MAGENT_1" ~/"$MAGENT_2"'),
    ("a {{ x }}/*.txt", 'a "$MAGENT_1"/*.txt'),
    ("a b#{{ x }} # comment", 'a b#"$MAGENT_1" # comment'),
    ("# it's\na {{ x }}", '# it\'s\na "$MAGENT_1"'),
    ("a \\\n  {{ x }}", 'a \\\n  "$MAGENT_1"'),
    ("cat <<EOF\n$(\"'\nEOF\na {{ x }}", 'cat <<EOF\n$("\'\nEOF\na "$MAGENT_1"'),
    ("cat <<-'E' > {{ x }}\n\ttext\n\tE\na {{ y }}", None),
    ("cat <<A <<B; a {{ x }}\n1\nA\n2\nB\nb {{ y }}", None),
    ("a {% b %} {# c {{ x }}", 'a {% b %} {# c "$MAGENT_1"'),
    ("a {{ '{{' }}.ID{{ '}}' }} {{ x }}", 'a {{.ID}} "$MAGENT_1"'),
    ("a '{{ '{{' }}.ID{{ '}}' }}'", "a '{{.ID}}'"),
    ("[[ a = b ]] && c {{ x }}", '[[ a = b ]] && c "$MAGENT_1"'),
    ("sudo -u {{ x }} a {{ y }}", 'sudo -u "$MAGENT_1" a "$MAGENT_2"'),
    ("env A={{ x }} a {{ y }}", 'env A="$MAGENT_1" a "$MAGENT_2"'),
    ("xargs -I {} a {} {{ x }}", 'xargs -I {} a {} "$MAGENT_1"'),
    ("timeout 5 a {{ x }}", 'timeout 5 a "$MAGENT_1"'),
    ("command -v {{ x }}", 'command -v "$MAGENT_1"'),
    ("exec a {{ x }}", 'exec a "$MAGENT_1"'),
    ("exec 3> {{ x }}", 'exec 3> "$MAGENT_1"'),
    ("find . -name {{ x }} -exec rm {} \\;", 'find . -name "$MAGENT_1" -exec rm {} \\;'),
    ("sh -c 'a \"$1\"' sh {{ x }}", 'sh -c \'a "$1"\' sh "$MAGENT_1"'),
    ("python3 -c 'import sys' {{ x }}", "python3 -c 'import sys' \"$MAGENT_1\""),
    ("python3 a.py -c {{ x }}", 'python3 a.py -c "$MAGENT_1"'),
    ("awk -v v={{ x }} '{print v}' {{ y }}", 'awk -v v="$MAGENT_1" \'{print v}\' "$MAGENT_2"'),
    ("sed 's/a/b/' {{ x }}", "sed 's/a/b/' \"$MAGENT_1\""),
    ("grep sh {{ x }}", 'grep sh "$MAGENT_1"'),
    ("sed -e 's/a/b/' {{ x }}", "sed -e 's/a/b/' \"$MAGENT_1\""),
    ("set -eu\ncd {{ x }}\nmake", 'set -eu\ncd "$MAGENT_1"\nmake'),
    ('set -- {{ x }}\na "$@"', 'set -- "$MAGENT_1"\na "$@"'),
    ("$a {{ x }}", '$a "$MAGENT_1"'),
    ("a {{ many }}", 'a "$MAGENT_1_0" "$MAGENT_1_1"'),
    ("for f in {{ many }}; do a; done", 'for f in "$MAGENT_1_0" "$MAGENT_1_1"; do a; done'),
    ("a {{ empty }} {{ x }}", 'a  "$MAGENT_2"'),
    ('A={{ x }}; [ -n "$A" ] && a "$A" $((1 + B))', 'A="$MAGENT_1"; [ -n "$A" ] && a "$A" $((1 + B))'),
    ("A={{ x }}; [[ $A == a* ]] && b", 'A="$MAGENT_1"; [[ $A == a* ]] && b'),
    ("a {{ x }} | sh -c 'cat' | grep sh", "a \"$MAGENT_1\" | sh -c 'cat' | grep sh"),
    ("a {{ x }} || sh", 'a "$MAGENT_1" || sh'),
    ("échø {{ x }}", 'échø "$MAGENT_1"'),
]


@pytest.mark.parametrize(("source", "expected"), ACCEPTED, ids=[source for source, _ in ACCEPTED])
def test_a_placeholder_that_is_a_plain_word_becomes_a_quoted_variable(source: str, expected: str | None) -> None:
    text = ShellText(source)
    script, variables = text.render(NAMES)
    assert text.warnings == ()
    if expected is not None:
        assert script == expected
    assert set(variables.values()) <= {"X", "Y", "a b", "c"}


REFUSED = [
    ("a '{{ x }}'", "quotes", QUOTES),
    ('a "{{ x }}"', "quotes", QUOTES),
    ('a "b {{ x }} c"', "quotes", QUOTES),
    ('a "\n{{ x }}\n"', "quotes", QUOTES),
    ("a $'{{ x }}'", "quotes", QUOTES),
    ('a "$(b {{ x }})"', "quotes", QUOTES),
    ('a "${b:-{{ x }}}"', "${ … }", ""),
    ("a 'b' \"'{{ x }}'\"", "quotes", QUOTES),
    ("a \\{{ x }}", "after a backslash", "leave the backslash out"),
    ("a ${{ x }}", "after `$`", "leave the `$` out"),
    ('a "${{ x }}"', "after `$`", "leave the `$` out"),
    ("a ${{{ x }}}", "", None),
    ("a ${b:-{{ x }}}", "`${ … }`", "default"),
    ("a ${b:-'{{ x }}'}", "", ""),
    ("a $(( {{ x }} + 1 ))", "arithmetic", "{{ a + b }}"),
    ("a $((b[{{ x }}]))", "arithmetic", ""),
    ("(( {{ x }} ))", "`(( … ))`", "env"),
    ("[[ {{ x }} = a ]]", "`[[ … ]]`", "write [ … ]"),
    ("[[ a =~ (b|c) && {{ x }} -eq 1 ]]", "`[[ … ]]`", ""),
    ("a `b {{ x }}`", "backticks", "$( … )"),
    ("`{{ x }}`", "backticks", ""),
    ("cat <<EOF\n{{ x }}\nEOF", "here-document", "stdin"),
    ("cat <<'EOF'\na {{ x }}\nEOF", "here-document", "stdin"),
    ("cat <<-EOF\n\ta\n\t{{ x }}\n\tEOF", "here-document", "stdin"),
    ("cat <<{{ x }}\n{{ x }}", "here-document", "stdin"),
    ("cat <<< {{ x }}", "`<<<`", "stdin"),
    ("# {{ x }}", "comment", "comment"),
    ("a # b {{ x }}", "comment", "comment"),
    ("a;# {{ x }}", "comment", "comment"),
    ("a $(b # {{ x }}\n)", "comment", "comment"),
    ("{{ x }}", "the command itself", LIST),
    ("{{ x }} a", "the command itself", LIST),
    ("/bin/{{ x }} a", "the command itself", LIST),
    ("A=b {{ x }}", "the command itself", LIST),
    ("2>&1 {{ x }}", "the command itself", LIST),
    ("> a {{ x }}", "the command itself", LIST),
    ("a | {{ x }}", "the command itself", LIST),
    ("a; {{ x }}", "the command itself", LIST),
    ("a && {{ x }}", "the command itself", LIST),
    ("a || {{ x }}", "the command itself", LIST),
    ("a & {{ x }}", "the command itself", LIST),
    ("a\n{{ x }}", "the command itself", LIST),
    ("! {{ x }}", "the command itself", LIST),
    ("{ {{ x }}; }", "the command itself", LIST),
    ("({{ x }})", "the command itself", LIST),
    ("a $({{ x }})", "the command itself", LIST),
    ("if {{ x }}; then a; fi", "the command itself", LIST),
    ("if a; then {{ x }}; fi", "the command itself", LIST),
    ("if a; then b; else {{ x }}; fi", "the command itself", LIST),
    ("while {{ x }}; do a; done", "the command itself", LIST),
    ("while a; do {{ x }}; done", "the command itself", LIST),
    ("for f in a; do {{ x }}; done", "the command itself", LIST),
    ("case a in b) {{ x }};; esac", "the command itself", LIST),
    ("f() {{ x }}", "the command itself", LIST),
    ("th\\\nen {{ x }}", "", None),
    ("exec {{ x }}", "the command itself", LIST),
    ("command {{ x }}", "the command itself", LIST),
    ("env {{ x }}", "the command itself", LIST),
    ("env A=b {{ x }} a", "the command itself", LIST),
    ("env -S{{ x }}", "the command itself", LIST),
    ("/usr/bin/env {{ x }}", "the command itself", LIST),
    ("'env' {{ x }}", "the command itself", LIST),
    ("e\\nv {{ x }}", "the command itself", LIST),
    ("sudo {{ x }}", "the command itself", LIST),
    ("sudo -n {{ x }}", "the command itself", LIST),
    ("nohup nice -n 5 {{ x }}", "the command itself", LIST),
    ("xargs {{ x }}", "the command itself", LIST),
    ("time {{ x }}", "the command itself", LIST),
    ("timeout 5 {{ x }}", "the command itself", LIST),
    ("timeout {{ x }} a", "the command itself", LIST),
    ("find . -exec {{ x }} \\;", "the command itself", LIST),
    ("case a in {{ x }}) b;; esac", "pattern of `case`", "condition node"),
    ("case a in b) c;; d|{{ x }}) e;; esac", "pattern of `case`", ""),
    ("for {{ x }} in a; do b; done", "the name of a variable", ELSE),
    ("read {{ x }}", "names of variables", ELSE),
    ("unset {{ x }}", "names of variables", ELSE),
    ("let {{ x }}", "names of variables", ELSE),
    ("wait {{ x }}", "names of variables", ELSE),
    ("export {{ x }}", "the name that `export` takes", "export NAME="),
    ("readonly {{ x }}=1", "the name that `readonly` takes", ""),
    ("{{ x }}=1", "the command itself", LIST),
    ("declare -i n\nn={{ x }}", "behind `declare`", ELSE),
    ("alias a=eval\na {{ x }}", "behind `alias`", ELSE),
    ("[ {{ x }} {{ y }} ]", "behind another in `[`", "a comparison"),
    ("[ -v {{ x }} ]", "behind another in `[`", ""),
    ("test ! {{ x }} {{ y }}", "behind another in `test`", ""),
    ("printf {{ x }} {{ y }}", "the format of `printf`", "printf '%s\\n'"),
    ("printf -v {{ x }} a", "the format of `printf`", ""),
    ("a {b,{{ x }}}", "brackets or braces", ELSE),
    ("a [{{ x }}]", "brackets or braces", ELSE),
    ("a[{{ x }}]=1", "brackets or braces", ELSE),
    ("a ~{{ x }}", "after `~`", ELSE),
    ("a >&{{ x }}", "after `>&`", ELSE),
    ("a <&{{ x }}", "after `<&`", ELSE),
    ("a <(b {{ x }})", "differently", LIST),
    ("a=({{ x }})", "differently", LIST),
    ("function f { a {{ x }}; }", "differently", ELSE),
    ("select a in {{ x }}; do b; done", "differently", ELSE),
    ("coproc a {{ x }}", "differently", ELSE),
    ("fi {{ x }}", "differently", ELSE),
    ("(a) {{ x }}", "where a command has ended", LIST),
    ("if a; then b; fi {{ x }}", "where a command has ended", LIST),
    ("a $((b) | (c)) {{ x }}", "differently", ELSE),
    ("a $'b\\'' {{ x }}", "differently", ELSE),
    ("a;; {{ x }}", "differently", ELSE),
    ("a ; ; b {{ x }}", "differently", ELSE),
    ("a ) b {{ x }}", "differently", ELSE),
    ("cat <<$a\n$a\nb {{ x }}", "differently", ELSE),
    ('cat <<E "\n" {{ x }}\nE', "", ""),
    ("$\\\n(a {{ x }})", "differently", ELSE),
    ("sudo {{ x }} <(b)", "the command itself", LIST),
    ("{{ x }} $((b[", "the command itself", LIST),
    ("a{{ x }}$(b <(c))", "differently", ELSE),
    ("a {{ x }}'b", "differently", ELSE),
    # data that comes round to be run
    ("$(echo {{ x }})", "the command itself", LIST),
    ("a $(b) | $(echo {{ x }}) c", "the command itself", LIST),
    ("sudo $(echo {{ x }})", "the command itself", LIST),
    ("A={{ x }}; $A b", "the command itself", LIST),
    ('A={{ x }}; B="c $A"; "$B"', "the command itself", LIST),
    ("A=$(echo {{ x }})\n${A} b", "the command itself", LIST),
    ("export A={{ x }}\nsudo $A", "the command itself", LIST),
    ("for f in {{ x }}; do $f; done", "the command itself", LIST),
    ("while a; do $A; A={{ x }}; done", "the command itself", LIST),
    ('set -- {{ x }}; "$@"', "the command itself", LIST),
    ("f() { $1; }; f {{ x }}", "the command itself", LIST),
    ("A={{ x }}; echo $((A + 1))", "a variable that arithmetic reads", "{{ a + b }}"),
    ("A={{ x }}; [[ $A -eq 1 ]]", "a variable that arithmetic reads", ""),
    ('A={{ x }}; unset "$A"', "names of variables", ELSE),
    ("A={{ x }}; $A <(b)", "the command itself", LIST),
    ("A={{ x }}; function f { $A; }", "where shells differ", ELSE),
    ("docker ps --format '{{.ID}}'", "`.` is not expected here", "{{ '{{' }}"),
    ("a {{ x", "`{{` is not closed", ""),
    ("a {{ }}", "holds nothing", "{{ '{{' }}"),
    ("a {{- x }}", "white space", "`-`"),
    ("a {{ x -}}", "white space", "`-`"),
    ("a {{ x && y }}", "`&&`", "`and`"),
    ("a \0 {{ x }}", "NUL", ""),
    ("a " + "b" * 130_000, "120 KB", "file"),
]


@pytest.mark.parametrize(("source", "message", "hint"), REFUSED, ids=[source[:60] for source, _, _ in REFUSED])
def test_a_placeholder_anywhere_else_is_refused_with_the_way_out(source: str, message: str, hint: str | None) -> None:
    with pytest.raises(ExpressionProblem) as error:
        ShellText(source)
    assert message in error.value.message
    assert (hint or "") in (error.value.hint or "")
    assert error.value.hint or "NUL" in message


def test_a_refusal_stands_at_the_placeholder() -> None:
    with pytest.raises(ExpressionProblem) as error:
        ShellText("echo {{ a }}\n  echo '{{ b }}'")
    assert (error.value.line, error.value.column) == (2, 9)


@pytest.mark.parametrize("source", ["", "a 'b", "if", "a <<E", "f() (( ))", 'echo "`', "case", "a {% raw %}"])
def test_a_script_without_placeholders_is_the_shells_business(source: str) -> None:
    assert ShellText(source).render({}) == (source, {})


@pytest.mark.parametrize(
    "source", ["a {{ x }}; b 'c", "a {{ x }}\nfunction f { g; }", "a {{ x }}; b $((c", "a {{ x }} | b <(c)"]
)
def test_what_comes_behind_the_last_placeholder_does_not_matter(source: str) -> None:
    assert ShellText(source).render(NAMES)[1] == {"MAGENT_1": "X"}


WARNED = [
    ("eval {{ x }}", "`eval`"),
    ("sh -c {{ x }}", "`sh`"),
    ("bash -ec {{ x }}", "`bash`"),
    ("/bin/sh -c {{ x }} sh", "`sh`"),
    ("sudo sh -c {{ x }}", "`sh`"),
    ("docker exec c sh -c {{ x }}", "`sh`"),
    ("sh {{ x }}", "`sh`"),
    ("bash dir/{{ x }}", "`bash`"),
    ("python3 -c {{ x }}", "`python3`"),
    ("python3.11 -c {{ x }}", "`python3`"),
    ("perl -e {{ x }}", "`perl`"),
    ("ruby -e {{ x }}", "`ruby`"),
    ("node -e {{ x }}", "`node`"),
    ("php -r {{ x }}", "`php`"),
    ("awk {{ x }} f", "`awk`"),
    ("sed {{ x }} f", "`sed`"),
    ("sed -e {{ x }} f", "`sed`"),
    ("ssh host {{ x }}", "`ssh`"),
    ("ssh {{ x }}", "`ssh`"),
    ('A={{ x }}; eval "$A"', "`eval`"),
    ('A={{ x }}; sh -c "echo $A"', "`sh`"),
    ("eval $(echo {{ x }})", "`eval`"),
    ("echo {{ x }} | sh", "`sh`"),
    ("echo {{ x }} | sudo bash -s", "`bash`"),
    ("(echo {{ x }}) | python3 -", "`python3`"),
    ("eval {{ x }} <(b)", "`eval`"),
    ("trap {{ x }} EXIT", "`trap`"),
    (". {{ x }}", "`.`"),
    ("source {{ x }}", "`source`"),
    ("psql -c {{ x }}", "`psql`"),
    ("sqlite3 a.db {{ x }}", "`sqlite3`"),
    ("su -c {{ x }}", "`su`"),
    ("find . -exec sh -c {{ x }} \\;", "`sh`"),
    ("xargs sh -c {{ x }}", "`sh`"),
    ("watch {{ x }}", "`watch`"),
    ("python3 {{ x }}", "`python3`"),
    ("alias a={{ x }}", "`alias`"),
]


@pytest.mark.parametrize(("source", "name"), WARNED, ids=[source for source, _ in WARNED])
def test_data_that_a_second_interpreter_reads_is_warned_about(source: str, name: str) -> None:
    warnings = ShellText(source).warnings
    assert len(warnings) == 1
    assert name in warnings[0].message
    assert "data can become a command" in warnings[0].message
    assert "list form" in (warnings[0].hint or "")
    assert warnings[0].column == source.index("{{") + 1


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a {{ x | unquoted }}", "a X Y"),
        ("a '{{ x | unquoted }}'", "a 'X Y'"),
        ("{{ x | unquoted }} b", "X Y b"),
        ("a $(( {{ x | unquoted }} ))", "a $(( X Y ))"),
        ("cat <<E\n{{ x | unquoted }}\nE", "cat <<E\nX Y\nE"),
        ("# {{ x | lower | upper | unquoted }}", "# X Y"),
    ],
)
def test_unquoted_inserts_text_as_it_is_anywhere_and_is_warned_about(source: str, expected: str) -> None:
    text = ShellText(source)
    assert text.render({"x": "X Y"}) == (expected, {})
    assert "`unquoted`" in text.warnings[0].message


def test_only_the_last_filter_opts_out() -> None:
    text = ShellText("a {{ x | unquoted | upper }}")
    assert text.render({"x": "x"}) == ('a "$MAGENT_1"', {"MAGENT_1": "X"})
    assert text.warnings == ()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a b", "a b"),
        ("", ""),
        (None, ""),
        (1, "1"),
        (1.5, "1.5"),
        (True, "true"),
        ({"a": "é"}, '{"a": "é"}'),
        (" \n'", " \n'"),
    ],
)
def test_a_value_travels_as_text_as_nothing_or_as_json(value: Any, expected: str) -> None:
    assert ShellText("a {{ x }}").render({"x": value}) == ('a "$MAGENT_1"', {"MAGENT_1": expected})


def test_a_list_gives_one_word_an_item() -> None:
    script, variables = ShellText("a {{ x }} {{ y }}").render({"x": ["b c", None, [1]], "y": 2})
    assert script == 'a "$MAGENT_1_0" "$MAGENT_1_1" "$MAGENT_1_2" "$MAGENT_2"'
    assert variables == {"MAGENT_1_0": "b c", "MAGENT_1_1": "", "MAGENT_1_2": "[1]", "MAGENT_2": "2"}
    assert ShellText("a {{ x }}").render({"x": []}) == ("a ", {})


@pytest.mark.parametrize(
    "source",
    [
        "a b{{ x }}",
        "a {{ x }}b",
        "a {{ x }}{{ y }}",
        "A={{ x }}",
        "a > {{ x }}",
        "export A={{ x }}",
        "case {{ x }} in a) b;; esac",
        "[ {{ x }} = a ]",
        'a "b"{{ x }}',
        "a {{ x }}$b",
        "env A={{ x }} a",
    ],
)
def test_a_list_must_be_a_word_of_its_own(source: str) -> None:
    with pytest.raises(EvaluationError) as error:
        ShellText(source).render({"x": ["a", "b"], "y": 1})
    assert "a list gives several words" in error.value.message
    assert "join" in (error.value.hint or "")


@pytest.mark.parametrize("value", ["a" * 100_001, "é" * 50_001, ["a", "b" * 100_001], {"a": "b" * 100_000}])
def test_a_value_over_a_hundred_kilobytes_is_an_error_that_names_stdin(value: Any) -> None:
    with pytest.raises(EvaluationError, match="100 KB") as error:
        ShellText("a {{ x }}").render({"x": value})
    assert "stdin" in (error.value.hint or "")


def test_a_value_with_a_nul_is_an_error_that_names_stdin() -> None:
    for source in ("a {{ x }}", "a {{ x | unquoted }}"):
        with pytest.raises(EvaluationError, match="NUL") as error:
            ShellText(source).render({"x": "a\0b"})
        assert "stdin" in (error.value.hint or "")


def test_values_that_are_too_large_together_are_an_error() -> None:
    with pytest.raises(EvaluationError, match="together"):
        ShellText("a {{ x }}").render({"x": ["a" * 90_000] * 20})


def test_something_undefined_is_an_error() -> None:
    with pytest.raises(EvaluationError, match=r"`x\.y` is undefined"):
        ShellText("a {{ x.y }}").render({"x": {}})


def test_the_accesses_of_a_script_know_their_places() -> None:
    found = ShellText("a {{ x.y }}\n b {{ state.z | default(1) }}").accesses
    assert [(each.path, each.line, each.column, each.guarded) for each in found] == [
        (("x", "y"), 1, 6, False),
        (("state", "z"), 2, 7, True),
    ]


# The real shell.

SHELLS = [shell for shell in ("/bin/sh", shutil.which("dash"), shutil.which("bash")) if shell]
HOSTILE = [
    "$(touch marker)",
    "`touch marker`",
    "; touch marker",
    "'; touch marker; '",
    '"; touch marker; "',
    "\n touch marker\n",
    "| touch marker",
    "& touch marker &",
    "&& touch marker",
    "> marker",
    "$((a[$(touch marker)]))",
    "a[$(touch marker)]",
    "${x:=`touch marker`}",
    "\\",
    "\\'",
    "'",
    '"',
    "''",
    '""',
    "*",
    "?",
    "[a]",
    "~",
    "{a,b}",
    "$HOME",
    "$1",
    "#",
    "# a",
    "!",
    " ",
    "  a  b  ",
    "\t",
    "a\nb",
    "a\n\n",
    "-n",
    "--",
    "-e",
    "%s%n",
    "\\n",
    "é€😀",
    "\x01\x7f\x1b[0m",
    "$'\\x41'",
    ")",
    "}",
    "fi",
    "done",
    "EOF",
    "}; touch marker; {",
    "); touch marker; (",
    ";; esac; touch marker",
    "\r\n",
    "a=b",
    "<(touch marker)",
    "x\\\ntouch marker",
]
FRAMES = [
    "printf '%s\\0' {{ x }}",
    "printf '%s\\0' \\\n  {{ x }} # comment\n",
    "A={{ x }}; printf '%s\\0' \"$A\"",
    'A={{ x }} sh -c \'printf "%s\\0" "$A"\'',
    "export A={{ x }}\nprintf '%s\\0' \"$A\"",
    "for a in {{ x }}; do printf '%s\\0' \"$a\"; done",
    "f() { printf '%s\\0' \"$1\"; }; f {{ x }}",
    "set -- {{ x }}; printf '%s\\0' \"$@\"",
    "(printf '%s\\0' {{ x }})",
    "{ printf '%s\\0' {{ x }}; }",
    "if true; then printf '%s\\0' {{ x }}; fi",
    "while true; do printf '%s\\0' {{ x }}; break; done",
    "case a in a) printf '%s\\0' {{ x }};; esac",
    "cat <<E > /dev/null\n\"'$\nE\nprintf '%s\\0' {{ x }}",
    "true && printf '%s\\0' {{ x }} | cat",
    'env A={{ x }} sh -c \'printf "%s\\0" "$A"\'',
    'sh -c \'printf "%s\\0" "$1"\' sh {{ x }}',
    "case {{ x }} in *) printf '%s\\0' {{ x }};; esac",
    "test -n {{ x }} || true; printf '%s\\0' {{ x }}",
    "! test {{ x }} = never || true; printf '%s\\0' {{ x }}",
    "echo \"it's $((1 + 2)) ${A:-b} $(echo ')') `echo ')'`\" > /dev/null; printf '%s\\0' {{ x }}",
]


def _run(shell: str, source: str, names: dict[str, Any], directory: Path) -> bytes:
    script, variables = ShellText(source).render(names)
    done = subprocess.run(
        [shell, "-ec", script],
        env={"PATH": os.environ["PATH"], **variables},
        cwd=directory,
        capture_output=True,
        timeout=20,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("frame", FRAMES)
def test_hostile_values_arrive_as_they_are_and_run_nothing(shell: str, frame: str, tmp_path: Path) -> None:
    for value in HOSTILE:
        assert _run(shell, frame, {"x": value}, tmp_path) == value.encode() + b"\0", value
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("shell", SHELLS)
def test_hostile_items_of_a_list_arrive_one_by_one(shell: str, tmp_path: Path) -> None:
    printed = _run(shell, "printf '%s\\0' {{ x }} {{ y }}", {"x": HOSTILE, "y": []}, tmp_path)
    assert printed.decode().split("\0")[:-1] == HOSTILE
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("shell", SHELLS)
def test_a_value_beside_other_text_stays_one_word(shell: str, tmp_path: Path) -> None:
    for value in HOSTILE:
        assert (
            _run(shell, "printf '%s\\0' --a={{ x }}.b{{ x }}", {"x": value}, tmp_path)
            == f"--a={value}.b{value}\0".encode()
        )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("shell", SHELLS)
def test_a_hostile_target_of_a_redirection_is_a_file_of_that_name(shell: str, tmp_path: Path) -> None:
    names = [value for value in HOSTILE if "/" not in value and value.strip("*")]
    for value in names:
        _run(shell, "echo a > ./{{ x }}", {"x": value}, tmp_path)
    assert sorted(each.name for each in tmp_path.iterdir()) == sorted(names)


GLUE = [
    "",
    " ",
    "'",
    '"',
    "\\",
    "`",
    "$",
    "$(",
    ")",
    "(",
    "{",
    "}",
    "((",
    "))",
    "$((",
    "[[",
    "]]",
    "[",
    "]",
    ";",
    ";;",
    "&",
    "&&",
    "|",
    "\n",
    "#",
    " # ",
    "<",
    ">",
    ">>",
    "<<E",
    "\nE\n",
    "<<'E'",
    "if",
    "then",
    "fi",
    "for a in",
    "do",
    "done",
    "case",
    "in",
    "esac",
    "a)",
    "while",
    "!",
    "A=",
    "eval",
    "exec",
    "env",
    "sh -c",
    "echo",
    "printf '%s\\n'",
    "true",
    ":",
    "x",
    "${",
    "${x:-",
    "\\\n",
    "~",
    "*",
    "=",
    "2>&1",
    "f()",
    "$'",
    "'a'",
    '"b"',
    "$x",
    "1",
    "-c",
    "--",
    "test",
    "cat",
    "export",
    "read",
    "local",
]
MARKERS = [
    "$(touch marker)",
    "`touch marker`",
    "touch marker",
    "';touch marker;'",
    '";touch marker;"',
    "\ntouch marker\n",
    "a[$(touch marker)]",
]


@pytest.mark.untraced
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.sampled_from([*GLUE, "{{ x }}", "{{ x }}", " {{ x }} "]), min_size=2, max_size=9),
    st.sampled_from(["", " "]),
    st.sampled_from(MARKERS),
)
def test_no_script_that_is_accepted_lets_a_value_run(tmp_path: Path, pieces: list[str], space: str, value: str) -> None:
    source = space.join(pieces)
    try:
        text = ShellText(source)
    except ExpressionProblem:
        return
    if text.warnings or "{{" not in source:
        return
    script, variables = text.render({"x": value})
    for shell in SHELLS:
        subprocess.run(
            [shell, "-c", script],
            env={"PATH": os.environ["PATH"], **variables},
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=20,
        )
        assert not (tmp_path / "marker").exists(), (shell, script)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(FRAMES),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30),
    st.sampled_from(SHELLS),
)
def test_any_value_arrives_byte_by_byte(tmp_path: Path, frame: str, value: str, shell: str) -> None:
    assert _run(shell, frame, {"x": value}, tmp_path) == value.encode() + b"\0"


@pytest.mark.parametrize(
    "source",
    [
        "echo " + "{{ x }} " * 5000,
        "echo " + "$(" * 50_000 + "{{ x }}",
        'echo "' + "a'" * 50_000 + '" {{ x }}',
        "(" * 50_000 + " {{ x }}",
        "${" * 50_000 + "{{ x }}",
        "`" * 50_001 + "{{ x }}",
        "case a in " * 10_000 + "{{ x }}",
        "cat " + "<<E " * 10_000 + "\n{{ x }}",
        "\\\n" * 50_000 + "echo {{ x }}",
        "a;" * 50_000 + "echo {{ x }}",
        "echo " + "a" * 100_000 + "{{ x }}",
        "echo " + "a'b'" * 25_000 + "{{ x }}",
        "f()" * 30_000 + "{{ x }}",
        "{ " * 50_000 + "{{ x }}",
        "".join(f"a{i}=$a{i + 1}\n" for i in range(8_000)) + "a8000={{ x }}; echo $a0",
        "x " + "sqlite3 " * 14_000 + "{{ x }}",
        "env -S " * 16_000 + "ls",
        "echo '{{ x }}' | wc -c\n" * 5_000,
    ],
)
@pytest.mark.untraced
def test_a_hostile_script_is_judged_quickly(source: str) -> None:
    started = time.process_time()
    with contextlib.suppress(ExpressionProblem):
        ShellText(source).render({"x": 1})
    assert time.process_time() - started < 5
