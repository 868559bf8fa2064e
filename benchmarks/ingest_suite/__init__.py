"""The parts of the ingest benchmark; `benchmarks/ingest.py` is its command."""
