import json
import math
import shlex
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given as given_by
from hypothesis import strategies as st

from magent import answers
from magent.errors import AnswerRefused, UsageError
from magent.expressions import Expression, Value
from magent.model import (
    Branch,
    Graph,
    HumanInput,
    Loop,
    Node,
    Parallel,
    Region,
    SetOnly,
    Subgraph,
    Task,
    ToolSpec,
    Workflow,
)
from magent.ports import Question
from magent.source import Map, Position

UNSIGNED = {"by": None, "at": None, "comment": None, "via": None}


def ask(kind: str, **more: Any) -> Question:
    options = answers.read_options(more.pop("options")) if "options" in more else ()
    more.setdefault("node", "sign_off")
    more.setdefault("path", more["node"])
    return Question(visit=1, input=kind, options=options, **more)


COLOURS = ask("choice", options=["red", {"value": "blue", "label": "Deep blue"}, 3])
MANY = ask("choice", options=["red", "blue"], multiple=True)
FORM = ask(
    "approval",
    form={"ticket": {"type": "string", "pattern": "^T-[0-9]+$"}, "note": {"type": "string", "default": None}},
)


def reasons(question: Question, given: Any) -> list[str]:
    with pytest.raises(AnswerRefused) as refused:
        answers.normalise(question, given)
    return list(refused.value.reasons)


@pytest.mark.parametrize(
    ("question", "short", "whole"),
    [
        (ask("approval"), True, {"approved": True}),
        (ask("approval"), False, {"approved": False}),
        (ask("feedback"), "fine", {"text": "fine"}),
        (ask("feedback"), "", {"text": ""}),
        (COLOURS, "blue", {"choice": "blue"}),
        (COLOURS, 3, {"choice": 3}),
        (MANY, ["blue", "red"], {"choice": ["blue", "red"]}),
        (MANY, [], {"choice": []}),
        (ask("rating"), 4, {"rating": 4}),
        (ask("review", content="draft"), "approve", {"decision": "approve", "comments": None, "content": "draft"}),
        (ask("validation"), True, {"valid": True, "errors": []}),
        (ask("validation"), False, {"valid": False, "errors": []}),
    ],
)
def test_the_short_form_gives_the_first_field_and_nulls_the_rest(question: Question, short: Any, whole: Any) -> None:
    assert answers.normalise(question, short) == {**whole, **UNSIGNED}


