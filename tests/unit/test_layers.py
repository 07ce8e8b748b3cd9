from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecr_publish.dockerfile import own_instructions
from ecr_publish.findings import Layer
from ecr_publish.layers import attributed, read
from ecr_publish.origin import COMMITTED
from ecr_publish.reference import Digest
from tests.factories import make_finding, make_package

AT = "2023-11-14T22:13:20Z"
LONG_AGO = "2020-01-01T00:00:00.123456789Z"
OURS = {COMMITTED: "1700000000"}
FILES = ("RUN", "COPY", "ADD", "WORKDIR", "/bin/sh", "")


def blob(number: int) -> str:
    return str(Digest.of(b"blob %d" % number))


def diff_id(number: int) -> str:
    return str(Digest.of(b"diff %d" % number))


def entry(created_by: str, created: Any = AT, **over: Any) -> dict[str, Any]:
    """What BuildKit writes of an instruction, by its word with a layer or without."""
    kind = {} if created_by.split(" ", maxsplit=1)[0] in FILES else {"empty_layer": True}
    comment = {"comment": "buildkit.dockerfile.v0"}
    return {"created": created, "created_by": created_by, **comment, **kind, **over}


BASE = (
    {"created": LONG_AGO, "comment": "Imported from -"},
    entry("ENV A=1", LONG_AGO),
    entry("RUN /bin/sh -c echo base # buildkit", LONG_AGO),
)


def manifest(number: int) -> str:
    return json.dumps({"layers": [{"digest": blob(place)} for place in range(1, number + 1)]})


def config(history: Sequence[dict[str, Any]], /, **over: Any) -> str:
    number = sum(not item.get("empty_layer") for item in history)
    plain = {
        "created": AT,
        "config": {"Labels": OURS},
        "history": list(history),
        "rootfs": {"diff_ids": [diff_id(place) for place in range(1, number + 1)]},
    }
    return json.dumps(plain | over)


def layers_of(
    dockerfile: str | None, history: Sequence[dict[str, Any]], **over: Any
) -> list[Layer]:
    """The layers in their order; every one has to be known by both its hashes."""
    number = sum(not item.get("empty_layer") for item in history)
    own = None if dockerfile is None else own_instructions(dockerfile.encode(), None)
    found = read(manifest(number), config(history, **over), own)
    layers = [found[blob(place)] for place in range(1, number + 1)]
    assert found == {
        **{blob(layer.number): layer for layer in layers},
        **{diff_id(layer.number): layer for layer in layers},
    }
    assert [layer.number for layer in layers] == [*range(1, number + 1)]
    return layers


def sources(
    dockerfile: str | None, history: Sequence[dict[str, Any]], **over: Any
) -> list[tuple[bool | None, int | None]]:
    return [(layer.from_base, layer.line) for layer in layers_of(dockerfile, history, **over)]


OF_BASE = [(True, None)] * 2
NOT_KNOWN = (None, None)
DOCKERFILE = "FROM a\nENV B=1\nRUN echo own\nONBUILD RUN c\nCOPY a b\n"
OWN = (
    entry("ENV B=1"),
    entry("RUN /bin/sh -c echo own # buildkit"),
    entry("COPY a b # buildkit"),
)
OWN_LINES = [(False, 3), (False, 5)]


# Base and own -----------------------------------------------------------------------------------


def test_read__base_and_own() -> None:
    assert layers_of(DOCKERFILE, [*BASE, *OWN]) == [
        Layer(number=1, created_by="", from_base=True),
        Layer(number=2, created_by="RUN /bin/sh -c echo base", from_base=True),
        Layer(number=3, created_by="RUN echo own", line=3, from_base=False),
        Layer(number=4, created_by="COPY a b", line=5, from_base=False),
    ]


def test_read__own_layers_only() -> None:
    assert sources(DOCKERFILE, OWN) == OWN_LINES


