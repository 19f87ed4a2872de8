"""What can be known of a workflow before it runs: one list of checks, each a small unit.

Modules, in order: views, positions, texts, shapes, context, scopes, references, agents, roles, writes, values,
names, nulls, unused.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator

from magent.source import Problem, sort_key
from magent.spec.checks import agents, names, nulls, references, roles, scopes, tools, unused, values, writes
from magent.spec.checks.context import Context
from magent.spec.checks.views import mapping
from magent.spec.loader import Bundle, Document
from magent.spec.schema import Kind, validate

CHECKS: tuple[Callable[[Context], Iterator[Problem]], ...] = (
    writes.check_item_names,
    writes.check_end,
    writes.check_state_keys,
    writes.check_conflicting_writes,
    scopes.check_targets,
    scopes.check_scopes,
    scopes.check_edges_that_are_never_tried,
    scopes.check_default_edges,
    scopes.check_cases,
    references.check_agents,
    agents.check_models,
    agents.check_addresses,
    agents.check_replies,
    agents.check_envelopes,
    references.check_tasks_have_an_agent,
    references.check_roles,
    references.check_roles_that_extend_themselves,
    roles.check_delegation,
    roles.check_routes,
    tools.check_tools,
    tools.check_offered_names,
    tools.check_delegate_is_free,
    tools.check_providers,
    tools.check_functions,
    tools.check_chains,
    tools.check_chain_steps,
    tools.check_chain_cycles,
    references.check_subgraphs,
    references.check_called_files,
    references.check_arguments,
    values.check_defaults,
    values.check_reducers,
    values.check_answers,
    values.check_wait_for,
    values.check_lists_to_go_over,
    values.check_items_written_out,
    values.check_session_names,
    names.check_expressions,
    names.check_shell_doubts,
    names.check_names,
    names.check_reads,
    names.check_computed_state,
    nulls.check_nulls,
    unused.check_secrets,
    unused.check_keys_of_called_files,
    unused.check_unused,
)
# What the schema says of a value's very kind leaves nothing to add about it.
_SETTLED = frozenset(("wrong-type", "bad-value", "bad-name"))


def check(bundle: Bundle) -> list[Problem]:
    """Every problem of every document of the bundle, the loader's included: sorted by place, none twice."""
    collecting = gc.isenabled()
    gc.disable()  # it would look at every value of a large file again and again, and find nothing to collect
    try:
        return _check(bundle)
    finally:
        if collecting:
            gc.enable()


def _check(bundle: Bundle) -> list[Problem]:
    shape = list(_shape(bundle))
    context = Context(bundle)
    told = {_mark(problem) for problem in shape if problem.severity == "error"}
    settled = {(problem.position.file, problem.path) for problem in shape if problem.code in _SETTLED}
    found = [
        problem
        for one in CHECKS
        for problem in one(context)
        if _mark(problem) not in told and (problem.position.file, problem.path) not in settled
    ]
    return sorted(dict.fromkeys((*bundle.problems, *shape, *found)), key=sort_key)


def _mark(problem: Problem) -> tuple[object, ...]:
    return (problem.position, problem.path)


def _shape(bundle: Bundle) -> Iterator[Problem]:
    """What the schemas say of each document."""
    for document in bundle.documents.values():
        yield from validate(document.data, _kind(document))
    for library in bundle.libraries.values():
        yield from validate(library.data, "library")


def _kind(document: Document) -> Kind:
    """A library has neither `name` nor `nodes`."""
    data = mapping(document.data)
    return "workflow" if "name" in data or "nodes" in data else "library"