@pytest.mark.parametrize(
    ("question", "given", "expected"),
    [
        (ask("approval"), "yes", "`approved` must be true or false, not 'yes': write true or false, without quotes"),
        (ask("approval"), 1, "`approved` must be true or false, not 1"),
        (ask("approval"), None, "null is no answer"),
        (
            ask("approval"),
            {"approved": True, "coment": ""},
            "`coment` is not a field of the answer: did you mean 'comment'?",
        ),
        (ask("approval"), {"comment": "x"}, "`approved` is missing"),
        (ask("approval"), {"approved": True, "comment": 3}, "`comment` must be text or null, not 3"),
        (ask("feedback"), 3, "`text` must be text, not 3"),
        (COLOURS, "Deep blue", "`choice` must be one of red, blue, 3, not 'Deep blue': that is the label of 'blue'"),
        (COLOURS, "bleu", "`choice` must be one of red, blue, 3, not 'bleu': did you mean 'blue'?"),
        (COLOURS, "3", "`choice` must be one of red, blue, 3, not '3': write 3 without quotes"),
        (COLOURS, True, "`choice` must be one of red, blue, 3, not true"),
        (MANY, "red", "`choice` must be a list, not 'red': write [red]"),
        (MANY, ["red", "green"], "`choice[1]` must be one of red, blue, not 'green'"),
        (MANY, ["red", "red"], '`choice` must not have an element twice, not ["red", "red"]'),
        (ask("rating"), 6, "`rating` must be at most 5, not 6"),
        (ask("rating", scale=(2, 9)), 1, "`rating` must be at least 2, not 1"),
        (ask("rating"), 3.5, "`rating` must be a whole number, not 3.5"),
        (ask("rating"), True, "`rating` must be a whole number, not true"),
        (ask("rating"), math.nan, "an answer holds JSON values only, not NaN"),
        (
            ask("review"),
            "aprove",
            "`decision` must be one of approve, request_changes, reject, not 'aprove': did you mean 'approve'?",
        ),
        (ask("review"), {"decision": "approve", "comments": ["a"]}, '`comments` must be text or null, not ["a"]'),
        (ask("validation"), {"valid": False, "errors": "bad"}, "`errors` must be a list, not 'bad': write [bad]"),
        (ask("validation"), {"valid": False, "errors": [1]}, "`errors[0]` must be text, not 1"),
        (
            ask("validation"),
            {"valid": True, "errors": ["x"]},
            '`errors` must be empty, not ["x"]: errors go with `valid: false`',
        ),
        (FORM, {"approved": True}, "`form.ticket` is missing"),
        (FORM, {"approved": True, "form": {"ticket": "7"}}, "`form.ticket` must match the pattern ^T-[0-9]+$, not '7'"),
        (
            FORM,
            {"approved": True, "form": {"ticket": "T-1", "nope": 1}},
            "`nope` is not a field of `form`: did you mean 'note'?",
        ),
        (FORM, {"approved": True, "form": {"ticket": "T-1", "note": 1}}, "`form.note` must be text, not 1"),
        (FORM, {"approved": True, "form": "T-1"}, "`form` must be a mapping, not 'T-1'"),
        (FORM, True, "`form.ticket` is missing: the short form has no place for it, give the whole answer"),
        (
            ask("approval"),
            {"approved": True, "form": {}},
            "`form` is not a field of the answer: it has approved, by, at, comment, via",
        ),
    ],
)
def test_an_answer_that_does_not_fit_is_refused_with_a_reason(question: Question, given: Any, expected: str) -> None:
    assert reasons(question, given) == [expected]


def test_all_reasons_are_given_at_once() -> None:
    assert len(reasons(FORM, {"approved": "no", "comment": 1, "colour": "red", "form": {"nope": 1}})) == 5


def test_a_refusal_says_how_to_answer() -> None:
    with pytest.raises(AnswerRefused) as refused:
        answers.normalise(COLOURS, "green")
    assert refused.value.hint == "answer with one of red, blue, 3 (--choose)"
    assert refused.value.node == "sign_off"


def test_a_form_is_filled_with_its_defaults_and_null_stands_for_an_optional_field() -> None:
    whole = answers.normalise(FORM, {"approved": True, "form": {"ticket": "T-7", "note": None}, "by": "ann"})
    assert whole == {"approved": True, "form": {"ticket": "T-7", "note": None}, **UNSIGNED, "by": "ann"}


def test_the_short_form_answers_a_form_whose_fields_all_have_defaults() -> None:
    question = ask("feedback", form={"urgent": {"type": "boolean", "default": False}})
    assert answers.normalise(question, "ok")["form"] == {"urgent": False}


def test_a_reference_in_a_form_field_starts_at_that_field() -> None:
    field = {"definitions": {"id": {"type": "integer"}}, "type": "array", "items": {"$ref": "#/definitions/id"}}
    question = ask("approval", form={"ids": field})
    assert answers.normalise(question, {"approved": True, "form": {"ids": [1]}})["form"] == {"ids": [1]}
    assert reasons(question, {"approved": True, "form": {"ids": ["a"]}}) == [
        "`form.ids[0]` must be a whole number, not 'a'"
    ]


