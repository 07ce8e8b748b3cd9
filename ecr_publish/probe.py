"""Asks the edges what preflight.py decides by. It changes nothing anywhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

from ecr_publish.ahead import Ahead, beside
from ecr_publish.build import Builder
from ecr_publish.edges.ports import Edges, Registry
from ecr_publish.errors import InvalidInputs, PublishError, SessionPolicyRefused
from ecr_publish.evidence import look_for_baseline
from ecr_publish.plan import Build, Plan, RepositoryState, release_tags
from ecr_publish.preflight import (
    Check,
    Facts,
    Found,
    Permission,
    asks_for_baseline,
    closed,
    is_silent,
    merged,
    needed,
    pushes,
)
from ecr_publish.promote import look
from ecr_publish.reference import Tag
from ecr_publish.run import Baseline
from ecr_publish.scan import Gap
from ecr_publish.standing import Standing

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Probed:
    """The facts, and the baseline that one of them is about."""

    facts: Facts
    baseline: Baseline | Gap | None = None


_NOT_NARROWED = (
    "So the session is not narrowed to this run, and the role's own policies count alone, as with "
    "`session-policy: none`."
)


def connected(
    edges: Edges, plan: Plan, note: Callable[[str], None], *, from_fork: bool
) -> Registry | PublishError:
    """The registry, or why it does not open.

    A session that STS does not take as narrow as planned is opened without that, which `note` is
    told.
    """
    found = answered(lambda: edges.cloud.connect(plan, from_fork=from_fork))
    if not isinstance(found, SessionPolicyRefused):
        return found
    note(f"{found.what}\n{_NOT_NARROWED}\n{found.more}")
    wide = replace(plan, role=plan.role and replace(plan.role, session_policy=""))
    return answered(lambda: edges.cloud.connect(wide, from_fork=from_fork))


def shut(
    plans: Sequence[Plan], error: PublishError, builder: Callable[[], Builder]
) -> tuple[Check, ...]:
    """What can be said of these images where the registry does not open."""
    builds = isinstance(plans[0].source, Build)
    found = answered(builder) if builds else None
    return merged([closed(plan, error, found) for plan in plans])


def probed(registry: Registry, plan: Plan, ahead: Ahead, *, at_once: bool = True) -> Probed:
    """Ask for the repository, and then for all else at the same time, or one after the other."""
    return inside(registry, plan, ahead, answered(registry.look), at_once=at_once)


def inside(
    registry: Registry, plan: Plan, ahead: Ahead, found: Found, *, at_once: bool = True
) -> Probed:
    """Ask for all that there is to be known beside the repository itself."""
    standing = beside(lambda: _standing(registry, plan, found), now=at_once)
    baseline = beside(lambda: _baseline(registry, plan, found), now=at_once)
    permissions = {it: beside(_probe(registry, it), now=at_once) for it in needed(plan, found)}
    there = baseline()
    facts = Facts(
        repository=found,
        standing=standing(),
        baseline=True if isinstance(there, Baseline) else there,
        permissions={permission: answer() for permission, answer in permissions.items()},
    )
    return Probed(
        facts=_with_builder(facts, plan, ahead),
        baseline=None if isinstance(there, PublishError) else there,
    )


def answered(answer: Callable[[], T]) -> T | PublishError:
    """The answer, or the error."""
    try:
        return answer()
    except PublishError as error:
        return error


def the(found: T | PublishError) -> T:
    """The answer; raises the error."""
    if isinstance(found, PublishError):
        raise found
    return found


def _standing(registry: Registry, plan: Plan, found: Found) -> Standing | PublishError | None:
    tags = _tags(plan, found)
    return None if tags is None else answered(lambda: look(registry, tags))


def _baseline(registry: Registry, plan: Plan, found: Found) -> Baseline | Gap | PublishError | None:
    if not asks_for_baseline(plan, found):
        return None
    return answered(lambda: look_for_baseline(registry, plan))


def _tags(plan: Plan, found: Found) -> tuple[Tag, ...] | None:
    """What to look for; None where nothing can be there, or where the inputs are wrong."""
    try:
        return release_tags(plan, found) if isinstance(found, RepositoryState) else None
    except InvalidInputs:
        return None


def _probe(registry: Registry, permission: Permission) -> Callable[[], PublishError | None]:
    return lambda: answered(lambda: registry.ask(permission))


def _with_builder(facts: Facts, plan: Plan, ahead: Ahead) -> Facts:
    """What pushing needs, where something is to be pushed."""
    if not pushes(plan, facts):
        return facts
    builder = answered(ahead.builder) if isinstance(plan.source, Build) else None
    login = None if is_silent(facts.repository) else _login(ahead)
    return replace(facts, builder=builder, login=login)


def _login(ahead: Ahead) -> Literal[True] | PublishError:
    found = answered(ahead.login)
    return found if isinstance(found, PublishError) else True
