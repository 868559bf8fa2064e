"""What holds for every statement that ships: header, empty lake, bounds, the portable subset."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import ctanalytics
from ctanalytics.engines import statements
from ctanalytics.engines.duckdb import Engine
from ctanalytics.reporting import tables
from ctanalytics.reporting.anomalies import SUBJECTS
from tests import builders

SQL = Path(ctanalytics.__file__).parent / "sql"
ALL = sorted(file.relative_to(SQL).as_posix().removesuffix(".sql") for file in SQL.rglob("*.sql"))
OURS = [name for name in ALL if name.split("/")[0] in ("views", "reporting")]

SINCE = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
VALUES: dict[str, Any] = {
    "since": SINCE,
    "until": SINCE + dt.timedelta(days=1),
    "top": 20,
    "step_seconds": 3600,
    "event_ids": ["none"],
    "new_from": SINCE,
}

NOT_PORTABLE = {
    "group by all": r"\bgroup\s+by\s+all\b",
    "order by all": r"\border\s+by\s+all\b",
    "quantile_cont": r"\bquantile_cont\b",
    "time_bucket": r"\btime_bucket\b",
    "extract(dow)": r"\bextract\s*\(\s*dow\b|\bdayofweek\b",
    "rounding cast of epoch()": r"epoch\([^)]*\)\s*::",
    "approx_count_distinct": r"\bapprox_count_distinct\b",
    "distinct list": r"\b(list|string_agg|array_agg)\s*\(\s*distinct\b",
    "double-colon cast": r"::",
}


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with builders.engine(tmp_path_factory.mktemp("lake")) as engine:
        tables.cut(engine, since=VALUES["since"], until=VALUES["until"])
        engine.register("report_subjects", SUBJECTS.empty_table())
        yield engine


@pytest.mark.parametrize("name", ALL)
def test_statement_has_a_header(name: str) -> None:
    header = statements.header(name)
    assert header["about"].endswith(".")
    assert {"about", "grain", "reads"} <= header.keys()


@pytest.mark.parametrize("name", OURS)
def test_header_names_all_parameters_and_no_other(name: str) -> None:
    used = set(re.findall(r"\$([a-z_]+)", _code(name))) - {"since_date", "until_date"}
    named = set(
        re.findall(r"[a-z_]+", re.sub(r"\(.*?\)", "", statements.header(name).get("params", "")))
    )
    assert used == named


@pytest.mark.parametrize("name", [name for name in ALL if name.startswith("views/")])
def test_view_runs_on_an_empty_lake(name: str, empty: Engine) -> None:
    found = empty.sql(f"from {name.removeprefix('views/')}")
    assert found.column_names
    assert found.num_rows == 0 or name in (
        "views/config_services",
        "views/error_classes",
        "views/prices",
        "views/sensitive_apis",
    )


@pytest.mark.parametrize("name", [name for name in ALL if name.startswith("reporting/")])
def test_reporting_statement_runs_on_an_empty_lake(name: str, empty: Engine) -> None:
    found = empty.run(name, **VALUES)
    one_row = "one row" in statements.header(name)["grain"]
    assert found.num_rows == (1 if one_row else 0)


@pytest.mark.parametrize("name", OURS)
def test_statement_stays_in_the_subset_that_other_engines_share(name: str) -> None:
    code = re.sub(r"'[^']*'", "''", _code(name))
    found = [fault for fault, pattern in NOT_PORTABLE.items() if re.search(pattern, code)]
    assert found == []


@pytest.mark.parametrize("name", [name for name in OURS if not name.startswith("views/")])
def test_statement_on_events_bounds_date_and_time(name: str) -> None:
    code = _code(name)
    reads = len(re.findall(r"\b(?:from|join)\s+(?:events|logins|principal_events)\b", code))
    for bound in (
        r"event_date >= \$since_date",
        r"event_date <= \$until_date",
        r"event_time >= \$since\b",
        r"event_time < \$until\b",
    ):
        assert len(re.findall(bound, code)) == reads


@pytest.mark.parametrize("name", OURS)
def test_statement_is_lower_case_and_selects_no_star_from_a_table(name: str) -> None:
    code = re.sub(r"'[^']*'|\"[^\"]*\"", "''", _code(name))
    assert code == code.lower()
    if name != "views/events":  # which passes on every column there is
        for table in re.findall(r"select\s+\*\s+from\s+([a-z_.]+)", code):
            assert f"{table} as (" in code


def _code(name: str) -> str:
    return "\n".join(line.split("--", 1)[0] for line in statements.statement(name).splitlines())