@pytest.mark.parametrize(
    ("schema", "fault"),
    [
        ({"$ref": "http://127.0.0.1:1/x.json"}, "leads nowhere"),
        ({"$ref": "#"}, "refers to itself without end"),
        ({"pattern": "(?<=a)b"}, "is not RE2's: invalid perl operator: (?<"),
        ({"type": "strng"}, "the schema is wrong"),
        ({"minLength": "a"}, "the schema is wrong"),
    ],
)
def test_a_schema_that_cannot_be_followed_gives_a_sentence_and_no_request(schema: Any, fault: str) -> None:
    (sentence,) = answers.check_value(schema, "text")
    assert fault in sentence


def test_review_content_may_be_edited() -> None:
    question = ask("review", content="draft")
    assert answers.normalise(question, {"decision": "approve", "content": "edited"})["content"] == "edited"


def test_a_float_that_is_whole_is_a_rating() -> None:
    rating = answers.normalise(ask("rating"), 4.0)["rating"]
    assert (rating, type(rating)) == (4, int)


def test_an_answer_nested_without_measure_is_refused() -> None:
    deep: Any = []
    for _ in range(5000):
        deep = [deep]
    assert reasons(ask("review"), {"decision": "approve", "content": deep}) == [
        "the answer is nested deeper than 200 levels"
    ]


def test_what_normalise_gives_is_accepted_again_unchanged() -> None:
    for question, given in ((FORM, {"approved": True, "form": {"ticket": "T-1"}}), (MANY, ["red"]), (COLOURS, 3)):
        whole = answers.normalise(question, given)
        assert answers.normalise(question, whole) == whole


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@given_by(st.sampled_from([ask("approval"), ask("feedback"), COLOURS, MANY, ask("rating"), FORM]), json_values)
def test_whatever_is_given_is_either_refused_or_made_whole(question: Question, given: Any) -> None:
    try:
        whole = answers.normalise(question, given)
    except AnswerRefused:
        return
    assert answers.check_value(answers.answer_schema(question), whole) == []


# literals and questions


def test_a_literal_default_is_checked_without_a_question() -> None:
    assert answers.check_literal("rating", 9, scale=(1, 5)) == ["`rating` must be at most 5, not 9"]
    assert answers.check_literal("choice", "b", options=["a", {"value": "b"}]) == []
    assert answers.check_literal("choice", "b", options=[]) == [
        "`options` must be a list of at least one option, not []"
    ]
    assert answers.check_literal("approval", {"approved": True, "form": {}}, form={"n": {"type": "integer"}}) == [
        "`form.n` is missing"
    ]


@pytest.mark.parametrize("options", [None, "a", [], [["a"]], ["a", "a"], ["1", 1], [{"label": "x"}]])
def test_options_that_cannot_be_told_apart_or_written_are_refused(options: Any) -> None:
    with pytest.raises(ValueError):
        answers.read_options(options)


def test_a_question_that_cannot_be_asked_says_why() -> None:
    assert answers.check_question(ask("rating", default=7, has_default=True)) == [
        "the default does not fit: `rating` must be at most 5, not 7"
    ]
    assert answers.check_question(ask("approval", form={"a": {"type": "strng"}}))[0].startswith(
        "the schema of `form.a` is wrong"
    )
    assert answers.check_question(FORM) == []


# the command line


@pytest.mark.parametrize(
    ("question", "line"),
    [
        (ask("approval"), "magent respond r-1 sign_off --approve"),
        (ask("approval", default=False, has_default=True), "magent respond r-1 sign_off --reject"),
        (ask("feedback"), "magent respond r-1 sign_off --text 'your text'"),
        (COLOURS, "magent respond r-1 sign_off --choose red"),
        (
            ask("choice", options=["a", "b"], multiple=True, default=["a", "b"], has_default=True),
            "magent respond r-1 sign_off --choose a --choose b",
        ),
        (ask("choice", options=["-x; rm -rf /"]), "magent respond r-1 sign_off '--choose=-x; rm -rf /'"),
        (ask("rating"), "magent respond r-1 sign_off --rate 5"),
        (ask("review"), "magent respond r-1 sign_off --decision approve"),
        (ask("validation"), "magent respond r-1 sign_off --valid"),
        (ask("approval", path="each[2]/sign_off"), "magent respond r-1 'each[2]/sign_off' --approve"),
    ],
)
def test_the_command_line_that_answers_can_be_pasted(question: Question, line: str) -> None:
    assert answers.command(question, "r-1") == line


