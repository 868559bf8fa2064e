-- The columns of all published views.
-- grain:  view, column
-- reads:  DuckDB's catalogue
select
    table_name as "view",
    column_name as "column",
    data_type as "type"
from duckdb_columns()
where schema_name = 'main'
  and not internal
order by table_name, column_index
