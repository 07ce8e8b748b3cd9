"""One WSGI application for all: ECR and STS, the data plane, S3, GitHub, `/_local`."""

from __future__ import annotations

import io
import json
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from werkzeug.wrappers import Request, Response

from local_ecr import (
    access,
    control,
    data_plane,
    downloads,
    finding_details,
    inspector,
    oidc,
    repositories,
    sts,
)
from local_ecr.errors import ERROR_HEADER, ConnectionDropped, EcrError
from local_ecr.faults import CONNECTION_RESET, Call, CallLog, FaultPlan
from local_ecr.holds import Hold, HoldPlan, When
from local_ecr.policies import Access, refusal
from local_ecr.registry import Registry
from local_ecr.repositories import AMZ_JSON
from local_ecr.scripts import Scripts
from local_ecr.signing import PUSHES
from local_ecr.sts import Session

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

_Inspect = Callable[[Registry, Mapping[str, Any]], dict[str, Any]]
_INSPECTOR: Mapping[str, tuple[str, _Inspect]] = {
    "/coverage/list": ("ListCoverage", inspector.list_coverage),
    "/findings/details/batch/get": (
        "BatchGetFindingDetails",
        finding_details.batch_get_finding_details,
    ),
}
_INSPECTOR_STATUS = {"AccessDeniedException": 403, "ThrottlingException": 429}


@dataclass(frozen=True, kw_only=True)
class _Task:
    """A request with the name of its operation, and how to answer it or to refuse it.

    `caller` is the access key of who makes it, and `needs` what IAM is asked for.
    """

    operation: str
    answer: Callable[[], Response]
    refuse: Callable[[EcrError], Response]
    repository: str | None = None
    denied: Callable[[], EcrError] | None = None
    caller: str = ""
    needs: Callable[[], Iterable[Access]] = tuple