def test_the_command_names_the_node_as_the_caller_wants() -> None:
    assert (
        answers.command(ask("approval", path="each[2]/sign_off"), "r", "sign_off")
        == "magent respond r sign_off --approve"
    )


def test_a_form_that_must_be_filled_in_is_shown_as_json() -> None:
    words = shlex.split(answers.command(FORM, "r-1"))
    assert json.loads(words[-1]) == {"approved": True, "form": {"ticket": "…", "note": None}}


@pytest.mark.parametrize(
    ("question", "flags", "given"),
    [
        (ask("approval"), {"approve": True, "reject": False}, {"approved": True}),
        (ask("approval"), {"approve": False, "reject": True, "comment": "no"}, {"approved": False, "comment": "no"}),
        (ask("feedback"), {"text": ""}, {"text": ""}),
        (COLOURS, {"choose": ["3"]}, {"choice": 3}),
        (COLOURS, {"choose": "blue"}, {"choice": "blue"}),
        (MANY, {"choose": ["red"]}, {"choice": ["red"]}),
        (ask("rating"), {"rate": 4}, {"rating": 4}),
        (ask("rating"), {"rate": "4"}, {"rating": 4}),
        (ask("rating", scale=(0, 5)), {"rate": 0}, {"rating": 0}),
        (ask("review"), {"decision": "reject", "text": "bad"}, {"decision": "reject", "comments": "bad"}),
        (
            ask("review"),
            {"decision": "reject", "comment": "bad"},
            {"decision": "reject", "comments": "bad", "comment": "bad"},
        ),
        (ask("validation"), {"valid": True, "error": []}, {"valid": True, "errors": []}),
        (ask("validation"), {"invalid": True, "error": ["a", "b"]}, {"valid": False, "errors": ["a", "b"]}),
        (ask("approval"), {"answer": "true"}, True),
        (ask("approval"), {"answer": "true", "comment": "ok"}, {"approved": True, "comment": "ok"}),
        (
            FORM,
            {"answer": '{"approved": true, "form": {"ticket": "T-1"}}'},
            {"approved": True, "form": {"ticket": "T-1"}},
        ),
        (ask("approval"), {"approve": False, "choose": [], "text": None}, None),
    ],
)
def test_flags_become_an_answer(question: Question, flags: dict[str, Any], given: Any) -> None:
    assert answers.from_flags(question, flags) == given


