import pytest
from hypothesis import given

from ecr_publish.findings import Layer
from ecr_publish.outcome import Outcome
from ecr_publish.plan import Existing, LocalImage, Merge, Source
from ecr_publish.reference import Tag
from ecr_publish.report.place import dockerfile, line_of
from tests.factories import (
    make_build,
    make_digest,
    make_finding,
    make_outcome,
    make_package,
    make_plan,
)
from tests.unit.report.test_escape import CONTROLS, TEXT


def built(context: str = ".", file: str | None = None) -> Outcome:
    return make_outcome(plan=make_plan(source=make_build(context=context, file=file)))


@pytest.mark.parametrize(
    ("context", "file", "path"),
    [
        (".", None, "Dockerfile"),
        ("./", None, "Dockerfile"),
        ("app", None, "app/Dockerfile"),
        ("./app//web/", None, "app/web/Dockerfile"),
        ("app/../web", None, "web/Dockerfile"),
        # buildx takes --file from where it runs, not from the context.
        ("app", "docker/prod.Dockerfile", "docker/prod.Dockerfile"),
        ("https://github.com/org/app.git", "Dockerfile", "Dockerfile"),
    ],
)
def test_dockerfile__in_the_repository(context: str, file: str | None, path: str) -> None:
    assert dockerfile(built(context, file)) == (path, True)


@pytest.mark.parametrize(
    ("context", "file"),
    [
        ("https://github.com/org/app.git#main", None),
        ("git@github.com:org/app.git", None),
        ("-", None),
        ("/srv/app", None),
        ("..", None),
        ("app/../../other", None),
        (".", "/etc/Dockerfile"),
        (".", "../Dockerfile"),
        (".", "-"),
        (".", "https://example.com/Dockerfile"),
    ],
)
def test_dockerfile__elsewhere_is_a_guess(context: str, file: str | None) -> None:
    assert dockerfile(built(context, file)) == ("Dockerfile", False)


@pytest.mark.parametrize(
    "source",
    [
        LocalImage(name="app:test"),
        Existing(reference=Tag("1.4.2")),
        Merge(digests=(make_digest("a"), make_digest("b"))),
    ],
)
def test_dockerfile__of_an_image_that_was_not_built_is_a_guess(source: Source) -> None:
    outcome = make_outcome(plan=make_plan(source=source))
    assert dockerfile(outcome) == ("Dockerfile", False)
    assert dockerfile(Outcome()) == ("Dockerfile", False)


@given(TEXT)
def test_dockerfile__any_path_can_be_sent_and_shown(text: str) -> None:
    path, _ = dockerfile(built(file=f"x{text}"))
    assert not CONTROLS.search(path)
    path.encode()


FROM, RUN = Layer(number=0, from_base=True, line=3), Layer(number=2, line=7)


@pytest.mark.parametrize(
    ("layers", "line"),
    [
        ([], 1),
        ([None], 1),
        ([Layer(number=4)], 1),
        ([RUN], 7),
        ([None, Layer(number=4), RUN, FROM], 7),
        ([FROM, RUN], 3),
    ],
)
def test_line_of__the_first_that_is_known(layers: list[Layer | None], line: int) -> None:
    finding = make_finding(packages=tuple(make_package(layer=layer) for layer in layers))
    assert line_of(finding) == line
