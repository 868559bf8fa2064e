"""How pySigma may compile a rule's regular expressions: by RE2, and without a word of its own."""

from __future__ import annotations

import re
from typing import Any, Final, cast

from sigma.policy import SigmaPolicy
from sigma.policy.regex_engine import RE2RegexEngine, RegexPattern

_LETTERS: Final = ((re.IGNORECASE, "i"), (re.MULTILINE, "m"), (re.DOTALL, "s"))


class _Quiet(RE2RegexEngine):
    """RE2 logs a pattern that it can't read to stderr as it is, terminal escapes and all."""

    def __init__(self) -> None:
        super().__init__()
        import re2  # type: ignore[import-untyped]

        self._options: Any = re2.Options()
        self._options.log_errors = False

    def compile(self, pattern: str, flags: int = 0) -> RegexPattern:
        letters = "".join(letter for flag, letter in _LETTERS if flags & flag)
        whole = f"(?{letters}){pattern}" if letters else pattern
        return cast(RegexPattern, self._re2.compile(whole, self._options))


POLICY: Final = SigmaPolicy(regex_engine=_Quiet())
"""Of all rules; nothing is fetched, and no template of a rule runs."""