def test_s1_read__triggers_of_the_base_are_not_the_base_s() -> None:
    triggers = (entry("RUN /bin/sh -c pip install # buildkit"), entry("ENV X=1"))
    assert sources(DOCKERFILE, [*BASE, *triggers, *OWN]) == [*OF_BASE, NOT_KNOWN, *OWN_LINES]


def test_read__what_stands_before_the_base_s_is_the_base_s() -> None:
    early = entry("RUN /bin/sh -c early # buildkit")
    assert sources(DOCKERFILE, [early, *BASE, *OWN]) == [(True, None), *OF_BASE, *OWN_LINES]


def test_s1_read__base_that_is_dated_as_this_build() -> None:
    base = [{**item, "created": AT} for item in BASE]
    assert sources(DOCKERFILE, [*base, *OWN]) == [NOT_KNOWN, NOT_KNOWN, *OWN_LINES]


def test_read__base_s_entry_without_a_time() -> None:
    base = [{**item, "created": None} for item in BASE]
    assert sources(DOCKERFILE, [*base, *OWN]) == [*OF_BASE, *OWN_LINES]


@pytest.mark.parametrize("place", range(3))
@pytest.mark.parametrize("created", [LONG_AGO, None, "2023-11-14T22:13:20.0Z"])
def test_s1_read__own_entry_of_another_time(place: int, created: str | None) -> None:
    own = [{**item, "created": created} if at == place else item for at, item in enumerate(OWN)]
    assert sources(DOCKERFILE, [*BASE, *own]) == [NOT_KNOWN, NOT_KNOWN, *OWN_LINES]


@pytest.mark.parametrize(
    "over",
    [
        {"config": {"Labels": {}}},
        {"config": {"Labels": None}},
        {"config": None},
        {"config": {"Labels": {COMMITTED: "1700000001"}}},
        {"created": "2023-11-14T22:13:21Z"},
        {"created": None},
    ],
)
def test_s1_read__image_that_this_action_has_not_built(over: dict[str, Any]) -> None:
    assert sources(DOCKERFILE, [*BASE, *OWN], **over) == [NOT_KNOWN, NOT_KNOWN, *OWN_LINES]


@pytest.mark.parametrize("dockerfile", ["FROM a\n", "FROM a\nONBUILD RUN b\n", None, "nonsense"])
def test_s1_read__no_own_instruction_shows_nothing(dockerfile: str | None) -> None:
    for history in (BASE, [*BASE, *OWN]):
        assert set(sources(dockerfile, history)) == {NOT_KNOWN}


@pytest.mark.parametrize(
    "dockerfile",
    [
        "FROM a\nRUN echo own\nCOPY a b\nENV B=1\n",
        "FROM a\nRUN echo own\nCOPY a c\n",
        "FROM a\nENV B=1\nRUN own\nCOPY a b\n",
        "FROM a\nENV B=2\nRUN echo own\nCOPY a b\n",
        "FROM a\nLABEL B=1\nRUN echo own\nCOPY a b\n",
        "FROM a\nENV B=1\nRUN echo own\nADD a b\n",
        "FROM a\nENV B=1\nRUN echo own\n",
        "FROM a\nRUN x\nENV B=1\nRUN echo own\nCOPY a b\n",
        "FROM a\n" + "RUN x\n" * 9,
    ],
    ids=range(9),
)
def test_s1_read__another_dockerfile(dockerfile: str) -> None:
    layers = layers_of(dockerfile, [*BASE, *OWN])

    assert {(layer.from_base, layer.line) for layer in layers} == {NOT_KNOWN}
    assert layers[2].created_by == "RUN /bin/sh -c echo own"


def test_s1_read__dockerfile_that_lacks_an_instruction() -> None:
    """What was built of an instruction that it does not show is not the base's."""
    assert sources("FROM a\nCOPY a b\n", [*BASE, *OWN]) == [*OF_BASE, NOT_KNOWN, (False, 2)]


