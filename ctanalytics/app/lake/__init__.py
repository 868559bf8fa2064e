"""Verbs about a lake as a whole."""
