"""The tables' columns: each field once, each column once, types that every reader has."""

from __future__ import annotations

import pyarrow as pa
import pytest

from ctanalytics.lake.layout import INGEST_TABLES, PARTITION, TABLES
from ctanalytics.records import identity, schema

ALLOWED = (
    pa.string(),
    pa.binary(),
    pa.bool_(),
    pa.int8(),
    pa.int32(),
    pa.int64(),
    pa.float64(),
    pa.date32(),
)


@pytest.mark.parametrize("table", TABLES)
def test_a_table_has_each_column_once_with_a_type_that_carries_over(table: str) -> None:
    columns = TABLES[table].schema
    assert len(set(columns.names)) == len(columns.names)
    for column in columns:
        kind = column.type.value_type if pa.types.is_list(column.type) else column.type
        assert kind in ALLOWED or kind == schema.TIMESTAMP, column
        assert column.name == column.name.lower()


def test_every_field_of_a_record_has_its_column_in_events() -> None:
    columns = [*schema.STRING_FIELDS.values(), *schema.BOOL_FIELDS.values()]
    columns += [*schema.JSON_FIELDS.values(), *schema.IDENTITY_COLUMNS, *schema.TLS_COLUMNS]
    assert len(set(columns)) == len(columns)
    assert set(columns) <= set(schema.EVENTS.names)
    assert tuple(schema.IDENTITY_COLUMNS) == identity.COLUMNS


def test_columns_are_the_fields_names_in_snake_case() -> None:
    fields = schema.STRING_FIELDS | schema.BOOL_FIELDS | schema.JSON_FIELDS
    for field, column in fields.items():
        assert column.replace("_", "") == field.lower()


def test_the_partition_is_in_the_path_alone() -> None:
    for spec in TABLES.values():
        assert (PARTITION in spec.schema.names) == spec.partitioned
        assert PARTITION not in spec.file_schema().names


def test_every_ingested_row_tells_its_plan_and_events_come_last() -> None:
    assert all("plan_id" in TABLES[name].schema.names for name in INGEST_TABLES)
    assert INGEST_TABLES[-1] == "events"
