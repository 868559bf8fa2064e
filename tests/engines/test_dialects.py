"""The published views in the SQL of other engines; `make test-spark` holds Spark to the rows."""

from __future__ import annotations

import re

import pytest
import sqlglot

from ctanalytics.engines import dialects, statements
from ctanalytics.lake.layout import TABLES

COLUMNS = {name: list(spec.schema.names) for name, spec in TABLES.items()}
VIEWS = {path.removeprefix("views/") for path in statements.names("views")}


@pytest.mark.parametrize("dialect", dialects.DIALECTS)
def test_every_view_but_the_named_ones_is_there_after_what_it_reads(dialect: str) -> None:
    how = dialects.DIALECTS[dialect]
    made: set[str] = set()
    for name, text in dialects.views(dialect, COLUMNS):
        # All that a view reads has its schema, and is a table or a view that is there by then.
        tree = sqlglot.parse_one(text, read=how.writer)
        local = {cte.alias for cte in tree.find_all(sqlglot.exp.CTE)}
        for table in tree.find_all(sqlglot.exp.Table):
            if table.db == dialects.TABLES:
                assert table.name in TABLES or table.name == "bounds"
            elif table.db == dialects.SCHEMA:
                assert table.name in made
            else:
                assert not table.name or table.name in local, f"{name} reads {table.name}"
        made.add(name)
    assert made == VIEWS - how.left_out


def test_columns_of_a_union_have_one_order() -> None:
    ((_, text),) = [each for each in dialects.views(dialects.SPARK, COLUMNS) if each[0] == "events"]
    first, second = re.split(r"union all", text, flags=re.I)
    named = [
        re.findall(r"`?(?:original|correction)`?\.`?(\w+)`?,?$", part, re.M)
        for part in (first, second)
    ]
    assert named[0][:5] == named[1][:5] == sorted(COLUMNS["events"])[:5]
    assert sorted(COLUMNS["events"]) == sorted(COLUMNS["event_conflicts"])


@pytest.mark.parametrize(
    ("dialect", "statement"),
    [
        (dialects.SPARK, "create table if not exists ctanalytics_lake.events using delta location 's3://b/it''s'"),
        (dialects.ATHENA, "create external table if not exists ctanalytics_lake.events location 's3://b/it''s' tblproperties ('table_type' = 'DELTA')"),
        (dialects.TRINO, "call system.register_table(schema_name => 'ctanalytics_lake', table_name => 'events', table_location => 's3://b/it''s')"),
    ],
)  # fmt: skip
def test_a_table_is_registered_where_it_lies(dialect: str, statement: str) -> None:
    schemas = {name: spec.schema for name, spec in TABLES.items()}
    assert statement in list(dialects.ddl(dialect, {"events": "s3://b/it's"}, schemas))
