"""`/_local`: how scripts and tests in other languages read the log and plan faults."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from werkzeug.wrappers import Request, Response

from local_ecr.faults import CallLog, Fault, FaultPlan
from local_ecr.registry import Registry
from local_ecr.scans import scenario_from

_DONE = {"status": "ok"}


class Scripts:
    """The endpoints of `/_local/`; what they are is in the docstring of the package."""

    def __init__(
        self, registry: Registry, faults: FaultPlan, log: CallLog, scan_seconds: float
    ) -> None:
        self._registry = registry
        self._faults = faults
        self._log = log
        self._scan_seconds = scan_seconds
        self._endpoints: dict[tuple[str, str], Callable[[Any], dict[str, Any]]] = {
            ("GET", "health"): lambda _: _DONE,
            ("GET", "calls"): self._calls,
            ("GET", "scans"): self._scans,
            ("POST", "fail"): self._fail,
            ("POST", "latency"): self._latency,
            ("POST", "scenario"): self._scenario,
            ("POST", "expire-tokens"): self._expire_tokens,
            ("POST", "reset"): self._reset,
        }

    def answer(self, request: Request) -> Response:
        """Answer one request below `/_local/`."""
        name = request.path.removeprefix("/_local/")
        endpoint = self._endpoints.get((request.method, name))
        if endpoint is None:
            return _json(404, {"message": f"no {request.method} /_local/{name}"})
        try:
            return _json(200, endpoint(json.loads(request.get_data() or b"{}")))
        except (ValueError, TypeError, KeyError, AttributeError) as exc:
            return _json(400, {"message": f"{type(exc).__name__}: {exc}"})

    def _calls(self, _: object) -> dict[str, Any]:
        return {"calls": [call.as_json() for call in self._log.all()]}

    def _scans(self, _: object) -> dict[str, Any]:
        with self._registry.lock:
            return {"scans": self._registry.scan_log()}

    def _fail(self, body: dict[str, Any]) -> dict[str, Any]:
        times = int(body.pop("times", 1))
        self._faults.add(Fault(**body), times)
        return _DONE

    def _latency(self, body: dict[str, Any]) -> dict[str, Any]:
        self._faults.delay(body.get("operation", "*"), float(body["seconds"]))
        return _DONE

    def _scenario(self, body: dict[str, Any] | str) -> dict[str, Any]:
        scenario = scenario_from(body, self._scan_seconds)
        with self._registry.lock:
            self._registry.set_scenario(scenario)
        return _DONE

    def _expire_tokens(self, _: object) -> dict[str, Any]:
        with self._registry.lock:
            self._registry.tokens.expire_all()
        return _DONE

    def _reset(self, _: object) -> dict[str, Any]:
        self._faults.clear()
        self._log.clear()
        return _DONE


def _json(status: int, body: dict[str, Any]) -> Response:
    return Response(json.dumps(body), status=status, content_type="application/json")
