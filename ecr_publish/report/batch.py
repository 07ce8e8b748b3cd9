"""Batch -> the places where one image is reported too: a table of all first, then each by itself.

Limits: those of summary.py, comment.py and annotations.py, for all images together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import accumulate, chain, zip_longest

from ecr_publish.findings import Severity
from ecr_publish.outcome import Batch, Outcome
from ecr_publish.reference import Repository
from ecr_publish.report import log
from ecr_publish.report import summary as one
from ecr_publish.report.annotations import Annotation, most, remarkable
from ecr_publish.report.comment import marker, sentence, statement, table, to_do
from ecr_publish.report.escape import cell, code, link
from ecr_publish.report.outputs import listed, of_image
from ecr_publish.report.wording import durations, headline, mark, untagged

MOST_SUMMARY = 900_000
"""Bytes of the whole summary, of which GitHub takes 1 MiB."""
MOST_COMMENT = 65_000
"""Bytes of the whole comment."""
MOST_ROWS = 10
"""Findings of one image in the comment."""
MOST_TABLE = 30_000
"""Bytes of the table of images; a row takes some 200."""

Image = tuple[str, Outcome]
"""The target, and its outcome."""

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
    head = [f"## {mark(batch)} {_headline(batch)}", *_table(batch), one.time_line(batch)]
    room = MOST_SUMMARY - len("\n\n".join(head).encode())
    own = _fitting(_worst_first(batch), room, lambda item, _: one.summary(item[1], item[0]))
    return "\n\n".join(head) + "\n\n" + "\n".join(own)


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
        f"### {mark(batch)} {code(repository.name)}: {_headline(batch)}",
        *_table(batch),
    ]
    after = [link("The whole report", run_url)]
    room = MOST_COMMENT - len("\n\n".join((*before, *after)).encode()) - 1000
    failed = [item for item in _worst_first(batch) if item[1].exit_code]
    sections = _fitting(failed, room, _section)
    return "\n\n".join((*before, *sections, *after)) + "\n"


def _fitting(
    images: Sequence[Image], room: int, write: Callable[[Image, int], str]
) -> Iterator[str]:
    """What is written of each image, and the names of those for which there is no room.

    `write` is told how many bytes are left. Nothing is written once there are none.
    """
    for number, image in enumerate(images):
        text = write(image, room)
        room -= len(text.encode()) + 2
        if room < 0:
            names = ", ".join(name for name, _ in images[number:])
            yield f"There is no room for {len(images) - number} more: {cell(names, 1000)}."
            return
        yield text


def _section(image: Image, room: int) -> str:
    name, outcome = image
    parts = (
        f"#### {mark(outcome)} {code(name)}: {sentence(headline(outcome), 1000)}",
        *statement(outcome),
        *table(outcome, rows=MOST_ROWS, room=room),
        *to_do(outcome),
    )
    return "\n\n".join(parts)


def _headline(batch: Batch) -> str:
    return sentence(headline(batch), 1000)


def _worst_first(batch: Batch) -> list[Image]:
    """What needs somebody's attention must not be what there is no room for."""
    return sorted(batch.images.items(), key=lambda item: not item[1].exit_code)


def _table(batch: Batch) -> Iterator[str]:
    rows = [_row(name, outcome) for name, outcome in _worst_first(batch)]
    sizes = accumulate(len(row.encode()) + 1 for row in rows)
    shown = [row for row, size in zip(rows, sizes, strict=True) if size <= MOST_TABLE]
    head = "| | Image | Critical | High | Why | Release tags | Digest |"
    yield "\n".join((head, "|---|---|---:|---:|---|---|---|", *shown))
    if len(shown) < len(rows):
        yield f"Showing {len(shown)} of {len(rows)} images."


def _row(name: str, outcome: Outcome) -> str:
    found = of_image(outcome)
    tags = ", ".join(code(str(tag)) for tag in outcome.promotion.tags[:3])
    columns = (
        mark(outcome),
        code(name[:_LONGEST_NAME]),
        found["critical"],
        found["high"],
        sentence(outcome.reason, _LONGEST_REASON),
        tags or sentence(untagged(outcome), _LONGEST_REASON),
        code(found["digest"]),
    )
    return f"| {' | '.join(columns)} |"


def _given(images: Mapping[str, Mapping[str, str]], name: str) -> Iterable[str]:
    return filter(None, (found[name] for found in images.values()))


def _sum(images: Mapping[str, Mapping[str, str]], name: str) -> str:
    """The sum; empty where it is not known of every image."""
    values = [found[name] for found in images.values()]
    return "" if "" in values or not values else str(sum(map(int, values)))
