"""The local ECR lets a role do what its policies allow: by API, by docker, and at Inspector."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import boto3
import pytest
import requests
from botocore.exceptions import ClientError

from local_ecr import LocalEcr
from local_ecr.sts import Session
from tests.images import push_image, push_manifest

pytestmark = pytest.mark.usefixtures("ambient")

APP = "arn:aws:ecr:eu-west-1:123456789012:repository/app"
ROLE = "arn:aws:iam::123456789012:role/publisher"
EVERYTHING = {"Effect": "Allow", "Action": "*", "Resource": "*"}


def allowing(*actions: str, resource: str = "*") -> dict[str, Any]:
    return {"Effect": "Allow", "Action": [*actions], "Resource": resource}


def document(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [*statements]}


class Lab:
    """Somebody with a role, and the owner of the registry, who may do everything."""

    def __init__(self, ecr: LocalEcr) -> None:
        self.ecr = ecr
        self.owner = boto3.client("ecr")
        self.owner.create_repository(repositoryName="app")
        self.owner.create_repository(repositoryName="other")

    def role(self, *statements: dict[str, Any], policy: dict[str, Any] | None = None) -> Session:
        """A session, of a role with these statements, narrowed by the policy."""
        self.ecr.set_scenario({"policy": document(*statements)})
        more: dict[str, Any] = {"Policy": json.dumps(policy)} if policy else {}
        boto3.client("sts").assume_role(RoleArn=ROLE, RoleSessionName="run", **more)
        return self.ecr.sessions()[-1]

    def client(self, session: Session, service: Any = "ecr") -> Any:
        return boto3.client(
            service,
            aws_access_key_id=session.access_key,
            aws_secret_access_key=session.secret_key,
            aws_session_token=session.token,
        )

    def login(self, session: Session) -> tuple[str, str]:
        (data,) = self.client(session).get_authorization_token()["authorizationData"]
        user, _, password = base64.b64decode(data["authorizationToken"]).decode().partition(":")
        return user, password


@pytest.fixture
def lab(ecr: LocalEcr) -> Lab:
    return Lab(ecr)


def refused(call: Callable[[], object]) -> str:
    with pytest.raises(ClientError) as caught:
        call()
    assert caught.value.response["Error"]["Code"] == "AccessDeniedException"
    return str(caught.value.response["Error"]["Message"])


def test_api__allows_what_the_role_may_do_and_nothing_else(lab: Lab) -> None:
    role = lab.client(lab.role(allowing("ecr:Describe*", resource=APP)))

    role.describe_images(repositoryName="app")
    role.describe_repositories(repositoryNames=["app"])

    said = refused(lambda: role.describe_images(repositoryName="other"))
    assert said == (
        "User: arn:aws:sts::123456789012:assumed-role/publisher/run is not authorized to perform: "
        f"ecr:DescribeImages on resource: {APP.replace('app', 'other')} because no identity-based "
        "policy allows the ecr:DescribeImages action"
    )
    assert "repository/*" in refused(role.describe_repositories)
    assert "on resource: *" in refused(role.get_registry_scanning_configuration)
    refused(lambda: role.describe_repositories(repositoryNames=["app", "other"]))
    refused(lambda: role.create_repository(repositoryName="new"))
    refused(lambda: role.start_image_scan(repositoryName="app", imageId={"imageTag": "x"}))


def test_api__refuses_before_it_tells_what_is_there(lab: Lab) -> None:
    role = lab.client(lab.role(allowing("ecr:Describe*", resource=APP)))

    assert "not authorized" in refused(lambda: role.describe_images(repositoryName="missing"))


def test_api__who_is_no_role_may_do_everything(lab: Lab) -> None:
    lab.role(allowing("ecr:DescribeImages"))

    lab.owner.create_repository(repositoryName="new")


def test_api__without_a_policy_a_role_may_do_everything(lab: Lab) -> None:
    session = lab.role(EVERYTHING)
    lab.ecr.set_scenario("clean")

    lab.client(session).create_repository(repositoryName="new")


def test_session__is_narrowed_by_its_own_policy_alone(lab: Lab) -> None:
    narrow = lab.role(EVERYTHING, policy=document(allowing("ecr:DescribeImages", resource=APP)))
    wide = lab.role(EVERYTHING)

    said = refused(lambda: lab.client(narrow).describe_images(repositoryName="other"))
    assert said.endswith("because no session policy allows the ecr:DescribeImages action")
    lab.client(narrow).describe_images(repositoryName="app")
    lab.client(wide).describe_images(repositoryName="other")


def test_session__has_no_more_than_its_role(lab: Lab) -> None:
    session = lab.role(allowing("ecr:ListImages"), policy=document(EVERYTHING))

    said = refused(lambda: lab.client(session).describe_images(repositoryName="app"))
    assert "no identity-based policy" in said


def test_session__policy_that_is_none_is_refused(lab: Lab) -> None:
    with pytest.raises(ClientError, match="MalformedPolicyDocument"):
        lab.role(EVERYTHING, policy={"Version": "2012-10-17"})


def test_docker__password_is_its_session_s(lab: Lab) -> None:
    token = allowing("ecr:GetAuthorizationToken")
    names = ("InitiateLayerUpload", "UploadLayerPart", "CompleteLayerUpload", "PutImage")
    push = allowing(*(f"ecr:{name}" for name in names), resource=APP)
    login = lab.login(lab.role(token, push))

    push_image(lab.ecr, "app", "1", login=login)

    with pytest.raises(requests.HTTPError, match="403"):
        push_image(lab.ecr, "other", "1", login=login)
    # The owner's password is good for both, and says nothing of any role.
    push_image(lab.ecr, "other", "1")


def asked(lab: Lab, login: tuple[str, str], method: str, path: str) -> requests.Response:
    return requests.request(method, f"{lab.ecr.url}/v2/{path}", auth=login, timeout=10)


@pytest.mark.parametrize(
    ("method", "path", "action"),
    [
        ("GET", "app/tags/list", "ListImages"),
        ("GET", "app/manifests/1", "BatchGetImage"),
        ("HEAD", "app/manifests/1", "BatchGetImage"),
        ("PUT", "app/manifests/2", "PutImage"),
        ("HEAD", "app/blobs/sha256:" + "0" * 64, "BatchCheckLayerAvailability"),
        ("GET", "app/blobs/sha256:" + "0" * 64, "GetDownloadUrlForLayer"),
        ("POST", "app/blobs/uploads/", "InitiateLayerUpload"),
        ("PATCH", "app/blobs/uploads/x", "UploadLayerPart"),
        ("GET", "app/blobs/uploads/x", "UploadLayerPart"),
        ("PUT", "app/blobs/uploads/x?digest=y", "CompleteLayerUpload"),
        ("DELETE", "app/blobs/uploads/x", "UploadLayerPart"),
    ],
)
def test_docker__each_request_needs_its_action(
    lab: Lab, method: str, path: str, action: str
) -> None:
    everything_else = {"Effect": "Deny", "Action": f"ecr:{action}", "Resource": "*"}
    denied = asked(lab, lab.login(lab.role(EVERYTHING, everything_else)), method, path)
    only = lab.role(allowing("ecr:GetAuthorizationToken", f"ecr:{action}"))
    allowed = asked(lab, lab.login(only), method, path)

    assert denied.status_code == 403
    assert allowed.status_code != 403
    if method != "HEAD":
        (error,) = denied.json()["errors"]
        assert error["code"] == "DENIED"
        assert error["message"].startswith("User: arn:aws:sts::")
        assert f"ecr:{action} on resource: {APP} with an explicit deny" in error["message"]


def test_docker__ping_needs_a_login_alone(lab: Lab) -> None:
    login = lab.login(lab.role(allowing("ecr:GetAuthorizationToken")))

    assert asked(lab, login, "GET", "").status_code == 200
    assert asked(lab, ("AWS", "wrong"), "GET", "").status_code == 401


def test_docker__blob_is_mounted_only_from_where_it_may_be_read(lab: Lab) -> None:
    layer = push_image(lab.ecr, "other", "1").text
    digest = json.loads(layer)["layers"][0]["digest"]
    token = allowing("ecr:GetAuthorizationToken", "ecr:InitiateLayerUpload")
    path = f"app/blobs/uploads/?mount={digest}&from=other"

    without = asked(lab, lab.login(lab.role(token)), "POST", path)
    assert without.status_code == 202
    reads = allowing("ecr:GetDownloadUrlForLayer", resource=APP.replace("app", "other"))
    assert asked(lab, lab.login(lab.role(token, reads)), "POST", path).status_code == 201


@pytest.mark.parametrize("action", ["ListCoverage", "ListFindings"])
def test_inspector__is_asked_for_enhanced_findings(lab: Lab, action: str) -> None:
    lab.ecr.set_rules("ENHANCED", {"CONTINUOUS_SCAN": ["*"]})
    push_image(lab.ecr, "app", "1")
    denies = {"Effect": "Deny", "Action": f"inspector2:{action}", "Resource": "*"}
    role = lab.client(lab.role(EVERYTHING, denies))

    said = refused(
        lambda: role.describe_image_scan_findings(repositoryName="app", imageId={"imageTag": "1"})
    )
    assert f"perform: inspector2:{action} on resource: arn:aws:inspector2:" in said


def test_inspector__own_calls_need_their_actions(lab: Lab) -> None:
    session = lab.role(allowing("inspector2:ListCoverage"))
    inspector = lab.client(session, "inspector2")

    inspector.list_coverage()
    said = refused(lambda: inspector.batch_get_finding_details(findingArns=["arn:x"]))
    assert "no identity-based policy allows the inspector2:BatchGetFindingDetails action" in said


PROFILE = "arn:aws:signer:eu-west-1:123456789012:/signing-profiles/releases"


def signed(lab: Lab, tag: str) -> list[str]:
    answer = lab.owner.describe_image_signing_status(
        repositoryName="app", imageId={"imageTag": tag}
    )
    return [it["status"] for it in answer["signingStatuses"]]


def test_signing__is_done_in_the_name_of_who_pushes(lab: Lab) -> None:
    push_image(lab.ecr, "app", "before", b"before")
    login = lab.login(lab.role(allowing("ecr:*")))
    lab.ecr.set_scenario(
        {"policy": document(allowing("ecr:*")), "switches": {"signing_profile": PROFILE}}
    )
    image = push_image(lab.ecr, "app", "1", login=login)
    assert (signed(lab, "before"), signed(lab, "1")) == ([], ["FAILED"])

    # Pushed again by somebody who may sign, and then once more by the role, which does no harm.
    push_manifest(lab.ecr, "app", "2", json.loads(image.text))
    push_manifest(lab.ecr, "app", "3", json.loads(image.text), login)
    assert signed(lab, "1") == ["COMPLETE"]
