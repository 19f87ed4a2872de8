"""Roles: what one takes from another, and which of them a task goes to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magent.errors import UsageError
from magent.roles import Candidate, Decision, Role, Router, Team, Wanted, key, team
from magent.roles.ranking import Ranking
from magent.roles.text import words_of_task

Bodies = Mapping[str, Mapping[str, Any]]
PREDEFINED: Bodies = {
    "coder": {
        "description": "Writes code.",
        "skills": ["python", "git"],
        "expertise": ["software"],
        "related_skills": {"python": ["django"]},
        "instructions": "You write code.\n",
        "tools": ["files"],
    },
    "manager": {"skills": ["planning"], "can_delegate": True, "max_subtasks": 10, "instructions": "You lead."},
}


def known(roles: Bodies, predefined: Bodies = PREDEFINED) -> Team:
    return team(roles, predefined)


def decide(roles: Bodies, text: str = "", predefined: Bodies | None = None, **wanted: Any) -> Decision:
    return Router(known(roles, predefined or {})).route(Wanted.of(wanted), text)


def of(decision: Decision, role: str) -> Candidate:
    return next(each for each in decision.candidates if each.role == role)


# ---- what a role is


def test_a_role_takes_what_it_does_not_say_from_the_one_it_extends() -> None:
    role = known({"dev": {"extends": "coder", "agent": "claude"}}).role("dev")
    assert (role.description, role.agent, role.tools) == ("Writes code.", "claude", ("files",))
    assert (role.role_type, role.lineage) == ("coder", ("dev", "coder"))


def test_lists_are_joined_and_a_word_written_otherwise_is_not_doubled() -> None:
    body = {"extends": "coder", "skills": ["Python", "rust"], "expertise": ["web"], "tools": ["files", "shell"]}
    role = known({"dev": body}).role("dev")
    assert role.skills == ("python", "git", "rust")
    assert role.expertise == ("software", "web")
    assert role.tools == ("files", "shell")


def test_instructions_follow_those_of_the_role_that_is_extended() -> None:
    roles: Bodies = {
        "dev": {"extends": "coder", "instructions": "Prefer the standard library."},
        "senior": {"extends": "dev", "instructions": "Explain your choices."},
    }
    expected = "You write code.\n\nPrefer the standard library.\n\nExplain your choices."
    assert known(roles).role("senior").instructions == expected


def test_delegation_rights_are_inherited_and_can_be_taken_back() -> None:
    roles: Bodies = {
        "lead": {"extends": "manager", "delegate_to": ["coder"]},
        "junior": {"extends": "lead", "can_delegate": False, "max_subtasks": 2},
    }
    lead, junior = known(roles).role("lead"), known(roles).role("junior")
    assert (lead.can_delegate, lead.max_subtasks, lead.delegate_to) == (True, 10, ("coder",))
    assert (junior.can_delegate, junior.max_subtasks, junior.delegate_to) == (False, 2, ("coder",))


def heirs(roles: Bodies, name: str) -> list[str]:
    found = known(roles)
    return [role.name for role in found.heirs(found.role(name))]


LEAD = {"extends": "manager"}


@pytest.mark.parametrize(
    ("roles", "expected"),
    [
        ({"lead": LEAD, "dev": {"extends": "coder"}, "boss": {}}, ["dev", "boss"]),
        ({"lead": {**LEAD, "delegate_to": ["Coder"]}, "dev": {"extends": "coder"}, "boss": {}}, ["dev"]),
        ({"lead": {**LEAD, "delegate_to": ["boss"]}, "dev": {"extends": "coder"}, "boss": {}}, ["boss"]),
        ({"lead": {**LEAD, "delegate_to": ["coder"]}, "boss": {}}, ["coder"]),
        ({"lead": {**LEAD, "delegate_to": ["lead"]}, "boss": {}}, []),
        ({"lead": {**LEAD, "delegate_to": ["manager"]}, "boss": {}}, ["manager"]),
        ({"lead": {**LEAD, "can_delegate": False}, "boss": {}}, []),
        ({"lead": LEAD}, ["coder", "manager"]),
    ],
    ids=["all", "a type", "a name", "predefined", "itself", "its type", "may not", "alone"],
)
def test_whom_a_role_may_hand_subtasks_to(roles: Bodies, expected: list[str]) -> None:
    assert heirs(roles, "lead") == expected


def test_a_predefined_role_hands_to_the_files_roles_else_to_the_other_predefined_ones() -> None:
    assert heirs({}, "manager") == ["coder"]
    assert heirs({"dev": {}}, "manager") == ["dev"]
    assert heirs({}, "coder") == []


def test_a_files_role_may_extend_the_predefined_one_whose_name_it_takes() -> None:
    found = known({"coder": {"extends": "coder", "skills": ["rust"]}, "dev": {"extends": "coder"}})
    assert found.role("coder").skills == ("python", "git", "rust")
    assert found.role("dev").skills == ("python", "git", "rust")
    assert found.role("dev").role_type == "coder"
    assert list(found.known) == ["coder", "dev", "manager"]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, None),
        ({"role_type": "guard"}, "guard"),
        ({"extends": "coder"}, "coder"),
        ({"extends": "coder", "role_type": "guard"}, "guard"),
    ],
)
def test_a_roles_type_is_its_own_else_that_of_the_role_it_extends(body: dict[str, Any], expected: str | None) -> None:
    assert known({"mine": body}).role("mine").role_type == expected


def test_a_role_that_takes_a_predefined_name_is_of_that_type() -> None:
    assert known({"coder": {"skills": ["rust"]}}).role("coder").role_type == "coder"


def test_roles_that_extend_each_other_come_to_an_end() -> None:
    found = known({"one": {"extends": "two", "skills": ["a"]}, "two": {"extends": "one", "skills": ["b"]}})
    assert found.role("one").skills == ("b", "a")


def test_an_unknown_role_is_refused_with_the_nearest() -> None:
    with pytest.raises(UsageError) as caught:
        known({}).role("codr")
    assert caught.value.hint == "did you mean 'coder'?"


def test_a_role_as_json_is_json() -> None:
    role = known({"dev": {"extends": "coder"}}).role("dev")
    shown = json.loads(json.dumps(role.as_json()))
    assert shown["extends"] == ["coder"]
    assert shown["related_skills"] == {"python": ["django"]}


@pytest.mark.parametrize(
    "word", ["Code-Review", "code_review", "code  review", "CODE REVIEW ", "code–review".replace("–", "-")]
)
def test_a_word_is_the_same_however_it_is_written(word: str) -> None:
    assert key(word) == key("code review")


def test_words_that_differ_in_signs_are_different() -> None:
    assert len({key(word) for word in ("c", "c++", "c#", ".net", "net", "-", "_")}) == 7


# ---- by requirements


def test_every_requirement_must_be_met() -> None:
    roles: Bodies = {
        "py": {"skills": ["python"]},
        "sec": {"skills": ["security"]},
        "both": {"skills": ["security", "python"]},
    }
    decision = decide(roles, skills=["python", "security"])
    assert decision.chosen == "both"
    assert [each.role for each in decision.candidates if each.fits] == ["both"]
    assert of(decision, "py").missing == ("skill 'security'",)


def test_an_exact_match_goes_before_a_related_one_even_where_the_other_is_a_specialist() -> None:
    roles: Bodies = {
        "near": {"skills": ["flask"], "related_skills": {"flask": ["python"]}},
        "exact": {"skills": ["python", *map(str, range(50))]},
    }
    decision = decide(roles, skills=["python"])
    assert decision.chosen == "exact"
    assert of(decision, "near").matches[0].by == "flask"
    assert of(decision, "near").score < of(decision, "exact").score


def test_expertise_weighs_more_than_skills() -> None:
    near = {"sec ops": ["security"], "snake": ["python"]}
    roles: Bodies = {
        "skilled": {"skills": ["python"], "expertise": ["sec ops"], "related_skills": near},
        "expert": {"skills": ["snake"], "expertise": ["security"], "related_skills": near},
    }
    assert decide(roles, skills=["python"], expertise=["security"]).chosen == "expert"


def test_a_specialist_goes_before_a_generalist() -> None:
    roles: Bodies = {"all": {"skills": ["python", "a", "b", "c"]}, "one": {"skills": ["python"]}}
    decision = decide(roles, skills=["python"])
    assert decision.chosen == "one"
    assert of(decision, "all").unrelated == 3
    assert of(decision, "one").reasons == ("skill 'python' (+2)", "nothing unrelated (+0.50)")


def test_words_related_to_what_is_required_are_not_beside_the_point() -> None:
    roles: Bodies = {"one": {"skills": ["python", "django"]}, "two": {"skills": ["python", "cooking"]}}
    assert decide({"two": roles["two"], "one": roles["one"]}, predefined=PREDEFINED, skills=["python"]).chosen == "one"


def test_ties_go_to_the_role_declared_first_and_that_is_said() -> None:
    roles: Bodies = {"b": {"skills": ["x", "y"]}, "a": {"skills": ["y", "x"]}}
    decision = decide(roles, skills=["x"])
    assert decision.chosen == "b"
    assert decision.candidates[0].reasons[-1] == "declared before 'a', which is as good"


def test_the_preferred_role_is_taken_wherever_it_fits() -> None:
    roles: Bodies = {"best": {"skills": ["python"]}, "mine": {"skills": ["python", "a"]}, "other": {"skills": ["b"]}}
    assert decide(roles, skills=["python"], prefer="mine").chosen == "mine"
    assert decide(roles, skills=["python"], prefer="other").chosen == "best"
    assert decide(roles, skills=["python"], prefer="mine").candidates[0].reasons[0] == "is preferred"


def test_a_preferred_role_that_is_none_to_choose_from_is_told() -> None:
    decision = decide({"mine": {"skills": ["python"]}}, skills=["python"], prefer="coder", predefined=PREDEFINED)
    assert decision.chosen == "mine"
    assert decision.sentences()[-1] == "'coder' is preferred, but is none of the roles to choose from"


def test_only_roles_of_the_type_that_is_asked_for_fit() -> None:
    roles: Bodies = {"a": {"skills": ["python"]}, "b": {"extends": "coder"}}
    decision = decide(roles, predefined=PREDEFINED, skills=["python"], role_type="Coder")
    assert decision.chosen == "b"
    assert of(decision, "a").missing == ("role type 'Coder'",)
    assert of(decision, "a").reasons[0] == "no type"


def test_the_files_roles_alone_are_chosen_from_and_all_where_it_has_none() -> None:
    assert decide({"mine": {"skills": ["python"]}}, predefined=PREDEFINED, skills=["planning"]).chosen is None
    assert decide({}, predefined=PREDEFINED, skills=["planning"]).chosen == "manager"


def test_a_skill_is_met_by_expertise_and_expertise_half_by_a_skill() -> None:
    roles: Bodies = {"skill": {"skills": ["security"]}, "expert": {"expertise": ["security"]}}
    assert [each.score for each in decide(roles, skills=["security"]).candidates] == [2.5, 2.5]
    by_expertise = decide(roles, expertise=["security"])
    assert [(each.role, each.score) for each in by_expertise.candidates] == [("expert", 4.5), ("skill", 2.5)]
    assert of(by_expertise, "skill").matches[0].how == "related"


def test_words_are_related_both_ways_and_one_step_far() -> None:
    predefined: Bodies = {"x": {"related_skills": {"a": ["b"], "b": ["c"]}}}
    roles: Bodies = {"one": {"skills": ["a"]}}
    assert decide(roles, predefined=predefined, skills=["b"]).chosen == "one"
    assert decide(roles, predefined=predefined, skills=["c"]).chosen is None
    assert decide({"one": {"skills": ["b"]}}, predefined=predefined, skills=["a"]).chosen == "one"


def test_what_a_role_says_of_related_words_holds_for_itself_and_those_that_extend_it() -> None:
    roles: Bodies = {
        "one": {"skills": ["a"], "related_skills": {"a": ["z"]}},
        "two": {"skills": ["a"]},
        "three": {"extends": "one"},
    }
    decision = decide(roles, skills=["z"])
    assert [each.role for each in decision.candidates if each.fits] == ["one", "three"]


def test_a_requirement_named_twice_counts_once() -> None:
    decision = decide({"a": {"skills": ["code review"]}}, skills=["code-review", "Code_Review"])
    assert [match.points for match in decision.candidates[0].matches] == [2]


def test_of_the_roles_that_are_named_only_those_are_looked_at() -> None:
    router = Router(known({"a": {"skills": ["x"]}, "b": {"skills": ["x", "y"]}, "c": {"skills": ["z"]}}))
    for wanted, text in ((Wanted(("x",)), ""), (Wanted(), "x")):
        assert router.route(wanted, text).chosen == "a"
        among = router.route(wanted, text, ["c", "b"])
        assert among.chosen == "b"
        assert {each.role for each in among.candidates} == {"b", "c"}
    gap = router.route(Wanted(("x",)), "", ["c"]).gaps[0]
    assert (gap.wanted, gap.known) == ("x", ("z",))
    assert router.route(Wanted(("planning",)), "", ["manager"]).chosen == "manager"
    typed = router.route(Wanted(role_type="coder"), "", ["manager"])
    assert (typed.chosen, typed.gaps[0].known) == (None, ("manager",))


# ---- nobody


def test_a_requirement_that_nobody_meets_names_the_gap_and_the_nearest() -> None:
    roles: Bodies = {"coder": {"skills": ["python", "git"]}, "cook": {"skills": ["cooking"]}}
    decision = decide(roles, skills=["pyhton", "git"])
    assert decision.chosen is None
    assert [(gap.kind, gap.wanted, gap.near) for gap in decision.gaps] == [("skill", "pyhton", "python")]
    assert decision.sentences() == (
        "no role has the skill 'pyhton' (did you mean 'python'?)",
        "the nearest is 'coder', which lacks the skill 'pyhton'",
    )


def test_requirements_that_no_role_meets_together_are_told_with_the_nearest() -> None:
    roles: Bodies = {"a": {"skills": ["x"]}, "b": {"skills": ["y", "z"]}}
    decision = decide(roles, skills=["x", "y", "z"])
    assert decision.gaps == ()
    assert decision.sentences() == (
        "no role meets all that is asked",
        "the nearest is 'b', which lacks the skill 'x'",
    )


def test_a_type_that_no_role_has_is_a_gap() -> None:
    decision = decide({"a": {"extends": "coder"}}, predefined=PREDEFINED, role_type="codr")
    assert decision.sentences() == ("no role is of the type 'codr' (did you mean 'coder'?)",)


def test_a_gap_with_nothing_near_says_what_there_is() -> None:
    decision = decide({"a": {"skills": ["x", "y"]}}, skills=["zoology"])
    assert decision.gaps[0].hint == "known: x, y"
    assert decision.nearest is None


def test_a_related_word_may_be_meant() -> None:
    assert decide({}, predefined=PREDEFINED, skills=["djnago"]).gaps[0].near == "django"


# ---- by text

CREW: Bodies = {
    "cook": {"description": "Prepares meals.", "skills": ["cooking", "shopping"]},
    "guard": {"skills": ["code_review"], "expertise": ["security"]},
    "scribe": {"description": "Takes notes in meetings.", "skills": ["writing"]},
}


@pytest.mark.parametrize(
    ("task", "chosen", "matched"),
    [
        ("Review this login code", "guard", ("review", "code")),
        ("who is cooking today?", "cook", ("cooking",)),
        ("write it down", "scribe", ("write",)),
        ("prepare a meal", "cook", ("prepare", "meal")),
        ("SECURITY!", "guard", ("security",)),
    ],
)
def test_without_requirements_the_words_of_the_task_decide(task: str, chosen: str, matched: tuple[str, ...]) -> None:
    decision = decide(CREW, task)
    assert decision.chosen == chosen
    assert set(decision.candidates[0].words) == set(matched)
    assert decision.by == "text"


def test_expertise_counts_more_than_skills_and_skills_more_than_descriptions() -> None:
    roles: Bodies = {"told": {"description": "tax"}, "skilled": {"skills": ["tax"]}, "expert": {"expertise": ["tax"]}}
    assert [each.role for each in decide(roles, "tax").candidates] == ["expert", "skilled", "told"]


def test_related_words_are_found_too() -> None:
    assert decide({"dev": {"extends": "coder"}, **CREW}, "a django form", predefined=PREDEFINED).chosen == "dev"


def test_where_texts_tie_the_role_declared_first_is_taken() -> None:
    roles: Bodies = {"b": {"skills": ["tax"]}, "a": {"skills": ["tax"]}, "c": {"skills": ["law"]}}
    decision = decide(roles, "tax")
    assert decision.chosen == "b"
    assert decision.candidates[0].reasons[-1] == "declared before 'a', which is as good"


def test_a_task_that_shares_no_word_with_a_role_goes_to_nobody() -> None:
    decision = decide(CREW, "xyzzy")
    assert decision.chosen is None
    assert decision.nearest is None
    assert decision.sentences()[0].startswith("no word of the task is among")


def test_a_type_alone_takes_the_first_of_it_whatever_the_words() -> None:
    roles: Bodies = {"a": {"role_type": "x"}, "b": {"role_type": "y"}, "c": {"role_type": "y", "skills": ["tax"]}}
    assert decide(roles, "", role_type="y").chosen == "b"
    assert decide(roles, "tax", role_type="y").chosen == "c"


def test_a_preferred_role_is_taken_for_any_text() -> None:
    assert decide(CREW, "Review this code", prefer="scribe").chosen == "scribe"


def test_with_requirements_the_text_does_not_matter() -> None:
    decision = decide(CREW, "cook a meal", skills=["writing"])
    assert (decision.chosen, decision.by) == ("scribe", "requirements")


@pytest.mark.parametrize(
    "text", ['" OR 1 --', "NEAR(a b) *", "col:x AND NOT", "\x00\ud800", "C++ und 日本語 ²", "'; DROP TABLE role"]
)
def test_signs_of_the_query_language_are_only_text(text: str) -> None:
    assert decide(CREW, text).chosen is None


def test_cplusplus_is_not_c() -> None:
    roles: Bodies = {"c": {"skills": ["c"]}, "cpp": {"skills": ["c++"]}, "sharp": {"skills": ["c#"]}}
    assert [decide(roles, f"port it to {name}").chosen for name in ("C", "C++", "C#")] == ["c", "cpp", "sharp"]


def test_of_a_long_task_the_beginning_is_read_in_bounded_time() -> None:
    assert len(words_of_task(" ".join(map(str, range(100_000))))) == 120
    assert decide(CREW, "security " + "x" * 10_000_000).chosen == "guard"


@pytest.mark.parametrize("place", ["first", "last"])
def test_of_a_long_task_both_ends_are_read(place: str) -> None:
    noise = " ".join(f"lorem{number % 50}" for number in range(5_000))
    assert decide(CREW, f"security {noise}" if place == "first" else f"{noise} security").chosen == "guard"


@pytest.mark.parametrize(
    ("skill", "task"),
    [
        ("optimization", "Optimise it"),
        ("data_analyzing", "analyse this"),
        ("organisation", "organize the party"),
        ("revision", "revise the draft"),
        ("Straße", "zur STRASSE hin"),
        ("安全審査", "このコードの安全性を見て"),
        ("翻译", "请翻译这封信"),
        ("Übersetzung", "U\u0308bersetzung gesucht"),
    ],
)
def test_words_are_found_however_they_are_spelt(skill: str, task: str) -> None:
    assert decide({"other": {"skills": ["cooking", "料理"]}, "one": {"skills": [skill]}}, task).chosen == "one"


def test_words_that_most_roles_have_still_decide_between_them() -> None:
    roles: Bodies = {f"r{at}": {"skills": ["tax", *["law"][: at == 30]]} for at in range(40)}
    assert decide(roles, "tax law").chosen == "r30"
    assert decide(roles, "tax").chosen == "r0"
    assert all(each.score > 0 for each in decide(roles, "tax").candidates)


def test_a_word_counts_once_whatever_its_form() -> None:
    once, thrice = decide(CREW, "review"), decide(CREW, "review reviewing reviews")
    assert of(once, "guard").score == of(thrice, "guard").score
    assert of(thrice, "guard").words == ("review", "reviewing", "reviews")


def test_words_are_ranked_beforehand_so_that_new_ones_cost_nothing() -> None:
    """What a task's words are worth is looked up; SQLite only says what their stems are."""
    ranking = Ranking(known(CREW))
    asked: list[str] = []
    ranking._index.set_trace_callback(asked.append)
    ranking.rank("nobody has ever seen these words, but security")
    assert not [line for line in asked if "bm25" in line]


