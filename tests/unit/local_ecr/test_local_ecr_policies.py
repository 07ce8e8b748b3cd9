"""IAM's policies as the local ECR reads and weighs them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from local_ecr.policies import Access, identity_policy, refusal, session_policy
from local_ecr.scans import load

CALLER = "arn:aws:sts::123456789012:assumed-role/publisher/run"
REPOSITORY = "arn:aws:ecr:eu-west-1:123456789012:repository/team/app"
PUT = Access(action="ecr:PutImage", resource=REPOSITORY)


def document(*statements: Mapping[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [*statements]}


def statement(effect: str = "Allow", action: Any = "*", resource: Any = "*") -> dict[str, Any]:
    return {"Effect": effect, "Action": action, "Resource": resource}


def said(*policies: Any, access: Access = PUT) -> str:
    error = refusal(policies, CALLER, access)
    return error.message if error else ""


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("*", "*"),
        ("ecr:*", "*"),
        ("ecr:PutImage", REPOSITORY),
        ("ECR:putimage", REPOSITORY),
        ("ecr:Put?mage", "arn:aws:ecr:*:123456789012:repository/team/*"),
        (["ecr:GetImage", "ecr:PutImage"], ["arn:aws:ecr:eu-west-1:1:repository/x", REPOSITORY]),
    ],
)
def test_statement__covers(action: Any, resource: Any) -> None:
    assert not said(identity_policy(document(statement("Allow", action, resource))))


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("ecr:PutImageTag", REPOSITORY),
        ("ecr:Put", REPOSITORY),
        ("inspector2:*", REPOSITORY),
        ("ecr:*", "arn:aws:ecr:eu-west-1:123456789012:repository/team"),
        ("ecr:*", REPOSITORY.upper()),
        ("ecr:*", "arn:aws:ecr:eu-west-1:123456789012:repository/[t]eam/app"),
    ],
)
def test_statement__does_not_cover(action: Any, resource: Any) -> None:
    assert said(identity_policy(document(statement("Allow", action, resource))))


def test_refusal__is_worded_as_aws_words_it() -> None:
    everything = identity_policy(document(statement()))
    nothing = document(statement(action="ecr:GetAuthorizationToken"))
    begins = f"User: {CALLER} is not authorized to perform: ecr:PutImage on resource: {REPOSITORY} "
    assert said(identity_policy(nothing)) == (
        begins + "because no identity-based policy allows the ecr:PutImage action"
    )
    assert said(everything, session_policy(nothing)) == (
        begins + "because no session policy allows the ecr:PutImage action"
    )
    forbidden = document(statement(), statement("Deny", "ecr:Put*"))
    assert said(identity_policy(forbidden)) == (
        begins + "with an explicit deny in an identity-based policy"
    )
    assert said(everything, session_policy(forbidden)) == (
        begins + "with an explicit deny in a session policy"
    )


def test_refusal__explicit_deny_of_any_policy_comes_first() -> None:
    nothing = identity_policy(document(statement(action="ecr:GetAuthorizationToken")))
    denies = session_policy(document(statement("Deny")))
    assert said(nothing, denies).endswith("with an explicit deny in a session policy")


def test_refusal__none_without_any_policy() -> None:
    assert not said()


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        ([], "not an object"),
        ({"Statement": [statement()]}, "Version"),
        ({"Version": "2012-10-17"}, "no Statement"),
        (document(statement(), "x"), "not an object"),  # type: ignore[arg-type]
        ({**document(statement()), "Extra": 1}, "Extra is not known"),
        (document({**statement(), "Condition": {}}), "Condition is not known"),
        (document({**statement(), "NotAction": "x"}), "NotAction is not known"),
        (document(statement("allow")), "neither Allow nor Deny"),
        (document(statement(action=[])), "Action is neither"),
        (document(statement(action=[1])), "Action is neither"),
        (document(statement(action="PutImage")), "service:action"),
        (document({"Effect": "Allow", "Action": "*"}), "Resource is neither"),
        (document({**statement(), "Sid": "a b"}), "letters and digits"),
        (document({**statement(), "Sid": "A"}, {**statement(), "Sid": "A"}), "same Sid"),
    ],
)
def test_policy__what_is_not_known_is_refused(broken: Any, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        identity_policy(broken)


def test_policy__one_statement_need_not_be_in_a_list() -> None:
    one = {"Version": "2012-10-17", "Statement": statement("Allow", "ecr:PutImage")}
    assert not said(identity_policy(one))


def test_scenario__has_a_policy_for_all_roles() -> None:
    assert load('"clean"').policy is None
    written = document(statement("Allow", "ecr:*"))
    assert load(json.dumps({"policy": written})).policy == identity_policy(written)
    with pytest.raises(ValueError, match="Condition is not known"):
        load(json.dumps({"policy": document({**statement(), "Condition": {}})}))
