"""Streams as docker-py gave them from Engine 26.1, shortened; with the classic and the containerd
store."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecr_publish.errors import ExitCode
from ecr_publish.push import Layer, Progress, failure, follow
from ecr_publish.reference import Digest
from tests.factories import ARN, URI

DIGEST = f"sha256:{'d48a31eb' * 8}"
OTHER = f"sha256:{'8b24fb49' * 8}"
Event = dict[str, Any]


def layer(name: str, status: str, current: int = 0, total: int = 0) -> Event:
    detail = {"current": current, "total": total} if total else {}
    bar = {"progress": f"[==>    ]  {current}B/{total}B"} if total else {}
    return {"status": status, "progressDetail": detail, **bar, "id": name}


def said(digest: str, tag: str = "candidate-42-1") -> Event:
    return {"status": f"{tag}: digest: {digest} size: 528"}


def aux(digest: str, tag: str = "candidate-42-1") -> Event:
    return {"progressDetail": {}, "aux": {"Tag": tag, "Digest": digest, "Size": 528}}


def error(text: str) -> Event:
    return {"errorDetail": {"message": text}, "error": text}


START: Event = {"status": f"The push refers to repository [{URI}]"}
CLASSIC = [
    START,
    layer("0eba4405ac62", "Preparing"),
    layer("ed96f2a361c8", "Preparing"),
    layer("ed96f2a361c8", "Waiting"),
    layer("ed96f2a361c8", "Layer already exists"),
    layer("0eba4405ac62", "Pushing", 525_824, 186_724_876),
    layer("0eba4405ac62", "Pushing", 93_000_000, 186_724_876),
    layer("0eba4405ac62", "Pushing", 186_734_592, 186_724_876),
    layer("0eba4405ac62", "Pushed"),
    said(DIGEST),
    aux(DIGEST),
]
CONTAINERD = [
    START,
    layer("3cb58a162a3d", "Waiting"),
    layer("e9de25a596fb", "Mounted from app"),
    layer("3cb58a162a3d", "Pushing", 15_728_640, 63_549_810),
    layer("3cb58a162a3d", "Pushing", 58_720_256, 63_549_810),
    layer("3cb58a162a3d", "Pushed"),
    said(DIGEST),
]


def after(events: Sequence[Event]) -> Progress:
    return reduce(follow, events, Progress())


def test_follow__classic_store() -> None:
    progress = after(CLASSIC)

    assert progress.digest == Digest(DIGEST)
    assert progress.error == ""
    assert progress.layers == {
        "0eba4405ac62": Layer(current=186_724_876, total=186_724_876, done=True),
        "ed96f2a361c8": Layer(there=True, done=True),
    }
    assert str(progress) == "2 of 2 layers, 1 of them were there already, 186.7 of 186.7 MB sent"


def test_follow__containerd_store_states_the_digest_in_words_alone() -> None:
    progress = after(CONTAINERD)

    assert progress.digest == Digest(DIGEST)
    assert progress.layers == {
        "3cb58a162a3d": Layer(current=63_549_810, total=63_549_810, done=True),
        "e9de25a596fb": Layer(there=True, done=True),
    }


def test_s5_follow__everything_is_there() -> None:
    progress = after([START, layer("a", "Layer already exists"), layer("b", "Mounted from base")])

    assert str(progress) == "2 of 2 layers, 2 of them were there already, 0.0 of 0.0 MB sent"


def test_follow__halfway() -> None:
    progress = after(CLASSIC[:7])

    assert progress.digest is None
    assert str(progress) == "1 of 2 layers, 1 of them were there already, 93.0 of 186.7 MB sent"
    assert str(after(CONTAINERD[:2])) == "0 of 1 layers, 0.0 of 0.0 MB sent"


def test_follow__layer_never_goes_back_nor_beyond_its_size() -> None:
    events = [layer("a", "Pushing", 60, 100), layer("a", "Pushing", 40, 100)]
    assert after(events).layers["a"] == Layer(current=60, total=100)

    assert after([*events, layer("a", "Pushing", 900, 100)]).layers["a"].current == 100


def test_follow__layer_that_is_sent_again_keeps_its_size() -> None:
    events = [layer("a", "Pushing", 60, 100), layer("a", "Retrying in 5 seconds")]

    assert after(events).layers["a"] == Layer(current=60, total=100)


@pytest.mark.parametrize("event", [{}, START, {"status": ""}, {"id": "", "status": "Preparing"}])
def test_follow__event_about_no_layer_changes_nothing(event: Event) -> None:
    assert follow(Progress(), event) == Progress()


def test_follow__header_is_no_layer_even_with_an_id() -> None:
    assert follow(Progress(), {**START, "id": "candidate"}) == Progress()


def test_follow__note_of_containerd_is_no_digest() -> None:
    note = {"aux": {"manifestPushedInsteadOfIndex": True, "selectedManifest": {"digest": OTHER}}}

    assert follow(Progress(), note).digest is None


def test_s1_follow__last_digest_counts() -> None:
    assert after([said(OTHER), said(DIGEST)]).digest == Digest(DIGEST)
    assert after([aux(OTHER), aux(DIGEST)]).digest == Digest(DIGEST)


@pytest.mark.parametrize(
    "text", ["sha256:abc", f"sha256:{'D48A31EB' * 8}", "not a digest", "sha512:" + "0" * 128]
)
def test_s1_follow__what_is_no_digest_is_not_taken_for_one(text: str) -> None:
    assert follow(Progress(), said(text)).digest is None
    with pytest.raises(ValueError, match="is not a digest"):
        follow(Progress(), aux(text))


# Errors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "event",
    [
        error("denied: no"),
        {"error": "denied: no"},
        pytest.param({"errorDetail": {"message": "denied: no"}}, id="newer engines"),
        pytest.param({"errorDetail": {"message": "denied: no"}, "error": ""}, id="empty error"),
        pytest.param({**aux(DIGEST), **error("denied: no")}, id="with a digest"),
    ],
)
@pytest.mark.parametrize("before", [[], CLASSIC[:5], CLASSIC, CONTAINERD])
def test_s2_follow__error_in_the_stream_stays(before: list[Event], event: Event) -> None:
    progress = after([*before, event, layer("z", "Pushed"), said(OTHER), aux(OTHER)])

    assert progress.error == "denied: no"


def test_s2_follow__error_without_words_is_one_all_the_same() -> None:
    assert after([*CLASSIC, {"errorDetail": {"code": 401}}]).error == "{'code': 401}"


# Texts of reference/ecr-behaviour.md 2.1, and those of Engine 26.1 with the containerd store.
_UPLOAD = f"https://{URI.partition('/')[0]}/v2/app/blobs/uploads/?mount={OTHER}&from=base"
_PUT = f"https://{URI.partition('/')[0]}/v2/app/manifests/candidate-42-1"
CAUSES = {
    "missing": (
        "name unknown: The repository with name 'app' does not exist in the registry with id '1'",
        f"unexpected status from POST request to {_UPLOAD}: 404 Not Found",
        f"unexpected status from POST request to {_UPLOAD}: 404 NOT FOUND",
        "name unknown: The repository with name 'access-denied' does not exist in the registry",
        (
            f"unexpected status from POST request to {_UPLOAD.replace('app', 'forbidden')}: "
            "404 Not Found"
        ),
        "repository app not found: does not exist or no pull access",
    ),
    "permission": (
        (
            "denied: User: arn:aws:sts::1:assumed-role/r/s is not authorized to perform: "
            f"ecr:InitiateLayerUpload on resource: {ARN} because no identity-based policy allows "
            "the ecr:InitiateLayerUpload action"
        ),
        f"unexpected status from POST request to {_UPLOAD}: 403 Forbidden",
        "denied: requested access to the resource is denied",
        (
            "denied: User: arn:aws:sts::1:assumed-role/r/s is not authorized to perform: "
            "ecr:BatchGetImage on resource: arn:aws:ecr:eu-west-1:1:repository/eof"
        ),
    ),
    "expired": ("denied: Your authorization token has expired. Reauthenticate and try again.",),
    "login": (
        "no basic auth credentials",
        "unauthorized: no basic auth credentials",
        f"unexpected status from HEAD request to {_UPLOAD}: 401 Unauthorized",
    ),
    "immutable": (
        (
            "tag invalid: The image tag 'T' already exists in the 'app' repository and cannot be "
            "overwritten because the tag is immutable."
        ),
        (
            "TAG_INVALID: The image tag 'T' already exists in the 'app' repository and cannot be "
            "overwritten because the repository is immutable."
        ),
        (
            f'failed commit on ref "manifest-{OTHER}": unexpected status from PUT request to '
            f"{_PUT}: 400 Bad Request"
        ),
    ),
    "throttled": (
        "toomanyrequests: Rate exceeded",
        "Unknown: Rate exceeded",
        f"unexpected status from POST request to {_UPLOAD}: 429 Too Many Requests",
    ),
    "network": (
        'Get "https://1.dkr.ecr.eu-west-1.amazonaws.com/v2/": dial tcp: lookup 1.dkr: no such host',
        "dial tcp 10.0.0.1:443: connect: connection refused",
        "read tcp 10.0.0.2:5123->10.0.0.1:443: read: connection reset by peer",
        "dial tcp 10.0.0.1:443: i/o timeout",
        "net/http: TLS handshake timeout",
        # Long ago also of a missing repository, which the run has seen by now (section 2.1).
        "EOF",
        f'Put "{_UPLOAD}": EOF',
        "write tcp 10.0.0.2:5123->10.0.0.1:443: use of closed network connection",
    ),
    "session": (
        (
            "denied: User: arn:aws:sts::1:assumed-role/r/s is not authorized to perform: "
            "ecr:InitiateLayerUpload on resource: arn:aws:ecr:eu-west-1:1:repository/app because "
            "no session policy allows the ecr:InitiateLayerUpload action"
        ),
    ),
    "not known": (
        (
            "manifest blob unknown: Images with digests '[sha256:0]' required for pushing image "
            "into repository with name 'app' in the registry with id '1' do not exist"
        ),
        "received unexpected HTTP status: 500 Internal Server Error",
        f"unexpected status from PUT request to {_UPLOAD}: 400 Bad Request",
        "the engine stated no digest",
        "geof is short of space",
    ),
}
WHY = {
    "missing": "The repository does not exist",
    "permission": "A permission is missing.",
    "session": "This run has narrowed its session",
    "expired": "An ECR token is valid for 12 hours",
    "login": "The token does not belong to this registry",
    "immutable": "The repository's tags are immutable",
    "throttled": "ECR throttled the push",
    "network": "The engine could not reach the registry",
    "not known": "The engine gave no cause that is known here.",
}


@pytest.mark.parametrize(
    ("text", "cause"), [(text, cause) for cause, texts in CAUSES.items() for text in texts]
)
def test_failure__names_the_cause(text: str, cause: str) -> None:
    failed = failure(text, ARN)

    assert failed.why.startswith(WHY[cause])
    assert failed.what == f"the push failed: {text}"
    assert failed.exit_code is ExitCode.PUSH
    assert failed.fix


def test_failure__of_a_permission_is_the_statement_to_paste() -> None:
    fix = failure(CAUSES["permission"][0], ARN).fix

    assert f'"Resource": "{ARN}"' in fix
    for action in (
        "BatchCheckLayerAvailability",
        "BatchGetImage",
        "CompleteLayerUpload",
        "InitiateLayerUpload",
        "PutImage",
        "UploadLayerPart",
    ):
        assert f'"ecr:{action}"' in fix
    assert "<arn>" not in fix


@given(st.text())
def test_failure__knows_an_answer_to_every_text(text: str) -> None:
    assert failure(text, ARN).why


def test_part__of_the_bytes_that_are_sent() -> None:
    assert after(CLASSIC[:7]).part == 93_000_000 / 186_724_876
    assert (after(CLASSIC[:7]).sent, after(CLASSIC[:7]).total) == (93_000_000, 186_724_876)
    assert after(CLASSIC).part == 1.0


def test_part__of_nothing_that_is_to_be_sent_yet() -> None:
    assert after(CLASSIC[:5]).part == 0.0
