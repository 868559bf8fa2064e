"""What runs a statement (DuckDB) and what runs a function over parts (processes, a cluster)."""
