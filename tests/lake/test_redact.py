"""Hiding values in JSON text: those at the paths are gone, and no other byte has changed."""

from __future__ import annotations

import gzip
import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctanalytics.errors import SettingsError
from ctanalytics.lake.redact import (
    MASKED,
    Redactor,
    Shortcut,
    UnscannableError,
    edits,
    rules,
)
from ctanalytics.lake.redact_paths import tree

DEFAULT = "responseElements.credentials.sessionToken"
SECRET = "IQoJb3JpZ2luX2VjE-secret"


def masking(*paths: str) -> Redactor:
    return Redactor(rules(paths, ()))


def hashing(*paths: str, key: bytes = b"key of the tests") -> Redactor:
    return Redactor(rules((), paths), key)


def masked(text: str, *paths: str) -> str:
    hidden, _ = masking(*(paths or (DEFAULT,))).record(text.encode())
    return hidden.decode()


@pytest.mark.parametrize(
    ("paths", "text", "expected"),
    [
        pytest.param(["a.b"], '{"a":{"b":"x","c":1}}', '{"a":{"b":"***","c":1}}', id="key"),
        pytest.param(["a"], '{"a":{"b":"x"},"c":1}', '{"a":"***","c":1}', id="whole-field"),
        pytest.param(["a.b"], '{"a":{"b":[1,{"c":2}]}}', '{"a":{"b":"***"}}', id="list"),
        pytest.param(["a.b"], '{"a":{"b":-1.5e3}}', '{"a":{"b":"***"}}', id="number"),
        pytest.param(["a.b"], '{"a":{"b":true }}', '{"a":{"b":"***" }}', id="boolean"),
        pytest.param(["a.b"], '{"a":{"b":null}}', '{"a":{"b":null}}', id="null-stays"),
        pytest.param(["a.b"], '{"a":{"b":""}}', '{"a":{"b":"***"}}', id="empty"),
        pytest.param(["a.b"], '{"a":[{"b":1}]}', '{"a":[{"b":1}]}', id="no-key-of-a-list"),
        pytest.param(["a.b"], '{"x":{"a":{"b":1}}}', '{"x":{"a":{"b":1}}}', id="not-deeper"),
        pytest.param(["a.b"], '{"a":{"c":{"b":1}}}', '{"a":{"c":{"b":1}}}', id="not-below"),
        pytest.param(["a.B"], '{"a":{"b":1,"B":2}}', '{"a":{"b":1,"B":"***"}}', id="case"),
        pytest.param(
            ["a[*].b"],
            '{"a":[{"b":1},2,{"c":3,"b":4}]}',
            '{"a":[{"b":"***"},2,{"c":3,"b":"***"}]}',
            id="elements",
        ),
        pytest.param(["a[*]"], '{"a":[1, [2] ,{}]}', '{"a":["***", "***" ,"***"]}', id="all"),
        pytest.param(["a[*][*]"], '{"a":[1,[2,3]]}', '{"a":[1,["***","***"]]}', id="of-lists"),
        pytest.param(
            ["a.*.b"], '{"a":{"x":{"b":1},"y":{"b":2}}}', '{"a":{"x":{"b":"***"},"y":{"b":"***"}}}',
            id="any-key",
        ),
        pytest.param(["a.*"], '{"a":{"x":1,"y":[]}}', '{"a":{"x":"***","y":"***"}}', id="all-keys"),
        pytest.param(
            ["a.*.b", "a.x.c"],
            '{"a":{"x":{"b":1,"c":2,"d":3}}}',
            '{"a":{"x":{"b":"***","c":"***","d":3}}}',
            id="two-paths-through-one-key",
        ),
        pytest.param(
            ['a."b.c"'], '{"a":{"b.c":1,"b":{"c":2}}}', '{"a":{"b.c":"***","b":{"c":2}}}',
            id="quoted-key",
        ),
        pytest.param(
            ["a.b"], '{"a":{"b":1,"b":"2"},"a":{"b":[3]}}',
            '{"a":{"b":"***","b":"***"},"a":{"b":"***"}}',
            id="duplicate-keys",
        ),
        pytest.param(
            ["a.bcd"], r'{"\u0061":{"b\u0063d":1}}', r'{"\u0061":{"b\u0063d":"***"}}',
            id="escaped-keys",
        ),
        pytest.param(
            ["a.b"], ' {\n"a" :\t{ "b" : "x" , "c":[ ] } }\r\n',
            ' {\n"a" :\t{ "b" : "***" , "c":[ ] } }\r\n',
            id="white-space",
        ),
        pytest.param(
            ["a.b"], r'{"a":{"c":"\"b\":1","b":"\\\"}","d":"}"}}',
            r'{"a":{"c":"\"b\":1","b":"***","d":"}"}}',
            id="quotes-and-brackets-in-texts",
        ),
        pytest.param(["a.b"], '{"a":{"b":"\\ud800x"}}', '{"a":{"b":"***"}}', id="half-a-pair"),
    ],
)  # fmt: skip
def test_a_path_hides_its_values_and_nothing_else(
    paths: list[str], text: str, expected: str
) -> None:
    assert masked(text, *paths) == expected