class App:
    """Routes requests, stops those that are held, lets faults come first, keeps the log."""

    def __init__(self, registry: Registry, *, scan_seconds: float, quiet: bool = True) -> None:
        self.registry = registry
        self.faults = FaultPlan()
        self.holds = HoldPlan()
        self.log = CallLog()
        self.scripts = Scripts(registry, self.faults, self.log, scan_seconds)
        self.issuer = oidc.Issuer()
        self._sts = sts.Sts(registry.place.account, self.issuer)
        self._quiet = quiet

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one WSGI request."""
        request = Request(environ)
        if request.path.startswith("/_local/"):
            return self.scripts.answer(request)(environ, start_response)
        task = self._task(request)
        with self.holds.of(task.operation) as held:
            if "before" in held:
                _take_in(environ)
            with _stop(held, "before"):
                response = self._effect(task)
            with _stop(held, "after"):
                return response(environ, start_response)

    def _effect(self, task: _Task) -> Response:
        time.sleep(self.faults.latency(task.operation))
        response = self._faulty(task) or self._forbidden(task) or self._answered(task)
        self._sign(task, response)
        self._note(task, response)
        return response

    def _task(self, request: Request) -> _Task:
        if request.path == "/v2" or request.path.startswith("/v2/"):
            return self._data_plane_task(request)
        if request.path.startswith(downloads.PREFIX):
            return self._download_task(request)
        if request.path.startswith("/oidc/"):
            return self._oidc_task(request)
        if "X-Amz-Target" in request.headers:
            return self._ecr_task(request)
        if request.path in _INSPECTOR:
            return self._inspector_task(request)
        return self._sts_task(request)

    def _faulty(self, task: _Task) -> Response | None:
        fault = self.faults.take(task.operation)
        if fault is None:
            return None
        if fault.code == CONNECTION_RESET:
            self.log.add(self._call(task, 0, CONNECTION_RESET))
            raise ConnectionDropped
        refusal = task.denied() if task.denied and fault.text is None else None
        text = refusal.message if refusal else fault.text or fault.code
        return task.refuse(EcrError(fault.code, text, fault.http_status))

    def _forbidden(self, task: _Task) -> Response | None:
        """IAM's refusal; who is no role may do everything."""
        with self.registry.lock:
            refusals = (self._refusal(task.caller, access) for access in task.needs())
            error = next(filter(None, refusals), None)
        return task.refuse(error) if error else None

    def _refusal(self, caller: str, access: Access) -> EcrError | None:
        session = self._sts.session(caller)
        if session is None:
            return None
        known = (self.registry.scenario.policy, session.policy)
        return refusal(tuple(filter(None, known)), session.arn, access)

    def _sign(self, task: _Task, response: Response) -> None:
        profile = self.registry.scenario.switches.signing_profile
        if not profile or task.operation not in PUSHES or response.status_code >= 400:  # noqa: PLR2004
            return
        digest = response.headers.get("Docker-Content-Digest")
        digest = digest or json.loads(response.get_data())["image"]["imageId"]["imageDigest"]
        with self.registry.lock:
            sign = Access(action="signer:SignPayload", resource=profile)
            allowed = self._refusal(task.caller, sign) is None
            self.registry.signatures.note(task.repository or "", digest, allowed=allowed)

    def _answered(self, task: _Task) -> Response:
        try:
            return task.answer()
        except ConnectionDropped:
            self.log.add(self._call(task, 0, CONNECTION_RESET))
            raise
        except Exception as exc:  # noqa: BLE001 - a bug here is a 500 there, and not a silent hang-up
            traceback.print_exc()
            return task.refuse(EcrError("ServerException", f"bug in local_ecr: {exc!r}", 500))

    def _note(self, task: _Task, response: Response) -> None:
        call = self._call(task, response.status_code, response.headers.pop(ERROR_HEADER, None))
        self.log.add(call)
        if not self._quiet:
            words = [call.operation, call.repository or "", str(call.status), call.error or ""]
            sys.stderr.write(" ".join(filter(None, words)) + "\n")

    def _call(self, task: _Task, status: int, error: str | None) -> Call:
        return Call(
            operation=task.operation,
            repository=task.repository,
            time=self.registry.clock(),
            status=status,
            error=error,
        )

    # --- the data plane -------------------------------------------------------------------------

    def _data_plane_task(self, request: Request) -> _Task:
        query = request.query_string.decode()
        content = request.content_length != 0
        found = data_plane.route(request.method, request.path, query)
        with self.registry.lock:
            caller = self.registry.tokens.owner(request.headers.get("Authorization"))
            mount = access.of_a_mount(self.registry, found)
            if mount and self._refusal(caller, mount):
                found = data_plane.without_mount(found)
        return _Task(
            operation=found.operation,
            repository=found.name or None,
            caller=caller,
            needs=lambda: access.of_docker(self.registry, found, content=content),
            answer=lambda: data_plane.answer(self.registry, request, found),
            refuse=data_plane.error_response,
            denied=lambda: data_plane.denied(self.registry, found),
        )

    # --- S3 -------------------------------------------------------------------------------------

    def _download_task(self, request: Request) -> _Task:
        return _Task(
            operation="GetObject",
            repository=downloads.repository_of(request.path),
            answer=lambda: self._download(request),
            refuse=downloads.error_response,
            denied=lambda: EcrError("AccessDenied", "Access Denied"),
        )

    def _download(self, request: Request) -> Response:
        try:
            with self.registry.lock:
                self.registry.downloads.check(request, self.registry.clock())
        except EcrError as error:
            return downloads.error_response(error)
        return downloads.blob_response(self.registry.blobs, request.path)

    # --- ECR ------------------------------------------------------------------------------------

    def _ecr_task(self, request: Request) -> _Task:
        operation = request.headers["X-Amz-Target"].rpartition(".")[2]
        raw = request.get_data()
        body = _decoded(raw)
        repository = body.get("repositoryName")
        return _Task(
            operation=operation,
            repository=repository,
            caller=_access_key(request) or "",
            needs=lambda: access.of_ecr(self.registry, operation, body),
            answer=lambda: self._ecr(operation, request, raw, body),
            refuse=_ecr_refusal,
            denied=lambda: self._ecr_denied(operation, repository),
        )

    def _ecr(self, operation: str, request: Request, raw: bytes, body: dict[str, Any]) -> Response:
        try:
            with self.registry.lock:
                if operation == "GetAuthorizationToken":
                    owner = _access_key(request) or ""
                    token = control.get_authorization_token(self.registry, body, owner)
                    return _json(token, AMZ_JSON)
                if operation in control.OPERATIONS:
                    return _json(control.OPERATIONS[operation](self.registry, body), AMZ_JSON)
                return self._moto(operation, request, raw)
        except EcrError as error:
            return _ecr_refusal(error)
        except KeyError as exc:
            missing = f"Missing required parameter {exc}"
            return _ecr_refusal(EcrError("InvalidParameterException", missing))

    def _moto(self, operation: str, request: Request, raw: bytes) -> Response:
        if operation in control.NOT_OFFERED:
            raise EcrError("UnknownOperationException", f"{operation} is offered by /v2/ only")
        answer = repositories.answer(
            self.registry.repositories, request.url, dict(request.headers), raw
        )
        response = Response(answer[1], status=answer[0], content_type=AMZ_JSON)
        if response.status_code >= 400:  # noqa: PLR2004
            kind = str(json.loads(answer[1]).get("__type", "")).rpartition("#")[2]
            response.headers[ERROR_HEADER] = kind
        return response

    def _ecr_denied(self, operation: str, repository: str | None) -> EcrError:
        place = self.registry.place
        resource = place.arn(repository) if repository else "*"
        reason = f"because no identity-based policy allows the ecr:{operation} action"
        return EcrError(
            "AccessDeniedException",
            f"User: {place.caller} is not authorized to perform: ecr:{operation} "
            f"on resource: {resource} {reason}",
        )

    # --- Inspector ------------------------------------------------------------------------------

    def _inspector_task(self, request: Request) -> _Task:
        operation, answer = _INSPECTOR[request.path]
        body = _decoded(request.get_data())
        named = (body.get("filterCriteria") or {}).get("ecrRepositoryName") or [{}]
        return _Task(
            operation=operation,
            repository=named[0].get("value"),
            caller=_access_key(request) or "",
            needs=lambda: access.of_inspector(self.registry, operation),
            answer=lambda: self._inspected(request, body, answer),
            refuse=_inspector_refusal,
            denied=lambda: self.registry.place.inspector_denied(operation),
        )

    def _inspected(self, request: Request, body: dict[str, Any], answer: _Inspect) -> Response:
        if request.method != "POST" or "/inspector2/aws4_request" not in _authorization(request):
            text = "Credential should be scoped to correct service: 'inspector2'."
            return _inspector_refusal(EcrError("InvalidSignatureException", text, 403))
        try:
            with self.registry.lock:
                return _json(answer(self.registry, body))
        except EcrError as error:
            return _inspector_refusal(error)

    # --- STS ------------------------------------------------------------------------------------

    def _sts_task(self, request: Request) -> _Task:
        text = request.get_data().decode() or request.query_string.decode()
        form = dict(parse_qsl(text, keep_blank_values=True))
        action = form.get("Action", "")
        return _Task(
            operation=action or "Unknown",
            answer=lambda: self._sts_answer(action, form, _access_key(request)),
            refuse=_sts_refusal,
            denied=lambda: sts.not_authorized(action),
        )

    def _sts_answer(self, action: str, form: Mapping[str, str], key: str | None) -> Response:
        try:
            with self.registry.lock:
                result = self._sts_result(action, form, key)
        except EcrError as error:
            return _sts_refusal(error)
        return Response(sts.result_xml(action, result), content_type="text/xml")

    def _sts_result(self, action: str, form: Mapping[str, str], key: str | None) -> dict[str, Any]:
        now, scenario = self.registry.clock(), self.registry.scenario
        if action == "GetCallerIdentity":
            return self._sts.caller(key)
        if action == "AssumeRole":
            return self._sts.assume_role(form, now)
        if action == "AssumeRoleWithWebIdentity":
            return self._sts.assume_with_web_identity(form, now, scenario.trust, scenario.switches)
        raise EcrError("InvalidAction", f"Could not find operation {action}")

    # --- GitHub ---------------------------------------------------------------------------------

    def _oidc_task(self, request: Request) -> _Task:
        is_token = request.path == "/oidc/token"
        return _Task(
            operation="GetIdToken" if is_token else "GetKeySet",
            answer=(lambda: self._id_token(request)) if is_token else self._key_set,
            refuse=lambda error: _json({"message": error.message}, status=error.status),
        )

    def _id_token(self, request: Request) -> Response:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or token != self.issuer.request_token:
            return _json({"message": "Unauthorized"}, status=401)
        trust = self.registry.scenario.trust
        audience = request.args.get("audience") or "https://github.com/org"
        claims = oidc.claims(audience, self.registry.clock(), trust.token_seconds, trust.claims)
        return _json({"count": 1, "value": self.issuer.sign(claims)})

    def sessions(self) -> tuple[Session, ...]:
        """Every session of a role so far."""
        with self.registry.lock:
            return self._sts.all()

    def secrets(self) -> tuple[str, ...]:
        """Every secret that was handed out so far."""
        with self.registry.lock:
            tokens = self.registry.tokens.secrets() + self.registry.downloads.secrets()
            return (
                self.issuer.request_token, *self.issuer.signed, *self._sts.secrets(), *tokens
            )  # fmt: skip

    def _key_set(self) -> Response:
        return _json(self.issuer.key_set())