@pytest.mark.parametrize(
    "over",
    [
        {"comment": ""},
        {"comment": None},
        {"comment": "kaniko"},
        {"comment": "FROM localhost/base:latest"},
        {"comment": ["buildkit.dockerfile.v0"]},
        {"created_by": "COPY a b"[:-1]},
        {"created_by": "/bin/sh -c #(nop) COPY file:1 in b"},
        {"created_by": "/bin/sh -c #(nop) COPY dir:1 in b"},
        {"created_by": ""},
    ],
)
def test_s1_read__history_of_another_builder(over: dict[str, Any]) -> None:
    history = [*BASE, *OWN[:-1], OWN[-1] | over]
    assert set(sources(DOCKERFILE, history)) == {NOT_KNOWN}


def test_s1_read__squashed() -> None:
    """One layer and no history that says so."""
    found = read(manifest(1), config([*BASE, *OWN], rootfs={"diff_ids": [diff_id(1)]}), None)
    assert found == {blob(1): Layer(number=1), diff_id(1): Layer(number=1)}


# What the history says of an instruction --------------------------------------------------------

CORRESPONDING = [
    ("RUN a  b", "RUN /bin/sh -c a  b # buildkit"),
    ("RUN a  b", "RUN |2 A=1 B= /bin/sh -c a  b # buildkit"),
    ("RUN --mount=type=cache,target=/c --network=none a", "RUN /bin/sh -c a # buildkit"),
    ('RUN ["a", "b c"]', "RUN a b c # buildkit"),
    ('RUN ["a"]', "RUN |1 A=x y a # buildkit"),
    ("RUN [ -f a ]", "RUN /bin/sh -c [ -f a ] # buildkit"),
    ("RUN a $B \"c\" 'd'", "RUN /bin/sh -c a $B \"c\" 'd' # buildkit"),
    ("RUN <<A\na\n\tb\nA", "RUN /bin/sh -c a\n\tb\n # buildkit"),
    ("RUN <<-A\n\ta\n\t\tb\n\tA", "RUN /bin/sh -c a\nb\n # buildkit"),
    ("RUN <<A\n#!/bin/x\na\nA", "RUN /bin/sh -c /dev/pipes/A # buildkit"),
    ("RUN cat <<-'A'\n\ta\nA", "RUN /bin/sh -c cat <<-'A'\n\ta\nA # buildkit"),
    ("COPY a  b /c", "COPY a b /c # buildkit"),
    ('COPY ["a b", "/c"]', "COPY a b /c # buildkit"),
    ("COPY --link --from=x a /c", "COPY a /c # buildkit"),
    ("COPY --chown=1:$A --chmod=2 a /c", "COPY --chown=1:7 --chmod=2 a /c # buildkit"),
    ('COPY $A "b" /c$D e', "COPY 1 b /c2 e # buildkit"),
    ("COPY <<A a <<B /c\na\nA\nB", "COPY a <<A <<B /c # buildkit"),
    ("ADD --checksum=sha256:1 http://x/y /c", "ADD http://x/y /c # buildkit"),
    ("ENV A=1 B=\"c d\" E=$F 'G'=h", "ENV A=1 B=c d E=f G=h"),
    ("ENV A b  c", "ENV A=b  c"),
    ("ENV A $b", "ENV A=1"),
    ("ENV A it's", "ENV A=its"),
    ('LABEL a=b "c d"=e', "LABEL a=b c d=e"),
    ("ARG A", "ARG A"),
    ("ARG A", "ARG A=given"),
    ("ARG A=1", "ARG A=2"),
    ("ARG A=1 B", "ARG A=1 B"),
    ("ARG A B='c d'", "ARG A=x B=c d"),
    ("ARG A it's", "ARG A its"),
    ("WORKDIR /a/../b/", "WORKDIR /a/../b/"),
    ("WORKDIR /a/../b/", "WORKDIR /b # buildkit"),
    ("WORKDIR a", "WORKDIR /b/a"),
    ("WORKDIR $A", "WORKDIR /b/a"),
    ("VOLUME /a $B", "VOLUME [/a /b]"),
    ('VOLUME ["/a"]', "VOLUME [/a]"),
    ('SHELL ["a", "-c"]', "SHELL [a -c]"),
    ('CMD ["a", "b \\"c\\" <é>"]', 'CMD ["a" "b \\"c\\" <é>"]'),
    ("CMD []", "CMD []"),
    ('CMD a "b"', 'CMD ["/bin/sh" "-c" "a \\"b\\""]'),
    ('ENTRYPOINT ["a"]', 'ENTRYPOINT ["a"]'),
    ("USER 1:2", "USER 1:2"),
    ('USER "$A"', "USER 1"),
    ("STOPSIGNAL SIGINT", "STOPSIGNAL SIGINT"),
    ("MAINTAINER a <b@c>", "MAINTAINER a <b@c>"),
    ("EXPOSE 80 81/udp", "EXPOSE map[80/tcp:{} 81/udp:{}]"),
    ("EXPOSE 80", "EXPOSE [80/tcp]"),
    ("HEALTHCHECK CMD a", 'HEALTHCHECK &{["CMD-SHELL" "a"] "0s" "0s" "0s" "0s" \'\\x00\'}'),
]

