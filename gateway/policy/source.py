"""YAML text to nodes that know their place. What a value means is for others to say.

Scalars keep their text: `NO` is a country and not a boolean, because only the reader of a key knows
its type. Aliases, anchors and tags are refused: they let a reviewer read one thing and the gateway
another. Duplicate keys are refused for the same reason.
"""

from typing import Any, TypeAlias

import msgspec
import yaml

from gateway.policy.report import Report

MAX_DEPTH = 32
"""Rule files need about ten levels; more is a mistake or an attack on the reader."""

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Scalar(msgspec.Struct, frozen=True):
    """`plain` tells unquoted text, which alone can mean null, a boolean or a number."""

    file: str
    line: int
    column: int
    text: str
    plain: bool

    @property
    def is_null(self) -> bool:
        return self.plain and self.text in ("", "~", "null")


class Mapping(msgspec.Struct, frozen=True):
    file: str
    line: int
    column: int
    entries: list[tuple[Scalar, "Node"]]


class Sequence(msgspec.Struct, frozen=True):
    file: str
    line: int
    column: int
    items: list["Node"]


class Refused(msgspec.Struct, frozen=True):
    """Stands for something that a diagnostic already speaks about; readers pass it over in silence."""

    file: str
    line: int
    column: int


Node: TypeAlias = Scalar | Mapping | Sequence | Refused


def read_source(file: str, text: str, report: Report) -> Mapping | None:
    """The mapping at the root of one rule file; None where it cannot be read, which `report` explains."""
    builder = _Builder(file, report)
    try:
        text.encode()
        for event in yaml.parse(text, Loader=_LOADER):
            builder.take(event)
    except yaml.YAMLError as error:
        _report_syntax(file, text, error, report)
    except UnicodeEncodeError as error:
        line, column = _line_and_column(text, error.start)
        report.add("PG101", Refused(file, line, column), "the file holds a lone surrogate", "write the file as UTF-8")
    else:
        root = builder.root
        if root is None:
            return Mapping(file, 1, 1, [])
        if isinstance(root, Mapping):
            return root
        if not isinstance(root, Refused):
            report.add("PG104", root, "a rule file is a mapping", "start the file with 'version: 1'")
    report.broken = True
    return None


class _Builder:
    """Puts nodes together from the parser's events, without recursion."""

    def __init__(self, file: str, report: Report) -> None:
        self.file = file
        self.report = report
        self.root: Node | None = None
        self._open: list[Mapping | Sequence] = []
        self._keys: list[Scalar | Refused | None] = []
        self._seen: list[dict[str, Scalar]] = []
        self._skipping = 0

    def take(self, event: Any) -> None:
        if isinstance(event, yaml.ScalarEvent):
            if not self._skipping:
                self._refuse_extras(event)
                here = self._at(event)
                plain = bool(event.implicit[0]) and not event.style
                self._place(Scalar(here.file, here.line, here.column, event.value, plain))
        elif isinstance(event, yaml.CollectionStartEvent):
            self._start(event)
        elif isinstance(event, yaml.CollectionEndEvent):
            self._end()
        elif isinstance(event, yaml.AliasEvent):
            if not self._skipping:
                self._alias(event)
        elif isinstance(event, yaml.DocumentStartEvent) and self.root is not None:
            here = self._at(event)
            self.report.add("PG101", here, "a second document starts here", "put it into a file of its own")
            self._skipping = 1 << 30

    def _at(self, event: Any) -> Refused:
        return Refused(self.file, event.start_mark.line + 1, event.start_mark.column + 1)

    def _refuse_extras(self, event: Any) -> None:
        if event.anchor is not None:
            hint = "write the value out wherever it is needed"
            self.report.add("PG103", self._at(event), f"anchors are not supported ('&{event.anchor}')", hint)
        if event.tag is not None and event.tag != "!":
            self.report.add("PG103", self._at(event), "tags are not supported", "remove the tag")

    def _alias(self, event: Any) -> None:
        here = self._at(event)
        hint = "write the value out, and quote text that starts with '*'"
        self.report.add("PG103", here, f"aliases are not supported ('*{event.anchor}')", hint)
        self._place(here)

    def _start(self, event: Any) -> None:
        if self._skipping:
            self._skipping += 1
            return
        here = self._at(event)
        self._refuse_extras(event)
        is_key = bool(self._open) and isinstance(self._open[-1], Mapping) and self._keys[-1] is None
        if len(self._open) >= MAX_DEPTH or is_key:
            if is_key:
                self.report.add("PG104", here, "a key must be a single value", "quote keys that hold '{' or '['")
            else:
                self.report.add("PG113", here, f"more than {MAX_DEPTH} levels")
            self._place(here)
            self._skipping = 1
            return
        node: Mapping | Sequence
        if isinstance(event, yaml.MappingStartEvent):
            node = Mapping(here.file, here.line, here.column, [])
        else:
            node = Sequence(here.file, here.line, here.column, [])
        self._open.append(node)
        self._keys.append(None)
        self._seen.append({})

    def _end(self) -> None:
        if self._skipping:
            self._skipping -= 1
            return
        node = self._open.pop()
        self._keys.pop()
        self._seen.pop()
        self._place(node)

    def _place(self, node: Node) -> None:
        if not self._open:
            self.root = node
            return
        parent = self._open[-1]
        if isinstance(parent, Sequence):
            parent.items.append(node)
        elif (key := self._keys[-1]) is None:
            assert isinstance(node, Scalar | Refused)
            self._keys[-1] = self._fresh_key(node) if isinstance(node, Scalar) else node
        else:
            self._keys[-1] = None
            if isinstance(key, Scalar):
                parent.entries.append((key, node))

    def _fresh_key(self, key: Scalar) -> Scalar | Refused:
        seen = self._seen[-1]
        first = seen.setdefault(key.text, key)
        if first is key:
            return key
        message = f"the key '{key.text}' stands twice in this mapping"
        self.report.add("PG102", key, message, f"the first one is on line {first.line}; merge the two")
        return Refused(key.file, key.line, key.column)


def _report_syntax(file: str, text: str, error: yaml.YAMLError, report: Report) -> None:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        line, column = error.problem_mark.line + 1, error.problem_mark.column + 1
        message = error.problem or "cannot be read"
    else:
        line, column = _line_and_column(text, getattr(error, "position", 0) or 0)
        message = "a character that YAML does not allow"
    hint = "check the indentation, and quote text that holds any of { } [ ] , : # * & such as '/orders/{id}'"
    report.add("PG101", Refused(file, line, column), message, hint)


def _line_and_column(text: str, position: int) -> tuple[int, int]:
    before = text[:position]
    return before.count("\n") + 1, position - before.rfind("\n")
