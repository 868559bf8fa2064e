"""Settings: which place wins, and all faults at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ctanalytics.errors import SettingsError, UsageError
from ctanalytics.settings import Settings, load
from ctanalytics.settings.loading import ENV_PREFIX, _fields


def toml(folder: Path, text: str) -> Path:
    path = folder / "ctanalytics.toml"
    path.write_text(text)
    return path


def faults(*arguments: Any, **named: Any) -> str:
    with pytest.raises(SettingsError) as caught:
        load(*arguments, **named)
    assert caught.value.exit_code == 2
    assert caught.value.mend
    return caught.value.what


def test_without_any_place_the_defaults_stand(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert load(environ={}) == Settings()


def test_flags_win_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    file = toml(
        tmp_path,
        'lake = "of-file"\n[ingest]\nworkers = 1\nplan_objects = 11\npart_objects = 12\n'
        '[source_aws]\nprofile = "file"\n',
    )
    environ = {"CTANALYTICS_INGEST_WORKERS": "2", "CTANALYTICS_INGEST_PLAN_OBJECTS": "22"}
    found = load({"ingest.workers": 3, "lake": None}, environ=environ, file=file)
    assert found.ingest.workers == 3
    assert found.ingest.plan_objects == 22
    assert found.ingest.part_objects == 12
    assert (found.lake, found.source_aws.profile) == ("of-file", "file")
    assert found.ingest.part_bytes == Settings().ingest.part_bytes


def test_the_file_lies_in_the_folder_or_where_the_environment_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    toml(tmp_path, 'lake = "here"')
    other = tmp_path / "other.toml"
    other.write_text('lake = "there"')
    assert load(environ={}).lake == "here"
    assert load(environ={"CTANALYTICS_CONFIG": str(other)}).lake == "there"
    named = load(environ={"CTANALYTICS_CONFIG": "nowhere"}, file=tmp_path / "ctanalytics.toml")
    assert named.lake == "here"


@pytest.mark.parametrize(
    ("variable", "text", "expected"),
    [
        ("CTANALYTICS_QUIET", "true", ("quiet", True)),
        ("CTANALYTICS_QUIET", "0", ("quiet", False)),
        ("CTANALYTICS_SOURCES", "a,s3://b/c", ("sources", ["a", "s3://b/c"])),
        ("CTANALYTICS_LAKE", "123", ("lake", "123")),
    ],
)
def test_a_variable_is_read_as_its_settings_kind(
    variable: str, text: str, expected: tuple[str, Any]
) -> None:
    assert getattr(load(environ={variable: text}), expected[0]) == expected[1]


def test_all_faults_are_told_at_once_with_their_places(tmp_path: Path) -> None:
    file = toml(
        tmp_path, 'lak = "x"\n[ingest]\nworkers = "many"\nspeed = 9\n[detekt]\nbudget = 1\n'
    )
    text = faults({"detect.budget": "lots"}, environ={"CTANALYTICS_REPORT_TOP": "ten"}, file=file)
    for part in (
        f"lak ({file})",
        f"ingest.speed ({file})",
        f"detekt.budget ({file})",
        f"ingest.workers ({file})",
        "detect.budget (--budget)",
        "report.top (CTANALYTICS_REPORT_TOP)",
    ):
        assert part in text


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ingest.workers", -1),
        ("ingest.plan_bytes", 0),
        ("ingest.part_objects", -5),
        ("ingest.part_unpacked_bytes", 0),
        ("ingest.requests_in_flight", 0),
        ("detect.budget", 0),
        ("detect.budget", float("nan")),
        ("query.timeout_seconds", float("nan")),
        ("ingest.follow_seconds", float("nan")),
        ("serve.days", 0),
        ("rules.group_hours", 5),
        ("emit.min_severity", "worst"),
        ("log_format", "xml"),
    ],
)
def test_a_value_out_of_range_is_refused_by_name(name: str, value: Any) -> None:
    assert name in faults({name: value}, environ={})


def test_several_values_out_of_range_are_told_together() -> None:
    text = faults({"ingest.workers": -1, "detect.budget": -1, "log_format": "xml"}, environ={})
    assert all(name in text for name in ("ingest.workers", "detect.budget", "log_format"))


def test_a_file_that_is_no_toml_is_said_with_the_line(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="line 1") as caught:
        load(environ={}, file=toml(tmp_path, "what\nlake = 'x'"))
    assert caught.value.where.endswith("ctanalytics.toml")


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"\xff\xfe", id="utf-16"),
        pytest.param(b"lake = 'a'\x00", id="nul"),
        pytest.param(b"lake = " + b"[" * 5_000, id="5000-levels"),
        pytest.param(b"lake = " + b"1" * 5_000, id="5000-digits"),
    ],
)
def test_a_file_that_is_no_text_is_said(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "ctanalytics.toml"
    path.write_bytes(content)
    assert "TOML" in faults(environ={}, file=path)


def test_a_file_that_is_not_there_is_said_when_it_was_named(tmp_path: Path) -> None:
    assert "no such settings file" in faults(environ={}, file=tmp_path / "x.toml")
    variable = {"CTANALYTICS_CONFIG": str(tmp_path / "x.toml")}
    assert "no such settings file" in faults(environ=variable)


@pytest.mark.parametrize("text", ["ingest = 3", "lake = {a = 1}", "sources = 'x'", "[lake]\na = 1"])
def test_a_value_of_the_wrong_shape_is_refused(tmp_path: Path, text: str) -> None:
    faults(environ={}, file=toml(tmp_path, text))


def test_settings_are_frozen() -> None:
    with pytest.raises(AttributeError):
        Settings().lake = "x"  # type: ignore[misc]


def test_a_wrong_setting_is_a_usage_error() -> None:
    assert issubclass(SettingsError, UsageError)


def test_a_list_of_tables_comes_from_the_file_or_as_json_from_a_variable(tmp_path: Path) -> None:
    file = toml(tmp_path, '[[ingest.drop]]\nname = "noise"\nevent_name = ["List*"]\n')
    (rule,) = load(environ={}, file=file).ingest.drop
    assert (rule.name, rule.event_name, rule.read_only) == ("noise", ["List*"], None)
    text = '[{"name": "other", "read_only": true}]'
    (rule,) = load(environ={"CTANALYTICS_INGEST_DROP": text}, file=file).ingest.drop
    assert (rule.name, rule.read_only) == ("other", True)
    wrong = {"CTANALYTICS_INGEST_DROP": "noise,more"}
    assert "ingest.drop (CTANALYTICS_INGEST_DROP)" in faults(environ=wrong)
    odd = toml(tmp_path, '[[ingest.drop]]\nname = "noise"\nevents = ["List*"]\n')
    assert "`events`" in faults(environ={}, file=odd)


def test_an_empty_variable_is_an_empty_list() -> None:
    assert load(environ={"CTANALYTICS_REDACT_MASK": ""}).redact.mask == []
    assert load(environ={"CTANALYTICS_REDACT_MASK": "a.b,c"}).redact.mask == ["a.b", "c"]


def test_routes_and_options_of_targets_say_all_that_is_wrong_and_no_address(tmp_path: Path) -> None:
    file = toml(
        tmp_path,
        """
        [[emit.routes]]
        quiet_hours = "10pm-7am"
        quiet_days = ["saturday"]
        timezone = "Europe/Atlantis"
        urgent = "very"
        [emit.options.sns]
        pii = "some"
        max_messages = -2
        dimensions = ["user"]
        [emit.options."webhook:https://hooks.example.com/not-a-secret"]
        grain = "all"
        min_severity = "worst"
        """,
    )
    said = faults(environ={}, file=file)
    for text in (
        "emit.routes, entry 1: quiet_hours must be such as 22:00-07:00",
        "quiet_days",
        "timezone",
        "urgent",
        "emit.options.sns: pii",
        "max_messages",
        "dimensions",
        "emit.options.webhook:…: grain",
        "emit.options.webhook:…: min_severity",
    ):
        assert text in said
    assert "not-a-secret" not in said


NAMES = [name for name, _ in _fields(Settings)]
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
ODD = ["UTC", "Europe", "../x", "a\0b", "high", "9" * 5_000, "1e999", "[[", "\udcff"]
VALUES = st.recursive(
    st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats()
    | st.datetimes()
    | st.times()
    | TEXTS
    | st.sampled_from(ODD),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=60)
@given(st.sampled_from(NAMES) | TEXTS, VALUES)
@example("ingest.workers", 10**400)
@example("detect.budget", 10**400)
@example("ingest.drop", "[" * 100_000)
def test_any_value_is_taken_or_refused_by_the_name_of_its_setting(name: str, value: Any) -> None:
    text = str(value) if value != 10**400 else "1" + "0" * 400
    variable = {ENV_PREFIX + name.replace(".", "_").upper(): text}
    places: list[tuple[dict[str, Any], dict[str, str]]] = [({name: value}, {})]
    if name in NAMES:
        places.append(({}, variable))
    for flags, environ in places:
        try:
            assert isinstance(load(flags, environ=environ), Settings)
        except SettingsError as error:
            assert name in error.what


TOML = st.lists(
    st.sampled_from(
        [
            *NAMES,
            *"[]{}=,.#\"'",
            *("[[", "]]", "'''", "1e999", "nan", "inf", "0x1f", "true", "ingest", "lake", "emit"),
            *("\n", "\\u0000", "9" * 30, "2026-11-28T01:02:03Z"),
        ]
    ),
    max_size=30,
).map(" ".join)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("settings") / "ctanalytics.toml"


@settings(max_examples=60)
@given(text=TEXTS | TOML)
@example(text=f"{'.'.join('a' * 5_000)} = 1")
def test_any_text_is_settings_or_an_error_that_names_the_file(file: Path, text: str) -> None:
    file.write_text(text, "utf-8")
    try:
        assert isinstance(load(environ={}, file=file), Settings)
    except SettingsError as error:
        assert error.where == str(file)
        assert error.mend