OTHER = [
    ("RUN a", "RUN /bin/sh -c x a # buildkit"),
    ("RUN a", "RUN /bin/sh -c a b # buildkit"),
    ("RUN a", "RUN /bin/bash -c a # buildkit"),
    ("RUN a", "RUN a # buildkit"),
    ("RUN a", "RUN |1 /bin/sh -c a # buildkit"),
    ("RUN a", "RUN  /bin/sh -c a # buildkit"),
    ("RUN a", "/bin/sh -c a"),
    ("RUN a", "/bin/sh -c a # buildkit"),
    ("RUN a\\\nb", "RUN /bin/sh -c a b # buildkit"),
    ('RUN ["a", "b"]', "RUN /bin/sh -c a b # buildkit"),
    ('RUN ["a", "b"]', "RUN x a b # buildkit"),
    ("RUN <<A\na\nA", "RUN /bin/sh -c b\n # buildkit"),
    ("RUN <<A\n\ta\nA", "RUN /bin/sh -c a\n # buildkit"),
    ("RUN <<A\n#!/bin/x\na\nA", "RUN /bin/sh -c /dev/pipes/B # buildkit"),
    ('RUN --mount="a b" a', "RUN /bin/sh -c a # buildkit"),
    ("COPY a /c", "COPY --chown=1 a /c # buildkit"),
    ("COPY a /c", "COPY b a /c # buildkit"),
    ("COPY a /c", "COPY a /c/d # buildkit"),
    ("COPY --link a /c", "COPY b /c # buildkit"),
    ("COPY --chmod=1 a /c", "COPY --chmod=1 b /c # buildkit"),
    ("COPY $A b", "COPY a c # buildkit"),
    ("COPY a $A b", "COPY a b # buildkit"),
    ("COPY x$A/b x", "COPY x # buildkit"),
    ("COPY $A mid $B", "COPY a miid b # buildkit"),
    ("COPY <<A /c\nA", "COPY <<A /d # buildkit"),
    ("ENV A=1 B=$C", "ENV A=2 B=c"),
    ("ENV A=1 B=$C", "ENV A=1 C=c"),
    ("ENV A=1", "ENV A=1 B=2"),
    ("ENV A b", "ENV A=c"),
    ("ARG A", "ARG AB"),
    ("ARG A=1", "ARG AB=1"),
    ("ARG A=1", "ARG B=1"),
    ("ARG A B", "ARG A=1 C"),
    ("WORKDIR /a", "WORKDIR /b/a"),
    ("WORKDIR a", "WORKDIR a"),
    ("VOLUME /a", "VOLUME [/a /b]"),
    ('SHELL ["a"]', "SHELL [b]"),
    ("CMD a", 'CMD ["a"]'),
    ('CMD ["a", "b"]', 'CMD ["a b"]'),
    ("CMD a", 'ENTRYPOINT ["/bin/sh" "-c" "a"]'),
    ("USER a", "USER b"),
    ("EXPOSE 80", "EXPOSE"),
    ("EXPOSE 80", "HEALTHCHECK 80"),
]


