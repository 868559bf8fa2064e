"""Parameters: what is given is checked as CloudFormation would, before anything is deployed."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ctanalytics.errors import UsageError

_MISSING: Final = "is needed"
_FARGATE_MEMORY: Final = {  # MiB that Fargate offers for CPU units, of those that we offer
    "1024": ("4096", "8192"),
    "2048": ("4096", "8192", "16384"),
    "4096": ("8192", "16384", "30720"),
    "8192": ("16384", "30720"),
}


@dataclass(frozen=True, slots=True)
class Parameter:
    """One thing that a kit wants to know."""

    name: str
    kind: str
    """CloudFormation's type, such as String or CommaDelimitedList."""
    default: str | None
    """None: it has to be given."""
    about: str
    allowed: tuple[str, ...] = ()
    """The values that it may have; none: any that fits."""
    pattern: str = ""
    rule: str = ""
    """The pattern in words."""
    least: int | None = None
    most: int | None = None

    def fault(self, value: str) -> str:
        """Say what is wrong with a value; "" when nothing is."""
        if self.allowed and value not in self.allowed:
            return f"must be {', '.join(self.allowed[:-1])} or {self.allowed[-1]}"
        if self.kind == "Number" and not re.fullmatch("[0-9]+", value):
            return "must be a whole number"
        if self.least is not None and int(value) < self.least:
            return f"must be at least {self.least}"
        if self.most is not None and int(value) > self.most:
            return f"must be at most {self.most}"
        if self.pattern and not re.fullmatch(self.pattern, value):
            return self.rule
        return ""


def parameter(name: str, definition: Mapping[str, Any]) -> Parameter:
    """Return a parameter from its definition in a template."""
    default = definition.get("Default")
    return Parameter(
        name=name,
        kind=definition["Type"],
        default=None if default is None else str(default),
        about=definition["Description"],
        allowed=tuple(str(each) for each in definition.get("AllowedValues", ())),
        pattern=definition.get("AllowedPattern", ""),
        rule=definition.get("ConstraintDescription", ""),
        least=definition.get("MinValue"),
        most=definition.get("MaxValue"),
    )


def given(texts: list[str]) -> dict[str, str]:
    """Return the values of `Name=value` texts.

    Raises:
        UsageError: a text is not of that form, or a name is there twice.
    """
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise UsageError(
                f"{text!r} is not a parameter", where="--param", mend="give --param Name=value"
            )
        if name in found:
            raise UsageError(f"{name} is given twice", where="--param", mend="give it once")
        found[name] = value
    return found


def filled(parameters: Mapping[str, Parameter], values: Mapping[str, str]) -> dict[str, str]:
    """Return the value of every parameter, given or default.

    Raises:
        UsageError: naming all that are missing, unknown or wrong at once.
    """
    faults = [_unknown(name, parameters) for name in values if name not in parameters]
    found: dict[str, str] = {}
    for name, one in parameters.items():
        value = values.get(name, one.default)
        if value is None:
            faults.append(f"{name} {_MISSING}: {one.about}")
            continue
        found[name] = value
        fault = one.fault(value) if name in values else ""
        if fault:
            faults.append(f"{name} {fault}, and is {value!r}")
    faults = faults or list(_together(found))
    if faults:
        raise UsageError(
            "parameters that can't be used:\n  " + "\n  ".join(faults),
            where="--param",
            mend="`ctanalytics deploy list NAME` tells all parameters of a kit",
        )
    return found


def _unknown(name: str, known: Mapping[str, Parameter]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"{name} is not known" + (f", did you mean {near[0]}?" if near else "")


def _together(values: Mapping[str, str]) -> Iterator[str]:
    """Say which values do not go together."""
    days = {name: int(values[name]) for name in values if name.endswith("Days")}
    expire = days.get("ExpireAfterDays")
    if expire is not None:
        for name in ("ArchiveAfterDays", "ObjectLockDays"):
            if days.get(name, 0) >= expire:
                yield f"ExpireAfterDays must be more than {name}, and is {expire}"
    if "TaskCpu" in values and values["TaskMemory"] not in _FARGATE_MEMORY[values["TaskCpu"]]:
        offered = ", ".join(_FARGATE_MEMORY[values["TaskCpu"]])
        yield f"TaskMemory must be one of {offered} for TaskCpu {values['TaskCpu']}"