def _stop(held: Mapping[When, Hold], when: When) -> AbstractContextManager[None]:
    return held[when].passing() if when in held else nullcontext()


def _take_in(environ: WSGIEnvironment) -> None:
    # What arrived must not depend on whether the client lives until it is read.
    environ["wsgi.input"] = io.BytesIO(environ["wsgi.input"].read())


def _json(
    body: Mapping[str, Any], content_type: str = "application/json", status: int = 200
) -> Response:
    return Response(json.dumps(body), status=status, content_type=content_type)


def _decoded(raw: bytes) -> dict[str, Any]:
    try:
        body = json.loads(raw or b"{}")
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _ecr_refusal(error: EcrError) -> Response:
    body = {"__type": error.code, "message": error.message}
    response = _json(body, AMZ_JSON, error.status)
    response.headers[ERROR_HEADER] = error.code
    return response


def _inspector_refusal(error: EcrError) -> Response:
    body: dict[str, Any] = {"message": error.message}
    if error.code == "ValidationException":
        body["reason"] = "FIELD_VALIDATION_FAILED"
    status = _INSPECTOR_STATUS.get(error.code, error.status)
    response = _json(body, status=status)
    response.headers["x-amzn-ErrorType"] = response.headers[ERROR_HEADER] = error.code
    return response


def _sts_refusal(error: EcrError) -> Response:
    response = Response(sts.error_xml(error), status=error.status, content_type="text/xml")
    response.headers[ERROR_HEADER] = error.code
    return response


def _authorization(request: Request) -> str:
    return str(request.headers.get("Authorization", ""))


def _access_key(request: Request) -> str | None:
    _, _, rest = _authorization(request).partition("Credential=")
    return rest.partition("/")[0] or None