@pytest.mark.parametrize(("instruction", "created_by"), CORRESPONDING)
def test_history__of_an_instruction(instruction: str, created_by: str) -> None:
    dockerfile = f"FROM a\n{instruction}\nCOPY a b\n"
    of_it = [(False, 2)] if created_by.split(" ", maxsplit=1)[0] in FILES else []
    last = (False, 3 + instruction.count("\n"))
    assert sources(dockerfile, [*BASE, entry(created_by), OWN[-1]]) == [*OF_BASE, *of_it, last]


@pytest.mark.parametrize(("instruction", "created_by"), OTHER)
def test_s1_history__of_another_instruction(instruction: str, created_by: str) -> None:
    dockerfile = f"FROM a\n{instruction}\nCOPY a b\n"
    assert set(sources(dockerfile, [*BASE, entry(created_by), OWN[-1]])) == {NOT_KNOWN}


@pytest.mark.parametrize(
    ("dockerfile", "created_by"),
    [
        ("FROM a\nRUN a\n", "RUN /bin/sh -c a # buildkit"),
        ("FROM a\nENV a=b\n", "ENV a=b"),
        ("FROM a\nCOPY a b\n", "COPY a b # buildkit"),
    ],
)
def test_s1_history__layer_where_none_is_made_and_none_where_one_is(
    dockerfile: str, created_by: str
) -> None:
    plain = entry(created_by)
    other = plain | {"empty_layer": not plain.get("empty_layer")}
    assert set(sources(dockerfile, [*BASE, other])) == {NOT_KNOWN}
    assert NOT_KNOWN not in sources(dockerfile, [*BASE, plain])


@pytest.mark.parametrize("empty", [True, False])
def test_history__workdir_with_a_layer_and_without(empty: bool) -> None:  # noqa: FBT001
    history = [*BASE, entry("WORKDIR /", empty_layer=empty), OWN[-1]]
    of_it = [] if empty else [(False, 2)]
    assert sources("FROM a\nWORKDIR /\nCOPY a b\n", history) == [*OF_BASE, *of_it, (False, 3)]


def test_shell__of_the_dockerfile_from_there_on() -> None:
    dockerfile = 'FROM a\nRUN a\nSHELL ["x", "-e"]\nRUN b\nCMD c\n'
    history = [
        entry("RUN /bin/sh -c a # buildkit"),
        entry("SHELL [x -e]"),
        entry("RUN x -e b # buildkit"),
        entry('CMD ["x" "-e" "c"]'),
    ]
    of_image = {"config": {"Labels": OURS, "Shell": ["x", "-e"]}}
    assert sources(dockerfile, [*BASE, *history], **of_image) == [
        *OF_BASE,
        (False, 2),
        (False, 4),
    ]


@pytest.mark.parametrize(
    ("stated", "shell"),
    [(["x", "-e"], "x -e"), (None, "/bin/sh -c"), (7, "/bin/sh -c"), (["x", 1], "x")],
)
def test_shell__of_the_base(stated: Any, shell: str) -> None:
    of_image = {"config": {"Labels": OURS, "Shell": stated}}
    history = [*BASE, entry(f"RUN {shell} a # buildkit")]
    assert sources("FROM a\nRUN a\n", history, **of_image) == [*OF_BASE, (False, 2)]