@pytest.mark.parametrize(
    ("question", "flags", "message"),
    [
        (ask("approval"), {"rate": 0}, "--rate does not fit: 'sign_off' asks for an approval"),
        (ask("approval"), {"approve": True, "reject": True}, "--approve and --reject exclude each other"),
        (ask("approval"), {"comment": "x"}, "--comment alone answers nothing"),
        (ask("approval"), {"answer": "true", "approve": True}, "--answer is the whole answer: leave --approve out"),
        (ask("approval"), {"answer": "{"}, "--answer is not JSON"),
        (ask("rating"), {"answer": "NaN"}, "--answer is not JSON"),
        (ask("rating"), {"answer": "[" * 100000}, "--answer is not JSON"),
        (ask("rating"), {"rate": "four"}, "--rate takes a whole number, not 'four'"),
        (COLOURS, {"choose": ["red", "blue"]}, "'sign_off' takes one choice, not 2"),
        (ask("review"), {"text": "x"}, "--text and --content need a --decision"),
        (ask("validation"), {"valid": True, "error": ["x"]}, "--error goes with --invalid"),
    ],
)
def test_flags_that_do_not_fit_are_refused(question: Question, flags: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as refused:
        answers.from_flags(question, flags)
    assert message in refused.value.message


def test_a_flag_of_another_kind_is_answered_with_the_right_one() -> None:
    with pytest.raises(UsageError) as refused:
        answers.from_flags(ask("rating"), {"approve": True})
    assert refused.value.hint == "answer with a whole number from 1 to 5 (--rate)"


# the answers file


def found(document: dict[str, Any], **more: Any) -> Any:
    return answers.answers_for(document, ask(more.pop("kind", "approval"), **more))[:2]


def test_an_address_goes_before_a_name() -> None:
    document = {"sign_off": False, "each[2]/sign_off": True}
    assert found(document, path="each[2]/sign_off") == (True, True)
    assert found(document, path="each[1]/sign_off") == (True, False)


def test_a_list_counts_all_visits_under_a_name_and_its_own_under_an_address() -> None:
    assert found({"sign_off": [1, 2, 3]}, path="r[1]/sign_off", ordinal=2, address_ordinal=0) == (True, 3)
    assert found({"r[1]/sign_off": [1, 2]}, path="r[1]/sign_off", ordinal=5, address_ordinal=1) == (True, 2)


def test_a_list_that_ran_out_answers_nothing() -> None:
    assert found({"sign_off": [True]}, ordinal=1) == (False, None)


def test_for_a_multiple_choice_a_plain_list_is_one_answer_and_a_list_of_lists_one_a_visit() -> None:
    more: dict[str, Any] = {"kind": "choice", "options": ["a", "b"], "multiple": True}
    assert found({"sign_off": ["a", "b"]}, ordinal=1, **more) == (True, ["a", "b"])
    assert found({"sign_off": [["a"], {"choice": ["b"]}]}, ordinal=1, **more) == (True, {"choice": ["b"]})
    assert found({"sign_off": [["a"]]}, ordinal=1, **more) == (False, None)


def test_keys_that_answered_nothing_are_warned_about_where_they_stand() -> None:
    document = Map(Position("answers.yaml", 1, 1))
    for line, key in enumerate(["ok", "never", "x-note"], 1):
        document.put(key, True, Position("answers.yaml", line, 1), Position("answers.yaml", line, 9))
    (problem,) = answers.unused(document, {"ok"})
    assert (problem.severity, problem.message) == ("warning", "'never' answered nothing in this run")
    assert problem.position == Position("answers.yaml", 2, 1)


def graph(key: str, nodes: list[Node], regions: dict[str, tuple[str | None, list[str]]], **more: Any) -> Graph:
    made = {entry: Region(entry, owner, tuple(names)) for entry, (owner, names) in regions.items()}
    within = {name: entry for entry, (_, names) in regions.items() for name in names}
    named = {node.name: replace(node, region=within[node.name]) for node in nodes}
    return Graph(key, ".", named, nodes[0].name, made, **more)


def workflow() -> Workflow:
    """each (for_each) > refine (loop) > pick; fan (branches) > sign_off; translate (subgraph) > sign_off, translate."""
    pick = HumanInput(name="pick", input="choice", options=Value(["red", "blue"]))
    free = HumanInput(name="free", input="choice", options=Value("{{ state.x }}"))
    nodes = [
        Parallel(name="each", for_each=Expression([1]), body="refine"),
        Loop(name="refine", body="pick"),
        pick,
        Parallel(name="fan", branches=(Branch("sign_off"),)),
        HumanInput(name="sign_off", input="approval"),
        free,
        Subgraph(name="translate", uses="sub"),
        Task(name="pay", work=SetOnly(), external=True),
    ]
    regions = {
        "each": (None, ["each", "fan", "translate", "free", "pay"]),
        "refine": ("each", ["refine"]),
        "pick": ("refine", ["pick"]),
        "sign_off": ("fan", ["sign_off"]),
    }
    inner = [HumanInput(name="sign_off", input="rating"), Subgraph(name="translate", uses="sub")]
    tools = {"grep": ToolSpec("grep", "run", {"run": ["grep"], "confirm": True}, ".")}
    root = graph("root", nodes, regions, tools=tools)
    sub = graph("sub", inner, {"sign_off": (None, ["sign_off", "translate"])})
    return Workflow("w", "w.yaml", ".", "root", {"root": root, "sub": sub}, {})


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"pick": "red", "x-note": 1, "free": "whatever"},
        {"pick": ["red", "blue"], "each[0]/refine[12]/pick": "red"},
        {"sign_off": True, "translate/sign_off": 4, "translate/translate/sign_off": [1, 2]},
        {"sign_off": [True, False]},
        {"grep": True, "pay": "done"},
    ],
)
def test_an_answers_file_that_fits_has_no_problems(document: dict[str, Any]) -> None:
    assert answers.check_document(document, workflow()) == []


