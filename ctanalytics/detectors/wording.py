"""Words that the sentences of several detectors share."""

from __future__ import annotations

from ctanalytics import untrusted


def short_principal(arn: str | None) -> str:
    """Name a principal as a person would: `role deploy`, `user dora`, or the text itself."""
    text = arn or "an unknown caller"
    kind, _, name = text.rpartition(":")[2].partition("/")
    if not text.startswith("arn:") or not name:
        return untrusted.one_line(text, limit=80)
    word = {"assumed-role": "role", "federated-user": "federated user"}.get(kind, kind)
    return untrusted.one_line(f"{word} {name.rpartition('/')[2]}", limit=80)


def minutes_text(minutes: int) -> str:
    """Say a length of time in words."""
    if minutes < 120:
        return f"{minutes} minute{'s' if minutes != 1 else ''}"
    hours = minutes / 60
    if hours < 48:
        return f"{hours:.0f} hours" if minutes % 60 == 0 or hours >= 10 else f"{hours:.1f} hours"
    return f"{hours / 24:.0f} days"