# Words to show ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("created_by", "shown"),
    [
        ("RUN /bin/sh -c a # buildkit", "RUN /bin/sh -c a"),
        ("/bin/sh -c #(nop) ADD file:1 in / ", "ADD file:1 in /"),
        ("/bin/sh -c a  b\n\tc", "/bin/sh -c a b c"),
        ("RUN |1 TOKEN=hunter2 /bin/sh -c a | b # buildkit", "RUN /bin/sh -c a | b"),
        ("|2 A=1 TOKEN=hun /bin/sh -c ter2 /bin/sh -c a", "/bin/sh -c a"),
        ("RUN |1 TOKEN=hunter2 /bin/bash -c a # buildkit", "RUN"),
        ("RUN /bin/sh -c a |1 b", "RUN /bin/sh -c a |1 b"),
        ("ADD https://me:hunter2@x.example/a@b / # buildkit", "ADD https://x.example/a@b /"),
        ("COPY " + "a" * 195, "COPY " + "a" * 195),
        ("COPY " + "a" * 196, "COPY " + "a" * 194 + "…"),
        ("COPY \ud800", "COPY ?"),
    ],
)
def test_created_by__of_a_foreign_layer(created_by: str, shown: str) -> None:
    assert [
        layer.created_by for layer in layers_of(None, [entry(created_by, empty_layer=False)])
    ] == [shown]


def test_s3_created_by__of_an_own_layer_without_what_its_variables_stand_for() -> None:
    dockerfile = "FROM a\nARG T\nADD https://x/?t=$T /\nRUN <<A\na\nA\n"
    history = [
        entry("ARG T"),
        entry("ADD https://x/?t=hunter2 / # buildkit"),
        entry("RUN |1 T=hunter2 /bin/sh -c a\n # buildkit"),
    ]
    layers = layers_of(dockerfile, [*BASE, *history])
    assert [layer.line for layer in layers[2:]] == [3, 4]
    assert [layer.created_by for layer in layers[2:]] == ["ADD https://x/?t=$T /", "RUN <<A a A"]


# What cannot be read ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "history",
    [
        [],
        OWN,
        [*BASE, *BASE, *OWN],
        [*BASE, *OWN[:-1], None],
        [*BASE, *OWN[:-1], OWN[-1] | {"created_by": 7}],
        [*BASE, *OWN, entry("ENV A=1", empty_layer="yes")],
        {"a": "b"},
        "text",
        None,
        7,
    ],
    ids=range(10),
)
def test_s1_history__that_does_not_fit_the_layers(history: Any) -> None:
    own = own_instructions(DOCKERFILE.encode(), None)
    found = read(manifest(4), config([*BASE, *OWN], history=history), own)
    assert found == {
        name(place): Layer(number=place) for place in range(1, 5) for name in (blob, diff_id)
    }


def test_history__that_is_not_there() -> None:
    content = json.loads(config([*BASE, *OWN]))
    del content["history"]
    found = read(manifest(4), json.dumps(content), None)
    assert found[blob(4)] == found[diff_id(4)] == Layer(number=4)


GOOD = config([*BASE, *OWN])


@pytest.mark.parametrize(
    ("stated_manifest", "stated_config"),
    [
        (manifest(3), GOOD),
        (manifest(5), GOOD),
        ("", GOOD),
        ("[]", GOOD),
        ('{"manifests": []}', GOOD),
        ('{"layers": null}', GOOD),
        ('{"layers": [1]}', GOOD),
        ('{"layers": [{}]}', GOOD),
        ("[" * 100_000, GOOD),
        (manifest(4), ""),
        (manifest(4), "null"),
        (manifest(4), "[]"),
        (manifest(4), "{}"),
        (manifest(4), '{"rootfs": null}'),
        (manifest(4), '{"rootfs": {"diff_ids": 4}}'),
        (manifest(4), '{"history": ' * 100_000),
        (manifest(4), '{"a": ' + "9" * 5000 + "}"),
    ],
    ids=range(17),
)
def test_read__what_is_no_image(stated_manifest: str, stated_config: str) -> None:
    assert read(stated_manifest, stated_config, None) == {}


def test_s1_read__hash_that_is_none_names_no_layer() -> None:
    for bad in ("", None, 7, ["a"], "sha256:1", f"sha512:{'0' * 128}", blob(1).upper()):
        found = read(
            json.dumps({"layers": [{"digest": bad}]}),
            json.dumps({"rootfs": {"diff_ids": [bad]}}),
            None,
        )
        assert found == {}