FORMS = (
    "review",
    "Reviewing",
    "reviews",
    "secure",
    "security",
    "c++",
    "café",
    "cafe",
    "ties",
    "コード審査",
    "1",
    "x_y",
)


@cache
def _rankings() -> tuple[Ranking, Ranking]:
    """Of the same roles; the second knows no word beforehand."""
    team = known({**CREW, "odd": {"skills": [*FORMS]}})
    quick, thorough = Ranking(team), Ranking(team)
    thorough._known.clear()
    return quick, thorough


@given(st.lists(st.one_of(st.sampled_from(FORMS), st.text(max_size=9)), max_size=30))
def test_a_word_that_a_role_has_is_worth_what_it_is_where_it_has_to_be_looked_for(spoken: list[str]) -> None:
    quick, thorough = _rankings()
    text = " ".join(spoken)
    assert quick.rank(text) == thorough.rank(text)
    assert {at for at, rank in enumerate(quick.rank(text)) if rank} == quick.words_of(text).keys()


def test_empty_words_do_not_count() -> None:
    assert words_of_task("Please do the review for me, and the Review of it") == ["review"]


# ---- everything is data


@pytest.mark.parametrize("wanted", [{"skills": ["python", "cobol"]}, {"role_type": "x"}, {}, {"prefer": "coder"}])
def test_a_decision_is_json_with_every_candidate(wanted: dict[str, Any]) -> None:
    decision = decide({}, "write code", predefined=PREDEFINED, **wanted)
    shown = json.loads(json.dumps(decision.as_json()))
    assert {each["role"] for each in shown["candidates"]} == set(PREDEFINED)
    assert shown["chosen"] == decision.chosen
    assert shown["sentences"] == list(decision.sentences())


