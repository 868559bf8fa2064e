"""Accounts and people: the names behind the ids of logs."""
