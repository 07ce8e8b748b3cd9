"""Batch -> the places where one image is reported too: a table of all first, then each by itself.

Limits: those of summary.py, comment.py and annotations.py, for all images together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import chain, zip_longest

from ecr_publish.findings import Severity
from ecr_publish.outcome import Batch, Outcome
from ecr_publish.reference import Repository
from ecr_publish.report import log
from ecr_publish.report import summary as one
from ecr_publish.report.annotations import Annotation, most, remarkable
from ecr_publish.report.comment import marker, sentence, statement, table, to_do
from ecr_publish.report.escape import cell, code, link
from ecr_publish.report.outputs import listed, of_image
from ecr_publish.report.wording import durations, headline, untagged

MOST_SUMMARY = 900_000
"""Bytes of the whole summary, of which GitHub takes 1 MiB."""
MOST_COMMENT = 65_000
"""Bytes of the whole comment."""
MOST_ROWS = 10
"""Findings of one image in the comment."""
MOST_IMAGES = 300
"""Rows of the table of images, in the comment too."""

_LONGEST_REASON, _LONGEST_NAME = 150, 100
_SUMS = (*(severity.value.lower() for severity in Severity), "total", "ignored", "new")
_FIRST = ("registry",)
_ONCE = ("scan-type", "scan-status")
_LINES = ("image", "digest", "image-digest", "tags", "candidate", "report-file", "sarif-file")


def outputs(batch: Batch) -> dict[str, str]:
    """Every output by name: of the run as a whole, and in `images` of each image."""
    images = {name: of_image(outcome) for name, outcome in batch.images.items()}
    whole = {
        "verdict": batch.decision.value,
        "reason": " ".join(batch.reason.split()),
        **{name: "\n".join(_given(images, name)) for name in _LINES},
        **{name: ", ".join(dict.fromkeys(_given(images, name))) for name in (*_FIRST, *_ONCE)},
        **{name: _sum(images, name) for name in _SUMS},
    }
    order = of_image(Outcome())
    return {**{name: whole[name] for name in order}, "images": listed(images)}


def lines(batch: Batch) -> Iterator[str]:
    """The last lines of the log: each image's own, then the verdict over all."""
    for name, outcome in batch.images.items():
        yield from (f"{name}: {line}" for line in log.lines(outcome))
    yield headline(batch)
    yield f"Time: {durations(batch)}"


def summary(batch: Batch) -> str:
    """The step summary: the table, then each image's own, as many as there is room for."""
    head = [f"## {one.mark(batch)} {_headline(batch)}", *_table(batch), one.time_line(batch)]
    room = MOST_SUMMARY - len("\n\n".join(head).encode())
    shown, hidden = [], []
    for name, outcome in _worst_first(batch):
        text = one.summary(outcome, name)
        room -= len(text.encode()) + 1
        shown.append(text) if room > 0 else hidden.append(name)
    return "\n\n".join(head) + "\n\n" + "\n".join((*shown, *_unshown(hidden)))


def annotated(batch: Batch) -> tuple[Annotation, ...]:
    """The verdict over all, then the first of each image, then the second of each, and so on."""
    whole = [Annotation(message=headline(batch), error=True)] if batch.exit_code else []
    own = [
        [replace(item, message=f"{name}: {item.message}") for item in remarkable(outcome)]
        for name, outcome in _worst_first(batch)
    ]
    in_turn = (item for items in zip_longest(*own) for item in items if item)
    return most(chain(whole, in_turn))


def comment(batch: Batch, *, repository: Repository, run_url: str) -> str:
    """The pull request's comment: one for all images.

    Args:
        batch: The end of the run.
        repository: The name with `{target}`; it tells the comment from those of other steps.
        run_url: Of the run, whose summary has the rest.
    """
    before = [
        marker(repository),
        f"### {one.mark(batch)} {code(repository.name)}: {_headline(batch)}",
        *_table(batch),
    ]
    after = [link("The whole report", run_url)]
    room = MOST_COMMENT - len("\n\n".join((*before, *after)).encode()) - 1000
    shown, hidden = [], []
    for name, outcome in _worst_first(batch):
        if outcome.exit_code:
            text = "\n\n".join(_section(name, outcome, room))
            room -= len(text.encode()) + 2
            shown.append(text) if room > 0 else hidden.append(name)
    return "\n\n".join((*before, *shown, *_unshown(hidden), *after)) + "\n"


def _section(name: str, outcome: Outcome, room: int) -> Iterator[str]:
    yield f"#### {one.mark(outcome)} {code(name)}: {sentence(headline(outcome), 1000)}"
    yield from statement(outcome)
    yield from table(outcome, rows=MOST_ROWS, room=room)
    yield from to_do(outcome)


def _headline(batch: Batch) -> str:
    return sentence(headline(batch), 1000)


def _worst_first(batch: Batch) -> list[tuple[str, Outcome]]:
    """What needs somebody's attention must not be what there is no room for."""
    return sorted(batch.images.items(), key=lambda item: not item[1].exit_code)


def _table(batch: Batch) -> Iterator[str]:
    rows = [_row(name, outcome) for name, outcome in _worst_first(batch)[:MOST_IMAGES]]
    head = "| | Image | Critical | High | Why | Release tags | Digest |"
    yield "\n".join((head, "|---|---|---:|---:|---|---|---|", *rows))


def _row(name: str, outcome: Outcome) -> str:
    found = of_image(outcome)
    tags = ", ".join(code(str(tag)) for tag in outcome.promotion.tags[:3])
    columns = (
        one.mark(outcome),
        code(name[:_LONGEST_NAME]),
        found["critical"],
        found["high"],
        sentence(outcome.reason, _LONGEST_REASON),
        tags or sentence(untagged(outcome), _LONGEST_REASON),
        code(found["digest"]),
    )
    return f"| {' | '.join(columns)} |"


def _unshown(names: list[str]) -> Iterator[str]:
    if names:
        yield f"There is no room for {len(names)} more: {cell(', '.join(names), 1000)}."


def _given(images: Mapping[str, Mapping[str, str]], name: str) -> Iterable[str]:
    return filter(None, (found[name] for found in images.values()))


def _sum(images: Mapping[str, Mapping[str, str]], name: str) -> str:
    """The sum; empty where it is not known of every image."""
    values = [found[name] for found in images.values()]
    return "" if "" in values or not values else str(sum(map(int, values)))
