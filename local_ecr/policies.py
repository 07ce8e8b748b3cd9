"""IAM's policies, as far as a publisher's role needs them: who may do what on what.

Documents are written as IAM writes them, with Effect, Action and Resource; `*` and `?` are allowed
in both. What is not known here, such as a Condition, is refused, since to overlook it would allow
too much. Evaluation: "Policy evaluation logic" in the IAM user guide; the texts of refusals:
"Troubleshoot access denied error messages" there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from local_ecr.errors import EcrError

_VERSIONS = ("2008-10-17", "2012-10-17")
_SID = re.compile(r"[A-Za-z0-9]*")


@dataclass(frozen=True, kw_only=True)
class Statement:
    """What one statement allows or denies."""

    allows: bool
    actions: tuple[str, ...]
    resources: tuple[str, ...]

    def covers(self, action: str, resource: str) -> bool:
        """Whether it is about this action on this resource."""
        return any(_matches(it.lower(), action.lower()) for it in self.actions) and any(
            _matches(it, resource) for it in self.resources
        )


@dataclass(frozen=True, kw_only=True)
class Policy:
    """One document. `kind` is how AWS's messages name it."""

    kind: str
    statements: tuple[Statement, ...]

    def denies(self, action: str, resource: str) -> bool:
        """Whether a statement forbids it."""
        return any(not it.allows and it.covers(action, resource) for it in self.statements)

    def allows(self, action: str, resource: str) -> bool:
        """Whether a statement allows it."""
        return any(it.allows and it.covers(action, resource) for it in self.statements)


@dataclass(frozen=True, kw_only=True)
class Access:
    """Something that somebody wants to do; `resource` is an ARN, `*` where there is none."""

    action: str
    resource: str = "*"


def identity_policy(document: Mapping[str, Any]) -> Policy:
    """The policy of a role; raises ValueError for what is no policy, or not known here."""
    return Policy(kind="identity-based", statements=_statements(document))


def session_policy(document: Mapping[str, Any]) -> Policy:
    """The policy of one session; raises ValueError likewise."""
    return Policy(kind="session", statements=_statements(document))


def refusal(policies: tuple[Policy, ...], caller: str, access: Access) -> EcrError | None:
    """Why this may not be done; None where all policies together allow it.

    Args:
        policies: Each of them has to allow it, and none may deny it.
        caller: Who asks, as an ARN.
        access: What for.
    """
    for policy in policies:
        if policy.denies(access.action, access.resource):
            article = "an" if policy.kind[0] in "aeiou" else "a"
            return _denied(
                caller, access, f"with an explicit deny in {article} {policy.kind} policy"
            )
    for policy in policies:
        if not policy.allows(access.action, access.resource):
            return _denied(
                caller, access, f"because no {policy.kind} policy allows the {access.action} action"
            )
    return None


def _denied(caller: str, access: Access, why: str) -> EcrError:
    return EcrError(
        "AccessDeniedException",
        f"User: {caller} is not authorized to perform: {access.action} "
        f"on resource: {access.resource} {why}",
    )


def _statements(document: Mapping[str, Any]) -> tuple[Statement, ...]:
    _check(document, {"Version", "Id", "Statement"}, "policy")
    if document.get("Version") not in _VERSIONS:
        raise ValueError(f"policy: Version is not one of {', '.join(_VERSIONS)}")
    listed = _list(document.get("Statement"))
    sids = [it["Sid"] for it in listed if isinstance(it, dict) and "Sid" in it]
    if len({*sids}) < len(sids):
        raise ValueError("policy: two statements have the same Sid")
    if not listed:
        raise ValueError("policy: there is no Statement")
    return tuple(map(_statement, listed))


def _statement(body: Any) -> Statement:  # noqa: ANN401 - decoded JSON
    _check(body, {"Sid", "Effect", "Action", "Resource"}, "statement")
    if body.get("Effect") not in ("Allow", "Deny"):
        raise ValueError("statement: Effect is neither Allow nor Deny")
    if not _SID.fullmatch(body.get("Sid", "")):
        raise ValueError(f"statement: the Sid {body['Sid']!r} is not of letters and digits alone")
    actions, resources = _texts(body, "Action"), _texts(body, "Resource")
    if not all(":" in action or action == "*" for action in actions):
        raise ValueError("statement: an Action is neither `*` nor service:action")
    return Statement(allows=body["Effect"] == "Allow", actions=actions, resources=resources)


def _texts(body: Mapping[str, Any], name: str) -> tuple[str, ...]:
    found = _list(body.get(name))
    if not found or not all(isinstance(item, str) for item in found):
        raise ValueError(f"statement: {name} is neither a text nor a list of them")
    return tuple(found)


def _list(value: Any) -> list[Any]:  # noqa: ANN401 - decoded JSON
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _check(body: Any, known: set[str], what: str) -> None:  # noqa: ANN401 - decoded JSON
    if not isinstance(body, dict):
        raise ValueError(f"{what}: it is not an object")  # noqa: TRY004 - of the document's content
    unknown = sorted(body.keys() - known)
    if unknown:
        raise ValueError(f"{what}: {', '.join(unknown)} is not known to the local ECR")


def _matches(pattern: str, text: str) -> bool:
    # fnmatch would read brackets as well, which IAM does not.
    parts = ({"*": ".*", "?": "."}.get(char) or re.escape(char) for char in pattern)
    return re.fullmatch("".join(parts), text, re.DOTALL) is not None
