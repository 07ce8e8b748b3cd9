"""What the statements of an OpenVEX document accept in a repository's image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from ecr_publish.ignore_files.openvex_file import (
    ACCEPTED,
    Component,
    Document,
    Order,
    Statement,
    read,
)
from ecr_publish.ignore_files.purl import of_image, package_of
from ecr_publish.ignore_files.rules import Incomparable, Rule, skipped, unknown
from ecr_publish.ignores import Ignore


def rules(content: bytes, repository: str) -> Iterator[Rule]:
    """The rules of a document for a repository's image; raises Malformed."""
    document = read(content)
    doubts = _doubts(document)
    for number, statement in enumerate(document.statements):
        if statement.status not in ACCEPTED:
            continue
        place, name = f"statements[{number}]", statement.vulnerability.at_ecr()
        known = statement.vulnerability.names() & doubts.keys()
        last = max((doubts[key] for key in known), default=document.order(number))
        if last > document.order(number):
            status = document.statements[last[1]].status
            yield skipped(place, name, f"statements[{last[1]}] says later that it is {status}")
        else:
            yield from _of_statement(statement, place, document.author, repository)


def _doubts(document: Document) -> Mapping[str, Order]:
    """The latest statement that a vulnerability counts, by each of its names.

    It ends all earlier ones, whatever product it is about: that they are different ones, and in no
    part the same, is not known here.
    """
    doubts: dict[str, Order] = {}
    for number, statement in enumerate(document.statements):
        if statement.status not in ACCEPTED:
            order = document.order(number)
            for name in statement.vulnerability.names():
                doubts[name] = max(order, doubts.get(name, order))
    return doubts


def _of_statement(statement: Statement, place: str, author: str, repository: str) -> Iterator[Rule]:
    name = statement.vulnerability.at_ecr()
    try:
        _complete(statement)
    except Incomparable as why:
        yield skipped(place, name, why)
        return
    ignore = Ignore(id=name, reason=statement.reason, owner=author, place=place)
    for product in statement.products:
        for part in product.parts or statement.parts or (None,):
            try:
                package, version = _scope(product, part, repository)
                yield replace(ignore, package=package, version=version)
            except Incomparable as why:
                yield skipped(place, name, why)


def _complete(statement: Statement) -> None:
    others = (*statement.others, *statement.vulnerability.others)
    if others:
        raise unknown(others)
    if not statement.reason:
        raise Incomparable("it has neither justification nor impact_statement")
    if not statement.products:
        raise Incomparable("it names no products")


def _scope(product: Component, part: Component | None, repository: str) -> tuple[str, str]:
    """The package and version that a statement is about, empty for any; raises Incomparable."""
    whole = product.purl()
    if part is None and whole.kind != "oci":
        return package_of(whole)
    of_image(whole, repository)
    return package_of(part.purl()) if part else ("", "")