# ---- laws

WORDS = ["a", "b", "c", "d", "e"]
word = st.sampled_from(WORDS)
bodies = st.builds(
    lambda skills, expertise, related: {"skills": skills, "expertise": expertise, "related_skills": related},
    st.lists(word, unique=True),
    st.lists(word, unique=True, max_size=2),
    st.dictionaries(word, st.lists(word, unique=True, max_size=2), max_size=2),
)
teams = st.lists(bodies, min_size=1, max_size=5).map(lambda made: {f"r{at}": body for at, body in enumerate(made)})
asked = st.fixed_dictionaries(
    {"skills": st.lists(word, min_size=1, max_size=3), "expertise": st.lists(word, max_size=2)}
)


@given(teams, asked)
def test_a_chosen_role_meets_everything_and_somebody_is_chosen_if_anybody_does(
    roles: Bodies, wanted: dict[str, Any]
) -> None:
    decision = decide(roles, **wanted)
    fitting = [each for each in decision.candidates if each.fits]
    assert (decision.chosen is None) == (not fitting)
    if fitting:
        assert decision.candidates[0].role == decision.chosen == fitting[0].role
        assert all(match.how != "missing" for match in fitting[0].matches)
        assert fitting[0].score == max(each.score for each in fitting)


@given(teams, bodies, asked)
def test_adding_a_role_never_changes_how_others_score_or_which_of_them_is_better(
    roles: Bodies, more: dict[str, Any], wanted: dict[str, Any]
) -> None:
    before, after = decide(roles, **wanted), decide({**roles, "new": more}, **wanted)
    assert [(each.role, each.score, each.fits) for each in before.candidates] == [
        (each.role, each.score, each.fits) for each in after.candidates if each.role != "new"
    ]
    assert after.chosen in (before.chosen, "new")