def test_s1_read__hash_of_several_layers_is_left_out() -> None:
    history = [*BASE, *OWN]
    stated = json.loads(manifest(4))
    stated["layers"][3]["digest"] = blob(1)
    diff_ids = [diff_id(1), diff_id(2), blob(2), diff_id(1)]
    own = own_instructions(DOCKERFILE.encode(), None)

    found = read(json.dumps(stated), config(history, rootfs={"diff_ids": diff_ids}), own)

    assert {name: layer.number for name, layer in found.items()} == {
        diff_id(2): 2,
        blob(3): 3,
    }


def test_read__layer_that_is_not_compressed_has_one_hash() -> None:
    found = read(manifest(1), json.dumps({"rootfs": {"diff_ids": [blob(1)]}}), None)
    assert found == {blob(1): Layer(number=1)}


# Any image --------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=9,
)
ENTRIES = st.one_of(
    JSON,
    st.sampled_from([*BASE, *OWN]),
    st.fixed_dictionaries(
        {}, optional={"created_by": JSON, "empty_layer": JSON, "comment": JSON, "created": JSON}
    ),
)


@given(JSON, st.lists(ENTRIES, max_size=4), JSON, JSON)
def test_read__of_anything_never_fails(any_json: Any, history: Any, inner: Any, at: Any) -> None:
    own = own_instructions(DOCKERFILE.encode(), None)
    for stated in (any_json, {"layers": any_json}, {"layers": [{"digest": any_json}]}):
        read(json.dumps(stated), GOOD, own)
    for over in ({"history": history}, {"config": inner, "created": at}, {"rootfs": inner}):
        found = read(manifest(4), config([*BASE, *OWN], **over), own)
        assert over.keys() != {"history"} or len(found) == 8
    read(manifest(1), json.dumps(any_json), own)


KINDS = st.sampled_from(["base", "trigger", "own"])
MADE = st.sampled_from(["RUN /bin/sh -c a # buildkit", "ENV A=1", "COPY a b # buildkit"])


@given(st.lists(MADE, max_size=5), st.lists(MADE, max_size=3), st.lists(MADE, max_size=5))
def test_s1_read__only_the_base_s_layers_are_the_base_s(
    base: list[str], triggers: list[str], own: list[str]
) -> None:
    says = {"RUN": "RUN a", "ENV": "ENV A=1", "COPY": "COPY a b"}
    dockerfile = "\n".join(["FROM a", *(says[text.split()[0]] for text in own)])
    history = [
        *(entry(text, LONG_AGO) for text in base),
        *(entry(text) for text in (*triggers, *own)),
    ]

    found = [from_base for from_base, _ in sources(dockerfile, history)]

    numbers = [sum(text != "ENV A=1" for text in part) for part in (base, triggers, own)]
    expected = [*[True] * numbers[0], *[None] * numbers[1], *[False] * numbers[2]]
    assert found == (expected if own else [None] * sum(numbers))


# Findings ---------------------------------------------------------------------------------------


def test_attributed__packages_get_their_layers() -> None:
    one, two = Layer(number=1, from_base=True), Layer(number=2)
    layers = {blob(1): one, diff_id(2): two}
    plain = make_package()
    finding = make_finding(
        packages=(
            make_package(layer_hash=blob(1)),
            make_package(layer_hash=diff_id(2)),
            make_package(layer_hash=blob(3)),
            plain,
        )
    )

    found = attributed([finding, make_finding("other")], layers)

    assert found == (
        make_finding(
            packages=(make_package(layer=one), make_package(layer=two), plain, plain),
        ),
        make_finding("other"),
    )
    assert attributed(found, layers) == found


def test_attributed__by_no_layers() -> None:
    finding = make_finding(packages=(make_package(layer_hash=blob(1)),))
    assert attributed([finding], {}) == (make_finding(),)
    assert attributed([], {}) == ()