def test_the_paths_that_led_to_something_are_told_once() -> None:
    redactor = masking("a.b", "c", "d.e")
    text, paths = redactor.record(b'{"a":{"b":1,"b":2},"c":3,"d":{}}')
    assert (text, paths) == (b'{"a":{"b":"***","b":"***"},"c":"***","d":{}}', ("a.b", "c"))
    assert redactor.record(b'{"x":1}') == (b'{"x":1}', ())


def test_a_hash_is_keyed_stable_marked_and_the_same_for_the_same_characters() -> None:
    redactor = hashing("a", "b.c", "d")
    text, _ = redactor.record(rb'{"a":"caf\u00e9","b":{"c":"caf\u00E9"},"d":"caf\u00e9 "}')
    found = json.loads(text)
    assert found["a"] == found["b"]["c"] == redactor.hash("café".encode())
    assert found["a"].startswith("hmac:") and len(found["a"]) == len("hmac:") + 32
    assert found["d"] != found["a"]
    other, _ = hashing("a", key=b"another").record(b'{"a":"caf\\u00e9"}')
    assert json.loads(other)["a"] != found["a"]


def test_a_hash_of_an_object_does_not_depend_on_its_white_space() -> None:
    redactor = hashing("a")
    one, _ = redactor.record(b'{"a":{"b": [1, 2]}}')
    other, _ = redactor.record(b'{"a":{"b":[1,2]}}')
    assert one == other


def test_where_one_value_is_both_masked_and_hashed_it_is_masked() -> None:
    redactor = Redactor(rules(["a.b", "c.*"], ["a.b", "c.d"]), b"key")
    text, paths = redactor.record(b'{"a":{"b":1},"c":{"d":2}}')
    assert text == b'{"a":{"b":"***"},"c":{"d":"***"}}'
    assert paths == ("a.b", "c.*")


@pytest.mark.parametrize(
    "path",
    ["", ".a", "a..b", "a.", "a[0]", "a[*", "*.a", "[*]", "a b", 'a."b', "a.b,c", "eventID",
     "eventTime", "recipientAccountId", "readOnly", "eventName.x"],
)  # fmt: skip
def test_what_is_no_path_or_hides_what_rows_need_is_refused(path: str) -> None:
    with pytest.raises(SettingsError) as caught:
        rules([path], [])
    assert repr(path) in caught.value.what


def test_nesting_of_any_depth_is_followed() -> None:
    deep = '{"a":' * 50_000 + "1" + "}" * 50_000
    text = f'{{"x":{deep},"a":{{"b":{deep}}}}}'
    assert masked(text, "a.b") == f'{{"x":{deep},"a":{{"b":"***"}}}}'
    path = ".".join(["a"] * 3_000)
    nested = '{"a":' * 3_000 + '"secret"' + "}" * 3_000
    assert masked(nested, path) == nested.replace('"secret"', '"***"')