@given(
    st.lists(st.lists(st.sampled_from("abcd"), unique=True), min_size=1, max_size=5),
    st.lists(st.sampled_from("abcd"), min_size=1, max_size=2),
)
def test_a_role_that_lacks_something_never_changes_who_is_chosen(skills: list[list[str]], wanted: list[str]) -> None:
    roles: Bodies = {f"r{at}": {"skills": own} for at, own in enumerate(skills)}
    before = decide(roles, skills=wanted)
    for others in ([], ["z"], [word for word in "abcd" if word != wanted[0]]):
        for more in ({"new": {"skills": others}, **roles}, {**roles, "new": {"skills": others}}):
            assert decide(more, skills=wanted).chosen == before.chosen


@given(bodies, asked, st.sampled_from(["skills", "expertise"]))
def test_learning_what_is_required_never_lowers_a_score(
    body: dict[str, Any], wanted: dict[str, Any], kind: str
) -> None:
    before = decide({"r": body}, **wanted).candidates[0]
    for learned in wanted[kind]:
        if learned not in body[kind]:
            after = decide({"r": {**body, kind: [*body[kind], learned]}}, **wanted).candidates[0]
            assert after.score >= before.score
            assert after.fits >= before.fits


@given(teams, asked, st.randoms(use_true_random=False))
def test_the_order_of_roles_matters_only_where_they_tie(roles: Bodies, wanted: dict[str, Any], chance: Any) -> None:
    names = list(roles)
    chance.shuffle(names)
    one, other = decide(roles, **wanted), decide({name: roles[name] for name in names}, **wanted)
    assert {each.role: each.score for each in one.candidates} == {each.role: each.score for each in other.candidates}
    if one.chosen != other.chosen:
        assert one.candidates[0].score == other.candidates[0].score
    again = decide(roles, **wanted)
    assert again.as_json() == one.as_json()


@given(teams, st.text(max_size=60), st.lists(st.text(min_size=1, max_size=20), max_size=3))
def test_whatever_is_written_routing_answers(roles: Bodies, text: str, skills: list[str]) -> None:
    json.dumps(decide(roles, text, skills=skills).as_json())


@given(
    st.lists(st.lists(st.sampled_from(["tax law", "code review", "cooking", "music"]), unique=True), min_size=1),
    st.text(),
)
def test_texts_rank_the_same_again(skills: list[list[str]], noise: str) -> None:
    roles: Bodies = {f"r{at}": {"skills": own} for at, own in enumerate(skills)}
    text = f"review the tax code {noise}"
    assert decide(roles, text).as_json() == decide(roles, text).as_json()


def test_a_role_needs_nothing_but_a_name() -> None:
    assert Role("x").as_json()["skills"] == []
