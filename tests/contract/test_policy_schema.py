"""policy.schema.json, which editors read, is the schema of the reader's own rules, and valid."""

from __future__ import annotations

import json
import os
import subprocess
import sysconfig
from pathlib import Path

import pytest

from ecr_publish.policy_file import read, schema
from ecr_publish.shape import Malformed

CHECKOUT = Path(__file__).parents[2]
FILE = CHECKOUT / "policy.schema.json"
RENEW = "RENEW_SCHEMA"
EXAMPLES = [path.read_text() for path in sorted((CHECKOUT / "examples/policy").glob("*.yml"))]

WRONG = (
    "severity-threshold: severe\n",
    "limits: {medium: -1}\n",
    "limits: {medium: 1.5}\n",
    "limits: {undefined: 1}\n",
    "only-fixable: maybe\n",
    "grace: {high: 14}\n",
    "exploited: never\n",
    "require: {max-days: 0}\n",
    "ignore: [{package: libxml2}]\n",
    "ignore: [{id: CVE-1, until: soon}]\n",
    "ignore: [{id: CVE 1}]\n",
    "ignore: [{id: CVE-1, reason: ' '}]\n",
    "ignore: [{id: CVE-1, platform: arm64}]\n",
    "ignore: {id: CVE-1}\n",
    "allow: [everything]\n",
    "extends: ''\n",
    "severity_threshold: high\n",
)
RIGHT = (
    "{}\n",
    "limits: {medium: 20, low: none}\n",
    "exploited: off\n",
    "extends: ../org-policy.yml\nallow: [ignore, report-only]\n",
    "ignore: [{id: CVE-1, until: until-fixed}]\n",
    "ignore:\n- id: CVE-1\n  until: 2027-01-31\n  reason: |\n    a\n    b\n",
)


def check(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    program = Path(sysconfig.get_path("scripts"), "check-jsonschema")
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=False)


def valid(text: str, folder: Path) -> bool:
    """What an editor says of a policy file."""
    file = folder / "policy.yml"
    file.write_text(text)
    done = check("--schemafile", FILE, file)
    assert done.returncode in (0, 1), done.stderr
    return done.returncode == 0


def taken(text: str) -> bool:
    """What the action says of it."""
    try:
        read(text.encode(), "policy.yml")
    except Malformed:
        return False
    return True


def test_schema__file_is_what_the_reader_gives() -> None:
    text = json.dumps(schema(), indent=2) + "\n"
    if os.environ.get(RENEW) == "1":
        FILE.write_text(text)
        pytest.skip(f"{FILE.name} was renewed; read its difference before you commit it")
    assert FILE.read_text() == text, f"if this is wanted: {RENEW}=1"


def test_schema__is_one() -> None:
    done = check("--check-metaschema", FILE)
    assert done.returncode == 0, done.stdout + done.stderr


def test_examples__there_are_some() -> None:
    assert len(EXAMPLES) >= 3


@pytest.mark.parametrize("text", [*EXAMPLES, *RIGHT])
def test_schema__and_the_action_take(text: str, tmp_path: Path) -> None:
    assert taken(text)
    assert valid(text, tmp_path)


@pytest.mark.parametrize("text", WRONG)
def test_schema__and_the_action_refuse(text: str, tmp_path: Path) -> None:
    assert not taken(text)
    assert not valid(text, tmp_path)


def test_docs__name_every_key() -> None:
    docs = (CHECKOUT / "docs/policy.md").read_text()
    assert [name for name in schema()["properties"] if f"`{name}" not in docs] == []