def test_a_huge_value_is_hidden_in_time_linear_in_its_size() -> None:
    text = '{"a":{"b":"' + "x" * 20_000_000 + '","c":[' + "1," * 100_000 + "1]}}"
    assert len(masked(text, "a.b")) < 210_000


@pytest.mark.parametrize("text", ['{"a":', '{"a" 1}', '{"a":{"b":"x}}', "{]", '{"a":}', "{1:2}"])
def test_a_text_that_is_no_json_is_told(text: str) -> None:
    with pytest.raises(UnscannableError):
        masking("a.b", "a.c").record(text.encode())


def test_of_a_damaged_text_only_what_stands_before_a_masked_key_is_kept() -> None:
    redactor = masking(DEFAULT)
    whole = f'{{"eventID":"e","responseElements":{{"credentials":{{"sessionToken":"{SECRET}"'
    kept = redactor.kept(whole.encode()).decode()
    assert kept.startswith('{"eventID":"e","responseElements":{"credentials":{"')
    assert SECRET not in kept
    escaped = whole.replace("sessionToken", r"session\u0054oken")
    assert SECRET not in redactor.kept(escaped.encode()).decode()
    assert redactor.kept(b'{"eventID"') == b'{"eventID"'
    assert SECRET not in masking("a.*", "responseElements.*").kept(whole.encode()).decode()


def test_of_a_whole_record_that_is_set_aside_all_but_the_masked_value_is_kept() -> None:
    record = f'{{"responseElements":{{"credentials":{{"sessionToken" : "{SECRET}"}}}},"x":1}}'
    kept = masking(DEFAULT).kept(record.encode()).decode()
    assert kept == record.replace(SECRET, "***")
    elsewhere = f'{{"body":{record}}}'
    assert SECRET not in masking(DEFAULT).kept(elsewhere.encode()).decode()
    hashed = hashing("responseElements.credentials.sessionToken").kept(record.encode()).decode()
    assert SECRET not in hashed
    assert hashed.endswith('"}},"x":1}')


def test_of_packed_bytes_that_hold_a_masked_key_nothing_is_kept() -> None:
    packed = gzip.compress(f'{{"sessionToken":"{SECRET}"}}'.encode())
    redactor = masking(DEFAULT)
    for tail in (packed, packed[:-6], b"some" + packed):
        assert redactor.kept(tail) != tail
        assert len(redactor.kept(tail)) < 80
    other = gzip.compress(b'{"Records":[]}')
    assert redactor.kept(other) == other
    assert Redactor().kept(packed) == packed


def test_a_search_tells_that_a_text_holds_nothing_to_hide() -> None:
    redactor = masking(DEFAULT)
    assert not redactor.mentions(rb'{"eventName":"AssumeRole","x":"\u003d\\u0026\""}')
    assert redactor.mentions(b'{"sessionToken":1}')
    assert redactor.mentions(rb'{"sess\u0069onToken":1}')
    assert not Redactor().mentions(b'{"sessionToken":1}')
    assert masking("requestParameters.*").mentions(b'{"requestParameters":{}}')
    assert masking("a.é").mentions(b"{}")


# What may be hidden where, from which texts and paths are drawn.
KEYS = st.sampled_from(["a", "b", "c", "sessionToken", 'q"', "é", "b.c", ""])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6) | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.lists(st.tuples(KEYS, inner), max_size=4),
    max_leaves=12,
)
PATHS = st.lists(
    st.sampled_from(
        ["a", "a.b", "a.b.c", "a[*]", "a[*].b", "a.*", "a.*.c", "b.sessionToken", "b[*][*]", 'c."b.c"']
    ),
    min_size=1,
    max_size=3,
    unique=True,
)  # fmt: skip
KEY = b"key"


def is_object(value: Any) -> bool:
    """Whether a drawn list stands for an object: pairs keep their order and may repeat a key."""
    return isinstance(value, list) and bool(value) and all(isinstance(x, tuple) for x in value)


