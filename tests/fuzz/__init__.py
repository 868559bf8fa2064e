"""Bytes of an attacker, found by watching which lines they reach."""
