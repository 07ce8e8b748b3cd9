"""An image's manifest, configuration and Dockerfile -> which instruction made which layer.

What BuildKit writes into the history (tried with Engine 26.1 on both image stores and with a
builder of its own, all alike; tests/integration/test_layers.py):

- One entry for every instruction, ARG and SHELL included, but none for FROM, ONBUILD and the label
  of an option. A stage that is FROM another has that one's entries before its own.
- The triggers of a base image's ONBUILD have entries like the image's own, right before them, and
  nothing in the image says that they were triggers. So counting the Dockerfile's instructions from
  the end shows what is its own, but never that the rest is the base's.
- With SOURCE_DATE_EPOCH every entry of this build, also of a cached layer and of a trigger, is
  dated to that second exactly, and so is the image; the base's entries keep their times. This
  action sets it to the commit's time and writes that time into a label. So it is the base's what
  stands before an entry of another time.
- An image without an instruction that makes an entry keeps the base's time, so nothing shows.
- `RUN |2 A=1 B= /bin/sh -c …` names the build's arguments with their values. RUN's flags, --from,
  --link and comments are left out; of ENV, COPY, USER and others the variables are expanded, and
  of RUN not. A heredoc that is all of a RUN is written as its content, or as `/dev/pipes/NAME`
  with a shebang.
- The same layer can be there several times: all that change no file are alike, on both stores.
  What is pushed has the configuration of the store.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ecr_publish import origin
from ecr_publish.dockerfile import HEREDOC, Instruction, exec_form, quoted_words
from ecr_publish.findings import Finding, Layer

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_BUILDKIT = "buildkit.dockerfile.v0"
_SHELL = ("/bin/sh", "-c")
_ANY = "\0"
"""Stands for any text in what an entry is compared with; a Dockerfile cannot hold it."""
_SPECIAL = re.compile(r"""[$'"\\]""")
_BUILD_ARGUMENTS = re.compile(r"\A((?:RUN )?)\|[0-9]+ (?:.* (?=/bin/sh -c )|.*)", re.DOTALL)
_LOGIN = re.compile(r"://[^/\s@]+@")
_LONGEST = 200
_FILES = ("RUN", "COPY", "ADD")
_UNKNOWN = (None, None)

_Source = tuple[int | None, bool | None]
"""The Dockerfile's line, and whether the base image brought it."""


@dataclass(frozen=True, kw_only=True)
class _Entry:
    """An entry of the history; `created` is compared only, so it may be anything."""

    created_by: str
    comment: str
    created: object
    empty: bool


def read(
    manifest: str, config: str, instructions: tuple[Instruction, ...] | None
) -> Mapping[str, Layer]:
    """Every blob digest and diff_id of an image -> its layer; never fails.

    `from_base` is True only for an image that this action has built from exactly this Dockerfile.
    A hash that stands for several layers is left out, and whatever cannot be read is empty.

    Args:
        manifest: The image's, as JSON.
        config: The image's configuration, as JSON.
        instructions: What `own_instructions` made of the Dockerfile.
    """
    try:
        image = json.loads(config)
        blobs = [layer["digest"] for layer in json.loads(manifest)["layers"]]
        diff_ids = [*image["rootfs"]["diff_ids"]]
    except (ValueError, TypeError, LookupError, RecursionError):
        return {}
    if len(blobs) != len(diff_ids):
        return {}
    layers = _layers(image, len(blobs), instructions or (), _built_at(image, config))
    return _unambiguous([*zip(blobs, layers, strict=True), *zip(diff_ids, layers, strict=True)])


def attributed(findings: Sequence[Finding], layers: Mapping[str, Layer]) -> tuple[Finding, ...]:
    """The findings with the layers of their packages instead of the layers' hashes."""
    return tuple(
        replace(
            finding,
            packages=tuple(
                replace(package, layer_hash="", layer=layers.get(package.layer_hash, package.layer))
                for package in finding.packages
            ),
        )
        for finding in findings
    )


def _unambiguous(pairs: Sequence[tuple[Any, Layer]]) -> dict[str, Layer]:
    found: dict[str, Layer] = {}
    several = set()
    for name, layer in pairs:
        known = isinstance(name, str) and _DIGEST.fullmatch(name)
        if known and found.setdefault(name, layer) != layer:
            several.add(name)
    return {name: layer for name, layer in found.items() if name not in several}


def _built_at(image: Mapping[str, Any], config: str) -> str | None:
    """The second that this action has dated the build to; None for another's image."""
    ours = origin.read([config]).committed is not None
    return image["created"] if ours else None


def _layers(
    image: Mapping[str, Any],
    number: int,
    instructions: Sequence[Instruction],
    built_at: str | None,
) -> list[Layer]:
    history = _history(image)
    if sum(not entry.empty for entry in history) != number:
        return [Layer(number=place) for place in range(1, number + 1)]
    own = [item for item in instructions if item.keyword != "ONBUILD"]
    sources = _sources(history, own, _inherited_shell(image, own), built_at)
    made = [pair for pair in zip(history, sources, strict=True) if not pair[0].empty]
    # The Dockerfile's words name the variables, whose values the history shows.
    words = {item.line: item.text for item in own}
    return [
        Layer(
            number=place,
            created_by=_short(words.get(line or 0, entry.created_by)),
            line=line,
            from_base=from_base,
        )
        for place, (entry, (line, from_base)) in enumerate(made, start=1)
    ]


def _history(image: Mapping[str, Any]) -> list[_Entry]:
    """Empty where it cannot be read."""
    try:
        return [_entry(item) for item in image["history"]]
    except (ValueError, TypeError, LookupError, AttributeError):
        return []


def _entry(item: Mapping[str, Any]) -> _Entry:
    empty = item.get("empty_layer", False)
    created_by, comment = item.get("created_by", ""), item.get("comment", "")
    if not (isinstance(empty, bool) and isinstance(created_by, str)):
        raise TypeError
    return _Entry(
        created_by=created_by, comment=str(comment), created=item.get("created"), empty=empty
    )


def _short(text: str) -> str:
    """Words of the history to show, without what build arguments may bring: secrets."""
    text = text.removesuffix(" # buildkit").removeprefix("/bin/sh -c #(nop) ")
    text = _LOGIN.sub("://", _BUILD_ARGUMENTS.sub(r"\1", text))
    text = " ".join(text.encode(errors="replace").decode().split())
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


# Which entries are own, and which the base's ----------------------------------------------------


def _sources(
    history: Sequence[_Entry],
    own: Sequence[Instruction],
    shell: Sequence[str],
    built_at: str | None,
) -> list[_Source]:
    """Of each entry where it comes from."""
    first = len(history) - len(own)
    if first < 0 or not own or not _correspond(history[first:], own, shell):
        return [_UNKNOWN] * len(history)
    before = max(
        (place for place, entry in enumerate(history, start=1) if entry.created != built_at),
        default=0,
    )
    # An own entry of another time: what is known of such a build does not hold here.
    base = before if built_at is not None and before <= first else 0
    return [
        *[(None, True)] * base,
        *[_UNKNOWN] * (first - base),
        *((instruction.line, False) for instruction in own),
    ]


def _correspond(
    entries: Sequence[_Entry], own: Sequence[Instruction], shell: Sequence[str]
) -> bool:
    for entry, instruction in zip(entries, own, strict=True):
        if not _fits(entry, instruction, shell):
            return False
        if instruction.keyword == "SHELL":
            shell = exec_form(instruction.arguments) or shell
    return True


def _inherited_shell(image: Mapping[str, Any], own: Sequence[Instruction]) -> Sequence[str]:
    """The base's shell; where the image has set its own, the base is taken to have the default."""
    try:
        stated = image["config"]["Shell"]
        words = [word for word in stated if isinstance(word, str)]
    except (TypeError, LookupError):
        return _SHELL
    return _SHELL if any(item.keyword == "SHELL" for item in own) else words


def _fits(entry: _Entry, instruction: Instruction, shell: Sequence[str]) -> bool:
    files = instruction.keyword in _FILES
    # WORKDIR makes a layer unless it is the root.
    if entry.comment != _BUILDKIT or (entry.empty == files and instruction.keyword != "WORKDIR"):
        return False
    text = entry.created_by.removesuffix(" # buildkit")
    templates = _TEMPLATES[instruction.keyword](instruction, shell)
    return any(
        _matches(f"{instruction.keyword} {template}".split(_ANY), text) for template in templates
    )


def _matches(pieces: Sequence[str], text: str) -> bool:
    """Whether a text is made of these pieces with anything between them."""
    first, last = pieces[0], pieces[-1]
    if len(pieces) == 1:
        return text == first
    at, end = len(first), len(text) - len(last)
    if not (text.startswith(first) and text.endswith(last)) or at > end:
        return False
    for piece in pieces[1:-1]:
        at = text.find(piece, at, end)
        if at < 0:
            return False
        at += len(piece)
    return True


# What the history says of an instruction, without its keyword -----------------------------------


def _run(instruction: Instruction, shell: Sequence[str]) -> Iterator[str]:
    words = exec_form(instruction.arguments)
    command = " ".join((*shell, _script(instruction.arguments)) if words is None else words)
    yield command
    yield f"|{_ANY}={_ANY} {command}"


def _script(text: str) -> str:
    first, _, body = text.partition("\n")
    heredoc = HEREDOC.fullmatch(first)
    if not heredoc:
        return text
    name = heredoc[3]
    content = body.removesuffix(name)
    if content.startswith("#!"):
        return f"/dev/pipes/{name}"
    return re.sub(r"(?m)^\t+", "", content) if heredoc[1] else content


def _copy(instruction: Instruction, _: Sequence[str]) -> Iterator[str]:
    words = _words(instruction)
    if any(HEREDOC.fullmatch(word) for word in words):
        yield f"{_ANY} {_literal(words[-1])}"
        return
    plain = " ".join(map(_literal, words))
    yield plain
    if instruction.flags:
        yield f"--{_ANY} {plain}"


def _words(instruction: Instruction) -> Sequence[str]:
    text = instruction.arguments.partition("\n")[0]
    return exec_form(text) or text.split()


def _literal(word: str) -> str:
    """The word, if BuildKit writes it as it stands."""
    return _ANY if _SPECIAL.search(word) else word


def _pairs(instruction: Instruction, _: Sequence[str]) -> Iterator[str]:
    text = instruction.arguments
    words = quoted_words(text)
    if words is None:
        yield _ANY
    elif "=" in words[0]:
        named = (word.partition("=") for word in words)
        yield " ".join(f"{_literal(name)}={_literal(value)}" for name, _, value in named)
    else:
        yield f"{_literal(words[0])}={_literal(text[len(words[0]) :].strip())}"


def _arg(instruction: Instruction, _: Sequence[str]) -> Iterator[str]:
    words = quoted_words(instruction.arguments) or [_ANY]
    names = [_literal(word.partition("=")[0]) for word in words]
    if words == names:
        yield " ".join(names)
    # Its default, or another that is given before the first FROM.
    yield " ".join(f"{name}={_ANY}" if len(words) == 1 else f"{name}{_ANY}" for name in names)


def _workdir(instruction: Instruction, _: Sequence[str]) -> Iterator[str]:
    path = _literal(instruction.arguments)
    if path.startswith("/"):
        yield path
        yield posixpath.normpath(path)
    else:
        yield f"/{_ANY}"


def _volume(instruction: Instruction, _: Sequence[str]) -> Iterator[str]:
    yield f"[{' '.join(map(_literal, _words(instruction)))}]"


def _shell(instruction: Instruction, _: Sequence[str]) -> Iterator[str]:
    yield f"[{' '.join(exec_form(instruction.arguments) or ())}]"


def _command(instruction: Instruction, shell: Sequence[str]) -> Iterator[str]:
    words = exec_form(instruction.arguments)
    if words is None:
        words = (*shell, instruction.arguments)
    yield f"[{' '.join(json.dumps(word, ensure_ascii=False) for word in words)}]"


def _text(instruction: Instruction, _: Sequence[str]) -> Iterator[str]:
    yield _literal(instruction.arguments)


def _anything(_: Instruction, __: Sequence[str]) -> Iterator[str]:
    yield _ANY


_TEMPLATES: Mapping[str, Callable[[Instruction, Sequence[str]], Iterator[str]]] = {
    "RUN": _run,
    "COPY": _copy,
    "ADD": _copy,
    "ENV": _pairs,
    "LABEL": _pairs,
    "ARG": _arg,
    "WORKDIR": _workdir,
    "VOLUME": _volume,
    "SHELL": _shell,
    "CMD": _command,
    "ENTRYPOINT": _command,
    "USER": _text,
    "STOPSIGNAL": _text,
    "MAINTAINER": _text,
    # Written as Go prints its maps and structures, in every version otherwise.
    "EXPOSE": _anything,
    "HEALTHCHECK": _anything,
}
