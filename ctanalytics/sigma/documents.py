"""Rule files to YAML documents, each key with its line, so that a fault can say where it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml
from sigma.exceptions import SigmaError
from sigma.rule.base import SigmaYAMLLoader

SUFFIXES: Final = (".yml", ".yaml")
_MAX_BYTES: Final = 4 * 1024 * 1024
_MAX_VALUES: Final = 200_000
"""Of a document with its aliases unfolded: ten lines of YAML can name a value a billion times."""
_MAX_DEPTH: Final = 50
"""Of values in one another; the rules that come along have six at most."""


@dataclass(frozen=True)
class Document:
    """One YAML document of a file, or why there is none."""

    path: str
    line: int
    content: Any = None
    node: yaml.Node | None = None
    fault: str | None = None

    def line_of(self, *keys: str) -> int:
        """Return the line of a key below other keys; of the nearest one that is there."""
        line, node = self.line, self.node
        for key in keys:
            found = _member(node, key)
            if found is None:
                break
            line, node = found[0].start_mark.line + 1, found[1]
        return line


def files(places: Sequence[Path]) -> Iterator[tuple[Path, Path]]:
    """Yield (place, file) of all rule files of folders, and of files that are named, sorted."""
    for place in places:
        if place.is_dir():
            found = (one for one in place.rglob("*") if one.suffix in SUFFIXES and one.is_file())
            yield from ((place, file) for file in sorted(found))
        else:
            yield place, place


def documents(file: Path, shown: str) -> Iterator[Document]:
    """Yield the documents of a file; what can't be read is a document with a fault.

    Args:
        shown: the path as it is to be told to people.
    """
    try:
        if file.stat().st_size > _MAX_BYTES:
            yield Document(shown, 1, fault="the file is larger than 4 MiB")
            return
        text = file.read_text("utf-8")
    except OSError as error:
        yield Document(shown, 1, fault=f"the file can't be read: {error.strerror}")
        return
    except UnicodeDecodeError as error:
        yield Document(shown, 1, fault=f"the file is not UTF-8: {error.reason}")
        return
    try:
        nodes = list(yaml.compose_all(text, Loader=yaml.CSafeLoader))
        for node in nodes:
            _require_small(node, {})
        contents = list(yaml.load_all(text, Loader=SigmaYAMLLoader))
    except (yaml.YAMLError, SigmaError, ValueError, TypeError, RecursionError) as error:
        yield Document(shown, _line_of_error(error), fault=f"no valid YAML: {_short(error)}")
        return
    for content, node in zip(contents, nodes, strict=True):
        if content is not None:
            yield Document(shown, node.start_mark.line + 1, content, node)
    if all(content is None for content in contents):
        yield Document(shown, 1, fault="the file holds no rule")


def prepared(content: Mapping[str, Any], placeholders: Mapping[str, Sequence[str]]) -> Any:
    """Make a rule fit for pySigma, which takes some modifiers in one order only.

    A network's placeholders are filled in, since a network is read before `expand` is; `fieldref`
    comes before `startswith` and its like, in whichever order people write them.
    """
    detection = content.get("detection")
    if not isinstance(detection, dict):
        return content
    return {**content, "detection": _filled(detection, placeholders)}


def _filled(part: Any, placeholders: Mapping[str, Sequence[str]]) -> Any:
    if isinstance(part, list):
        return [_filled(one, placeholders) for one in part]
    if not isinstance(part, dict):
        return part
    made: dict[Any, Any] = {}
    for key, value in part.items():
        name, *words = key.split("|") if isinstance(key, str) else [key]
        if "fieldref" in words:
            words.remove("fieldref")
            made["|".join([name, "fieldref", *words])] = value
            continue
        if not {"cidr", "expand"} <= set(words):
            made[key] = _filled(value, placeholders)
            continue
        kept: list[Any] = []
        for one in value if isinstance(value, list) else [value]:
            wanted = str(one).strip("%")
            is_placeholder = str(one) == f"%{wanted}%" and wanted in placeholders
            kept += placeholders[wanted] if is_placeholder else [one]
        made["|".join([name, *(word for word in words if word != "expand")])] = kept
    return made


def _require_small(node: yaml.Node, known: dict[int, tuple[int, int]]) -> tuple[int, int]:
    """Return how many values a node unfolds to, and how deep they lie.

    Args:
        known: what was found of nodes by their `id`; 0 values while one is looked at.

    Raises:
        ValueError: they are too many, too deep, or it is among its own.
    """
    if id(node) in known:
        if not known[id(node)][0]:
            raise ValueError("an alias refers to what it stands in")
        return known[id(node)]
    known[id(node)] = (0, 0)
    inner = node.value if isinstance(node, yaml.SequenceNode | yaml.MappingNode) else ()
    values, depth = 1, 0
    for one in inner:
        for each in one if isinstance(one, tuple) else (one,):
            more, below = _require_small(each, known)
            values, depth = values + more, max(depth, below)
    if values > _MAX_VALUES or depth >= _MAX_DEPTH:
        raise ValueError("its values are too many, or too deep in one another")
    known[id(node)] = (values, depth + 1)
    return known[id(node)]


def _member(node: yaml.Node | None, key: str) -> tuple[yaml.Node, yaml.Node] | None:
    if isinstance(node, yaml.SequenceNode):
        found = (_member(one, key) for one in node.value)
        return next((one for one in found if one), None)
    if not isinstance(node, yaml.MappingNode):
        return None
    return next((pair for pair in node.value if pair[0].value == key), None)


def _line_of_error(error: Exception) -> int:
    mark = getattr(error, "problem_mark", None)
    return mark.line + 1 if mark is not None else 1


def _short(error: Exception) -> str:
    return " ".join(str(getattr(error, "problem", None) or error).split())
