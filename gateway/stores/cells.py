"""Tables from other programs, cell by cell with its place: strict CSV (RFC 4180), JSON and JSON Lines.

Nothing that is read is ever quoted in a diagnostic: in a table of people any cell may hold an identifier.
"""

import json
import re
from bisect import bisect_right
from collections.abc import Iterator
from typing import NamedTuple

from gateway.model.errors import Diagnostic, Severity

_CSV_CELL = re.compile(r'"([^"]*(?:""[^"]*)*)"|([^",\r\n]*)')
_TOKEN = re.compile(
    r'[ \t\r\n]*(?:(?P<text>"(?:[^"\\\x00-\x1f]|\\.)*")|(?P<mark>[\[\]{}:,])|(?P<word>[-+.0-9A-Za-z]+))'
)
_BLANK = re.compile(r"[ \t\r\n]*\Z")


class Cell(NamedTuple):
    """`text` is empty where nothing is said; line and column count from 1."""

    text: str
    line: int
    column: int


class TableRow(NamedTuple):
    """Cells by the name of their column, and where the row begins."""

    cells: dict[str, Cell]
    line: int
    column: int


class Problems:
    """Diagnostics about one file."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.found: list[Diagnostic] = []

    def add(self, code: str, at: Cell | TableRow, message: str, hint: str = "") -> None:
        self.found.append(Diagnostic(self.file, at.line, at.column, code, Severity.ERROR, message, hint))


def read_csv(text: str, columns: tuple[str, ...], problems: Problems) -> Iterator[TableRow]:
    """Rows below a header; `columns` are those that it may have. Empty lines are passed over."""
    rows = _csv_rows(text, problems)
    header = next(rows, None)
    if header is None:
        problems.add("CI101", Cell("", 1, 1), "the file is empty", "start with a header")
        return
    names = _header(header, columns, problems)
    for cells in rows:
        row = TableRow(dict(zip(names, cells, strict=False)), cells[0].line, cells[0].column)
        if len(cells) == len(names):
            yield row
        else:
            message = f"the row has {len(cells)} cells, and the header {len(names)}"
            problems.add("CI104", row, message, "a cell with a comma in it stands in quotation marks")


def _header(header: list[Cell], columns: tuple[str, ...], problems: Problems) -> list[str]:
    names: list[str] = []
    for number, cell in enumerate(header, 1):
        if cell.text not in columns:
            hint = "columns: " + ", ".join(columns)
            problems.add("CI102", cell, f"column {number} has a name that is not known", hint)
        elif cell.text in names:
            problems.add("CI103", cell, f"column '{cell.text}' is there twice", "leave one out")
        names.append(cell.text)
    return names


def _csv_rows(text: str, problems: Problems) -> Iterator[list[Cell]]:
    at, line, start = 0, 1, 0
    cells: list[Cell] = []
    while at < len(text):
        match = _CSV_CELL.match(text, at)
        assert match is not None  # an empty cell always matches
        quoted, plain = match.groups()
        cell = Cell(plain if quoted is None else quoted.replace('""', '"'), line, at - start + 1)
        if quoted:
            line += quoted.count("\n")
            last = text.rfind("\n", at, match.end())
            start = last + 1 if last >= 0 else start
        at = match.end()
        cells.append(cell)
        if text.startswith(",", at):
            at += 1
            if at == len(text):
                cells.append(Cell("", line, at - start + 1))
            continue
        end = "\r\n" if text.startswith("\r\n", at) else "\n"
        if at < len(text) and not text.startswith(end, at):
            problems.add("CI101", cell, "the cell is not closed as CSV has it", "a quotation mark inside is doubled")
            found = text.find("\n", at)
            at, cells = (len(text) if found < 0 else found), []
            end = "\n"
        if len(cells) > 1 or any(each.text for each in cells):
            yield cells
        at, cells = at + len(end), []
        line, start = line + 1, at
    if cells:
        yield cells


def read_json(text: str, columns: tuple[str, ...], problems: Problems) -> Iterator[TableRow]:
    """Flat objects whose members are text or null: in one list, or one after the other (JSON Lines)."""
    reader = _JsonReader(text, columns, problems)
    try:
        yield from reader.rows()
    except _NoJsonError as broken:
        problems.add("CI101", reader.place(broken.at), "this is not JSON as it is expected here", broken.hint)


class _NoJsonError(ValueError):
    def __init__(self, at: int, hint: str) -> None:
        super().__init__(hint)
        self.at = at
        self.hint = hint


class _JsonReader:
    def __init__(self, text: str, columns: tuple[str, ...], problems: Problems) -> None:
        self._text = text
        self._columns = columns
        self._problems = problems
        self._at = 0
        self._starts = [0, *(found.end() for found in re.finditer("\n", text))]

    def place(self, at: int, text: str = "") -> Cell:
        line = bisect_right(self._starts, at)
        return Cell(text, line, at - self._starts[line - 1] + 1)

    def rows(self) -> Iterator[TableRow]:
        hint = "a list of flat objects, or one object on each line"
        listed = self._peek() == "["
        if listed:
            self._take("[", hint)
        while not _BLANK.match(self._text, self._at) and self._peek() != "]":
            yield self._object(hint)
            if listed and self._peek() != "]":
                self._take(",", "objects of a list are separated by commas")
                if self._peek() == "]":
                    raise _NoJsonError(self._at, "an object follows a comma")
        if listed:
            self._take("]", "the list is not closed")
        if not _BLANK.match(self._text, self._at):
            raise _NoJsonError(self._at, "nothing follows the list")

    def _peek(self) -> str:
        match = _TOKEN.match(self._text, self._at)
        return "" if match is None else match[match.lastgroup or 0]

    def _take(self, mark: str, hint: str) -> int:
        match = _TOKEN.match(self._text, self._at)
        if match is None or match["mark"] != mark:
            raise _NoJsonError(self._at, hint)
        self._at = match.end()
        return match.start("mark")

    def _object(self, hint: str) -> TableRow:
        begin = self.place(self._take("{", hint))
        row = TableRow({}, begin.line, begin.column)
        while self._peek() != "}":
            if row.cells:
                self._take(",", "members are separated by commas")
            self._member(row)
        self._take("}", "the object is not closed")
        return row

    def _member(self, row: TableRow) -> None:
        name, at = self._string("the name of a member is text in quotation marks")
        self._take(":", "a name is followed by ':' and its value")
        match = _TOKEN.match(self._text, self._at)
        if match is not None and match["word"]:
            self._at = match.end()
            value = self.place(match.start("word"))
            if match["word"] != "null":
                self._problems.add("CI104", value, "a value is text or null", "put it in quotation marks")
        else:
            text, where = self._string("a value is text in quotation marks, or null")
            value = self.place(where, text)
        if name not in self._columns:
            self._problems.add(
                "CI102", self.place(at), "a name that is not known", "names: " + ", ".join(self._columns)
            )
        elif name in row.cells:
            self._problems.add("CI103", self.place(at), f"'{name}' is there twice", "leave one out")
        row.cells.setdefault(name, value)

    def _string(self, hint: str) -> tuple[str, int]:
        match = _TOKEN.match(self._text, self._at)
        if match is None or not match["text"]:
            raise _NoJsonError(self._at, hint)
        self._at = match.end()
        try:
            text: str = json.loads(match["text"])
            text.encode()
        except (ValueError, UnicodeEncodeError):
            raise _NoJsonError(match.start("text"), "an escape in the text is none of JSON's") from None
        return text, match.start("text")
