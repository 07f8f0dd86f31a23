"""How the demo's scenes look on a terminal: without the gateway on the left, behind it on the right."""

import json
from typing import Any

import msgspec
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from gateway.cli.demo_scenes import ADA, SHOWN_HEADERS, Call, Scene, Side
from gateway.cli.demo_stage import PAGES, Stage
from gateway.cli.output import printable

_LONGEST = 2000
_PAGE = 90


def scene_view(number: int, scene: Scene) -> RenderableType:
    """One scene: the request, both sides, and the records; what the gateway held back stands out in red."""
    received = _received(scene.without), _received(scene.behind)
    answers = _answer(scene.without), _answer(scene.behind)
    grid = Table.grid(expand=True, padding=(0, 1))
    grid.add_column(ratio=1)
    grid.add_column(ratio=1)
    for title, (left, right) in (("the shop received", received), ("the visitor got back", answers)):
        grid.add_row(
            Panel(_marked(left, right, "red"), title=f"without the gateway: {title}", title_align="left"),
            Panel(_marked(right, left, "green"), title=f"behind the gateway: {title}", title_align="left"),
        )
    parts: list[RenderableType] = [Rule(f"{number}. {scene.title}"), Text(_request_line(scene.call)), grid]
    parts.append(
        _records(scene.records) if scene.records else Text("No record: nothing personal was in it.", style="dim")
    )
    return Group(*parts, Text(""))


def _request_line(call: Call) -> str:
    sent = call.body or call.form
    return printable(f"{call.method} {call.path}" + (f"  {json.dumps(sent, ensure_ascii=False)}" if sent else ""))


def _received(side: Side) -> str:
    if side.received is None:
        return "(nothing)"
    lines = [f"{name}: {value}" for name, value in side.received["headers"] if name.lower() in SHOWN_HEADERS]
    return "\n".join([*lines, _pretty(_parsed(side.received["body"]))]).strip() or "(no body)"


def _answer(side: Side) -> str:
    answer = side.answer
    if isinstance(answer, str) and len(answer) > _PAGE:
        answer = f"(a page of {len(answer)} characters)"
    return f"status {side.status}\n{_pretty(answer)}"


def _parsed(body: object) -> object:
    if not isinstance(body, str):
        return body
    try:
        found: object = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return body
    return found


def _pretty(value: object) -> str:
    if isinstance(value, str):
        return value
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "\n…"


def _marked(text: str, other: str, style: str) -> Text:
    """The text with those of its lines in colour that the other side does not have."""
    known = {line.rstrip(",") for line in other.splitlines()}
    marked = Text()
    for line in text.splitlines():
        marked.append(printable(line) + "\n", style="" if line.rstrip(",") in known else style)
    marked.rstrip()
    return marked


def _records(records: list[dict[str, Any]]) -> Table:
    table = Table(title="Records it left in the ledger", title_justify="left", expand=True)
    for column in ("kind", "to", "about", "field", "class", "purpose", "action", "reason"):
        table.add_column(column, overflow="fold")
    for record in records:
        head = (record["kind"], record.get("recipient", ""), record.get("subject") or "unknown person")
        fields = record.get("fields") or [{"reason": record.get("reason", "")}]
        for position, field in enumerate(fields):
            times = f" x {field['count']}" if field.get("count", 1) > 1 else ""
            cells = (
                *(head if not position else ("", "", "")),
                field.get("address", "") + times,
                field.get("class", "").removeprefix("user."),
                field.get("purpose", ""),
                field.get("action", ""),
                field.get("reason", ""),
            )
            table.add_row(*(Text(printable(str(cell))) for cell in cells), end_section=position == len(fields) - 1)
    return table


def things_to_try(stage: Stage, program: str) -> Text:
    """Lines that can be copied into another terminal."""
    json_type = "-H 'Content-Type: application/json'"
    person = json.dumps({"email": "grace@example.org", "name": "Grace", "password": "x", "birth_date": "1906-12-09"})
    doubtful = '{"email": "a@x.example", "email": "b@x.example"}'
    sections = (
        ("The shop, behind the gateway, in a browser: answer the banner", (f"{stage.gateway}/",)),
        (
            "What it asks you, what you decided, what happened to your data",
            tuple(f"{stage.gateway}{PAGES}{page}" for page in ("", "/history", "/disclosures", "/receipt")),
        ),
        (
            "How often your browser asked the two third parties for something",
            (f"curl -s {stage.analytics}/hits", f"curl -s {stage.ads}/hits"),
        ),
        (
            "Everybody's orders, with and without",
            (f"curl -s {stage.gateway}/api/orders", f"curl -s {stage.bare_shop}/api/orders"),
        ),
        (
            "Sign up, and see what the shop really received",
            (
                f"curl -si {stage.gateway}/api/customers {json_type} -d '{person}'",
                f"curl -s {stage.shop}/debug/received",
            ),
        ),
        (
            "Consent, and take it back",
            (
                f"{program} consent grant --state {stage.state} --subject grace@example.org --purpose newsletter",
                f"curl -si {stage.gateway}/newsletter -d email=grace@example.org",
                f"{program} consent withdraw --state {stage.state} --subject grace@example.org --purpose newsletter",
                f"curl -si {stage.gateway}/newsletter -d email=grace@example.org",
            ),
        ),
        (
            "What no one can read without doubt does not pass",
            (f"curl -si {stage.gateway}/api/customers {json_type} -d '{doubtful}'",),
        ),
        (
            "The ledger",
            (
                f"{program} audit search --state {stage.state} --subject {ADA}",
                f"{program} audit verify {stage.state}",
            ),
        ),
        (
            "The rules: edit them, and the running gateway takes them over",
            (f"{stage.rules}/shop.yaml", f"{program} check {stage.rules}", f"{program} test {stage.rules}"),
        ),
    )
    text = Text("What to try\n", style="bold")
    for title, lines in sections:
        text.append(f"\n{title}\n", style="default")
        for line in lines:
            text.append(f"  {line}\n", style="cyan not bold")
    text.rstrip()
    return text
