"""The fault campaign: commands are killed, starved and crossed, then run again and compared.

`python -m tests.chaos` runs it; see docs/reliability.md.
"""
