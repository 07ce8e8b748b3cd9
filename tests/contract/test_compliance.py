"""docs/compliance.md names settings and fields that exist, and promises nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from dev.act import CHECKOUT
from ecr_publish.origin import REVISION
from tests import setup_files

DOCUMENT = CHECKOUT / "docs" / "compliance.md"
TEXT = DOCUMENT.read_text("utf-8")
OF_AWS_AND_GITHUB = {"AssumeRoleWithWebIdentity", "PutImage", "FROM scratch"}


def _json(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((CHECKOUT / name).read_text("utf-8"))
    return loaded


def _members(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every member of the report, as `judgements.ground`, with what it may be."""
    for name, member in schema.get("properties", {}).items():
        yield path + name, member
        yield from _members(member.get("items", member), f"{path}{name}.")


def _actions() -> dict[str, str]:
    """Every input of the three actions and what is said of it, and every output."""
    found: dict[str, str] = {}
    for folder in ("", "gate/", "merge/"):
        action = yaml.safe_load((CHECKOUT / f"{folder}action.yml").read_text("utf-8"))
        for name, facts in (action["outputs"] | action["inputs"]).items():
            found.setdefault(name, facts["description"])
    return found


REPORT = dict(_members(_json("report.schema.json")))
POLICY = _json("policy.schema.json")["properties"]
INPUTS = _actions()
COMMANDS = {"doctor"}


def _values_of(name: str) -> str:
    """All that is said of what a setting may be."""
    return INPUTS.get(name, "") + json.dumps(POLICY.get(name, {}))


def _named(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


def _table_names() -> list[str]:
    rows = [line for line in TEXT.splitlines() if line.startswith("|")]
    return sorted({name for row in rows for name in _named(row)})


@pytest.mark.parametrize("name", _table_names())
def test_tables__name_what_exists(name: str) -> None:
    setting, colon, value = name.partition(": ")
    known = {*REPORT, *POLICY, *INPUTS, *COMMANDS, *OF_AWS_AND_GITHUB, REVISION}
    known |= set(REPORT["scans.engine"]["enum"]) | {"fail", "until", "owner", "reason"}
    assert setting in known
    assert not colon or re.search(rf"\b{value}\b", _values_of(setting)), (
        f"{setting} is never {value}"
    )


def test_tables__are_checked_by_more_than_their_words() -> None:
    assert len(_table_names()) > 50
    assert {"judgements.ignored_by.until", "on-timeout: warn"} <= set(_table_names())
    assert "judgements.ignored_by.end" not in REPORT


def test_report__has_no_member_that_is_not_explained() -> None:
    """What stands on the top, that is; `version` is the schema's own."""
    top = {name for name in REPORT if "." not in name} - {"version"}
    assert {name for name in top if f"`{name}" not in TEXT} == set()


def test_report__has_no_commit_and_no_time() -> None:
    """As the document says; where this changes, so does the document."""
    words = ("commit", "revision", "time", "created", "run", "actor")
    assert [name for name in REPORT if name.rpartition(".")[2] in words] == []
    assert "names no commit, no time, no person and no version" in TEXT


@pytest.mark.parametrize(
    "setting",
    [
        *("report-only", "on-timeout", "on-unsupported", "on-scan-error", "on-exploit-error"),
        *("severity-threshold", "unknown-severity", "only-fixable", "base-image-findings"),
        *("fail-on", "grace", "limits", "ignore", "ignore-files", "max-scan-age"),
    ],
)
def test_settings__that_weaken_it_are_named(setting: str) -> None:
    rows = setup_files.rows(DOCUMENT, "## Settings that weaken it")
    assert [row for row in rows if re.search(rf"`{setting}[`:]", row[0])]


def test_settings__that_do_without_a_verdict_are_among_them() -> None:
    """But for a missing baseline, where `warn` takes every finding for new, which is stricter."""
    own = "".join(row[0] for row in setup_files.rows(DOCUMENT, "## Settings that weaken it"))
    kinds = set(REPORT["gaps.kind"]["enum"]) - {"on-baseline-error"}
    assert len(kinds) == 4
    assert [kind for kind in kinds if f"`{kind}: warn`" not in own] == []


def test_wording__promises_nothing() -> None:
    plain = TEXT.lower()
    for word in ("guarantee", "ensures", "proves", "is compliant", "certified", "fully"):
        assert word not in plain, word
    assert "nothing here is a certification" in plain
    assert plain.count("can serve as evidence for") == 2
    assert plain.count("what that does not show") == 2


def test_links__lead_somewhere() -> None:
    found = setup_files.links(DOCUMENT)
    assert len(found) >= 4
    assert [link for link in found if not (DOCUMENT.parent / link).exists()] == []


def test_workflow__keeps_the_report_that_was_written() -> None:
    (shown,) = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
    publish, upload = yaml.safe_load(shown)
    assert set(publish["with"]) <= set(INPUTS)
    assert upload["with"]["path"] == publish["with"]["report-file"]
    assert upload["if"] == "always()"
    assert upload["with"]["retention-days"] <= 400
