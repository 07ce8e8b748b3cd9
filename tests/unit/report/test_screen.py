"""What a terminal shows: every line fits or is whole, and no secret is in any."""

from __future__ import annotations

import pytest

from ecr_publish.report.screen import bar, masked, output_line, outputs, wrapped

LONG = "The role may not push, so add this to its policy"
ARN = "arn:aws:ecr:eu-west-1:123456789012:repository/visit-counter-app"


@pytest.mark.parametrize(
    ("line", "columns", "expected"),
    [
        (LONG, None, [LONG]),
        (LONG, len(LONG), [LONG]),
        (LONG, len(LONG) - 1, ["The role may not push, so add this to its", "policy"]),
        (LONG, 30, ["The role may not push, so add", "this to its policy"]),
        # A terminal of no width is still one that somebody reads.
        (LONG, 1, ["The role may not", "push, so add this to", "its policy"]),
        (f"See {ARN}", 30, ["See", ARN]),
        ("a-b-c-d " * 4, 20, ["a-b-c-d a-b-c-d", "a-b-c-d a-b-c-d"]),
        (f"  {LONG}", 30, [f"  {LONG}"]),
        (f"\t{LONG}", 30, [f"\t{LONG}"]),
        ("", 30, [""]),
    ],
)
def test_wrapped__breaks_prose_and_nothing_else(
    line: str, columns: int | None, expected: list[str]
) -> None:
    assert list(wrapped(line, columns)) == expected


@pytest.mark.parametrize(
    ("part", "full"), [(-1, 0), (0, 0), (0.5, 12), (0.999, 24), (1, 24), (7, 24)]
)
def test_bar__is_as_full_as_the_part(part: float, full: int) -> None:
    assert bar(part, "x", 80) == f"[{'#' * full}{' ' * (24 - full)}] x"


def test_bar__stays_off_the_last_column() -> None:
    assert len(bar(0.5, "x" * 99, 80)) == 79
    assert len(bar(0.5, "x" * 99, 1)) == 19


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (b"#1 building", "#1 building"),
        (b"#1 building\r", "#1 building"),
        (b"10 %\r50 %\r100 %\r", "100 %"),
        (b"\x1b[1;31mred\x1b[0m", "red"),
        (b"\x1b[2J\x1b[Hcleared\x1b[?25l", "cleared"),
        (b"\x1b]0;title\x07", "\ufffd]0;title\ufffd"),
        (b"\xff\xfe caf\xc3\xa9", "\ufffd\ufffd café"),
    ],
)
def test_output_line__is_what_stays_and_obeys_nobody(data: bytes, shown: str) -> None:
    assert output_line(data) == shown


def test_s3_masked__every_secret_and_the_longest_first() -> None:
    assert masked("hunter2 and hunter", ["hunter", "hunter2"]) == "*** and ***"
    assert masked("nothing", []) == "nothing"


def test_outputs__those_with_a_value_and_each_line_of_it() -> None:
    found = {"image": "app@sha256:1", "tags": "app:1\napp:2", "new": "", "images": "[{}]"}
    assert list(outputs(found)) == ["image: app@sha256:1", "tags: app:1", "      app:2"]