@pytest.mark.parametrize(
    ("document", "message", "hint"),
    [
        ({"pik": "red"}, "'pik' names no human_input node", "did you mean 'pick'?"),
        ({"each": 1}, "'each' names no human_input node", "what it asks: pick, sign_off, free, pay, grep"),
        (
            {"each[0]/pick": "red"},
            "'each[0]/pick' is the address of no human_input node",
            "'pick' alone answers all its visits",
        ),
        (
            {"each/refine[0]/pick": "red"},
            "'each/refine[0]/pick' is the address of no human_input node",
            "'pick' alone answers all its visits",
        ),
        (
            {"fan[0]/sign_off": 1},
            "'fan[0]/sign_off' is the address of no human_input node",
            "'sign_off' alone answers all its visits",
        ),
        (
            {"translate[0]/sign_off": 1},
            "'translate[0]/sign_off' is the address of no human_input node",
            "'sign_off' alone answers all its visits",
        ),
        ({"sign_off[0]": True}, "'sign_off[0]' names no human_input node", "did you mean 'sign_off'?"),
        ({"a/": 1}, "'a/' names no human_input node", "what it asks: pick, sign_off, free, pay, grep"),
        ({"pick": "green"}, "the answer to 'pick' does not fit: `choice` must be one of red, blue, not 'green'", None),
        (
            {"pick": ["red", "green"]},
            "the answer to 'pick' does not fit: `choice` must be one of red, blue, not 'green'",
            None,
        ),
        ({"pick": None}, "the answer to 'pick' does not fit: null is no answer", None),
        (
            {"translate/sign_off": 9},
            "the answer to 'translate/sign_off' does not fit: `rating` must be at most 5, not 9",
            None,
        ),
        (
            {"grep": 1},
            "the answer to 'grep' does not fit: `approved` must be true or false, not 1",
            None,
        ),
    ],
)
def test_a_key_or_value_of_an_answers_file_that_cannot_be_is_found_before_the_run(
    document: dict[str, Any], message: str, hint: str | None
) -> None:
    (problem,) = answers.check_document(document, workflow())
    assert (problem.severity, problem.message, problem.hint) == ("error", message, hint)


def test_an_answers_file_is_a_mapping() -> None:
    (problem,) = answers.check_document([True], workflow())
    assert problem.message == "an answers file is a mapping of nodes to answers, not [true]"


def test_edited_content_is_json_where_what_was_shown_is_data() -> None:
    data, text = ask("review", content={"k": 1}), ask("review", content="words")
    assert answers.from_flags(data, {"decision": "approve", "content": '{"k": 2}'})["content"] == {"k": 2}
    assert answers.from_flags(text, {"decision": "approve", "content": '{"k": 2}'})["content"] == '{"k": 2}'
    with pytest.raises(UsageError, match="--content is not JSON"):
        answers.from_flags(data, {"decision": "approve", "content": '{"k": 2'})
