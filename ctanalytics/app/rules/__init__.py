"""Verbs about Sigma rules."""