def blanks(rng: random.Random) -> str:
    return rng.choice(["", "", "", " ", "\n\t", "\r\n "])


def written(value: Any, rng: random.Random, hide: tuple[tuple[str, ...], ...] = ()) -> str:
    """A value's JSON text in some of the ways there are; hidden where a path of `hide` ends.

    The same seed writes the same text, whatever is hidden.
    """
    if is_object(value):
        parts = []
        for key, inner in value:
            name = quoted(key, rng)
            below = under(hide, {key, "*"})
            parts.append(
                f"{name}{blanks(rng)}:{blanks(rng)}{shown(inner, rng, below)}{blanks(rng)}"
            )
        return "{" + blanks(rng) + ",".join(parts) + "}"
    if isinstance(value, list):
        below = under(hide, {"[*]"})
        parts = [f"{blanks(rng)}{shown(inner, rng, below)}{blanks(rng)}" for inner in value]
        return "[" + ",".join(parts) + "]"
    return quoted(value, rng) if isinstance(value, str) else json.dumps(value)


def under(hide: tuple[tuple[str, ...], ...], names: set[str]) -> tuple[tuple[str, ...], ...]:
    return tuple(path[1:] for path in hide if path and path[0] in names)


def shown(value: Any, rng: random.Random, hide: tuple[tuple[str, ...], ...]) -> str:
    text = written(value, rng, hide)
    return '"***"' if () in hide and value is not None else text


def quoted(text: str, rng: random.Random) -> str:
    plain = json.dumps(text, ensure_ascii=rng.random() < 0.5)[1:-1]
    if text.isalpha() and text.isascii() and rng.random() < 0.3:
        place = rng.randrange(len(text))
        plain = f"{text[:place]}\\u{ord(text[place]):04x}{text[place + 1 :]}"
    return f'"{plain}"'


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(KEYS, VALUES), min_size=1, max_size=4), PATHS, st.integers(0, 2**32))
def test_any_json_text_stays_byte_for_byte_but_at_its_masked_paths(
    members: list[Any], paths: list[str], seed: int
) -> None:
    chosen = rules(paths, ())
    segments = tuple(each.segments for each in chosen)
    text = written(members, random.Random(seed))
    expected = written(members, random.Random(seed), segments)
    hidden, _ = Redactor(chosen).record(text.encode())
    assert hidden.decode() == expected
    json.loads(hidden)
    if hidden != text.encode():
        assert Redactor(chosen).mentions(text.encode())
    assert Redactor(chosen).record(hidden)[0] == hidden


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(KEYS, VALUES), max_size=4), st.integers(0, 2**32))
def test_the_shortcut_agrees_with_the_careful_way_or_says_nothing(
    members: list[Any], seed: int
) -> None:
    (rule,) = rules(["b.a.sessionToken"], ())
    field = tree([rule]).keys[b"b"]
    shortcut = Shortcut.of(field)
    assert shortcut is not None
    rng = random.Random(seed)
    value = [("a", [*members, ("sessionToken", "x")])] if rng.random() < 0.7 else members
    text = written(value, rng).encode()
    edit = shortcut.edit(text)
    assert edit is None or [edit] == list(edits(text, field))


def test_the_shortcut_is_taken_for_what_sts_writes() -> None:
    field = tree(rules([DEFAULT], ())).keys[b"responseElements"]
    shortcut = Shortcut.of(field)
    assert shortcut is not None
    text = b'{"credentials":{"accessKeyId":"ASIAIOSFODNN7EXAMPLE","sessionToken":"x","expiration":"y"}}'
    edit = shortcut.edit(text)
    assert edit is not None
    assert text[: edit[0]] + MASKED + text[edit[1] :] == text.replace(b'"x"', b'"***"')


@pytest.mark.parametrize("paths", [["a"], ["a.*"], ["a[*].b"], ["a.b", "a.c"], ["a.b", "a.b.c"]])
def test_other_paths_have_no_shortcut(paths: list[str]) -> None:
    assert Shortcut.of(tree(rules(paths, ())).keys[b"a"]) is None
