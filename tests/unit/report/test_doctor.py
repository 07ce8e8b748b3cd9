"""The table of the checks, and the problems below it."""

from ecr_publish.errors import BuilderMissing, NoCredentials, PublishError
from ecr_publish.preflight import Check, State
from ecr_publish.report.doctor import problems, table


def check(name: str, state: State, error: PublishError | None = None) -> Check:
    return Check(name=name, state=state, said=f"said of {name}", error=error)


def test_table__is_aligned() -> None:
    found = [check("a", State.OK), check("longer", State.NOT_CHECKED), check("b c", State.PROBLEM)]
    assert [*table(found)] == [
        "ok           a       said of a",
        "not checked  longer  said of longer",
        "problem      b c     said of b c",
    ]


def test_table__of_nothing() -> None:
    assert [*table([])] == []


def test_problems__none() -> None:
    assert [*problems([check("a", State.OK)])] == [
        "Nothing is in the way. Nothing was changed.",
    ]


def test_problems__each_in_full() -> None:
    first, second = BuilderMissing("native", "gone"), NoCredentials()
    found = [check("a", State.PROBLEM, first), check("b", State.OK)]
    assert [*problems(found)] == [
        "1 problem. Nothing was changed.",
        "",
        f"(1) {first.what}",
        *first.why.splitlines(),
        *first.fix.splitlines(),
        first.more,
    ]
    told = [*problems([*found, check("c", State.PROBLEM, second)])]
    assert told[0] == "2 problems. Nothing was changed."
    assert f"(2) {second.what}" in told
