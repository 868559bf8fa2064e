"""The published views in the SQL of other engines that can read the lake's Delta tables.

DuckDB's text of each view is the one source; sqlglot turns it into the others. It raises no error
where its result means something else: only rows compared on both engines prove a view, which a test
does for Spark. Athena's and Trino's are not run here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ctanalytics import untrusted
from ctanalytics.engines import statements

if TYPE_CHECKING:
    import pyarrow as pa
    import sqlglot.expressions as sql

SPARK: Final = "spark"
ATHENA: Final = "athena"
TRINO: Final = "trino"

SCHEMA: Final = "ctanalytics"
"""Where the views are made."""
TABLES: Final = "ctanalytics_lake"
"""Where the lake's tables are registered; in DuckDB they are `lake.<table>`."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """How an engine is told of a Delta table, and which views it can't have."""

    title: str
    writer: str
    """sqlglot's name of it."""
    table: str
    """Registers a Delta table: {schema}, {name} and {place} stand for a statement's parts."""
    schema: str = "create schema if not exists {schema}"
    left_out: frozenset[str] = frozenset()


DIALECTS: Final = {
    SPARK: Dialect(
        "Spark 4 with Delta Lake",
        "spark",
        "create table if not exists {schema}.{name} using delta location {place}",
    ),
    ATHENA: Dialect(
        "Athena engine 3 (not run by the tests of ctanalytics)",
        "athena",
        "create external table if not exists {schema}.{name} location {place} "
        "tblproperties ('table_type' = 'DELTA')",
        left_out=frozenset(("ocsf_api_activity",)),
    ),
    TRINO: Dialect(
        "Trino with a catalog of its Delta Lake connector (not run by the tests of ctanalytics)",
        "trino",
        "call system.register_table(schema_name => '{schema}', table_name => '{name}', "
        "table_location => {place})",
        left_out=frozenset(("ocsf_api_activity",)),
    ),
}


def ddl(dialect: str, places: Mapping[str, str], schemas: Mapping[str, pa.Schema]) -> Iterator[str]:
    """Yield the statements that make the lake's tables and views, in their order.

    Args:
        dialect: one of DIALECTS.
        places: where each table's folder is, by its name.
        schemas: the columns of each table.
    """
    how = DIALECTS[dialect]
    yield how.schema.format(schema=TABLES)
    yield how.schema.format(schema=SCHEMA)
    for name, place in places.items():
        yield how.table.format(schema=TABLES, name=name, place=untrusted.sql_text(place))
    yield bounds()
    columns = {name: list(schema.names) for name, schema in schemas.items()}
    for name, text in views(dialect, columns):
        yield f"create or replace view {SCHEMA}.{name} as\n{text}"


def bounds() -> str:
    """Return the statement that makes the view `bounds`, which the views read: no bounds at all."""
    null = "cast(null as timestamp)"
    return f"create or replace view {TABLES}.bounds as select {null} as since, {null} as until"


def views(dialect: str, columns: Mapping[str, list[str]]) -> Iterator[tuple[str, str]]:
    """Yield each view's name and its statement, after the views that it reads.

    Args:
        columns: those of each table.
    """
    import sqlglot

    left_out = DIALECTS[dialect].left_out
    for path in statements.views():
        name = path.removeprefix("views/")
        if name in left_out:
            continue
        tree = sqlglot.parse_one(statements.statement(path), read="duckdb")
        _name_columns(tree, columns)
        _place_tables(tree)
        if dialect == SPARK:
            _keep_fractions(tree)
        text = _without_qualify(tree).sql(
            DIALECTS[dialect].writer, pretty=True, unsupported_level=sqlglot.ErrorLevel.RAISE
        )
        yield name, text


def _name_columns(tree: sql.Expr, columns: Mapping[str, list[str]]) -> None:
    """Put columns in the place of `table.*`, and match those of a union by their places.

    Other engines match a union's columns by place, and two tables may order theirs otherwise.
    """
    import sqlglot.expressions as sql

    for select in tree.find_all(sql.Select):
        tables = {
            each.alias_or_name: each.name
            for each in select.find_all(sql.Table)
            if each.db == "lake"
        }
        select.set("expressions", [*_starless(select.expressions, tables, columns)])
    for union in tree.find_all(sql.Union):
        union.set("by_name", False)


def _starless(
    shown: list[Any], tables: Mapping[str, str], columns: Mapping[str, list[str]]
) -> Iterator[sql.Expr]:
    import sqlglot.expressions as sql

    # One order for all tables that a union may bring together.
    for each in shown:
        star = isinstance(each, sql.Column) and isinstance(each.this, sql.Star)
        if star and each.table in tables:
            for name in sorted(columns[tables[each.table]]):
                yield sql.column(name, each.table)
        else:
            yield each


def _place_tables(tree: sql.Expr) -> None:
    """Say of each table and view in which schema it is; names of CTEs stay as they are."""
    import sqlglot.expressions as sql

    local = {cte.alias for cte in tree.find_all(sql.CTE)}
    for table in tree.find_all(sql.Table):
        if table.db == "lake":
            table.set("db", sql.to_identifier(TABLES))
        elif not table.db and table.name and table.name not in local:
            table.set("db", sql.to_identifier(SCHEMA))


def _keep_fractions(tree: sql.Expr) -> None:
    """Let epoch() have fractions of a second in Spark too, whose UNIX_TIMESTAMP cuts them off."""
    import sqlglot.expressions as sql

    for epoch in list(tree.find_all(sql.TimeToUnix)):
        micros = sql.func("unix_micros", epoch.this.copy())
        epoch.replace(sql.paren(sql.Div(this=micros, expression=sql.Literal.number("1e6"))))


def _without_qualify(tree: sql.Expr) -> sql.Expr:
    """Return the statement with each QUALIFY as the condition of a query around its own.

    sqlglot does so too, but names what is compared alike everywhere, which is ambiguous once a
    `select *` has carried it into the next query.
    """
    import sqlglot.expressions as sql

    found = [each for each in tree.find_all(sql.Select) if each.args.get("qualify")]
    for number, select in enumerate(reversed(found)):  # the inner ones first
        names = [each.alias_or_name for each in select.expressions]
        inner = select.copy()
        inner.set("qualify", None)
        # The whole condition: it may read columns that the query does not show.
        kept = f"_qualify_{number}"
        inner.select(sql.alias_(select.args["qualify"].this.copy(), kept), copy=False)
        outer = sql.select(*names).from_(inner.subquery("_q")).where(sql.column(kept))
        if select is tree:
            tree = outer
        else:
            select.replace(outer)
    return tree
