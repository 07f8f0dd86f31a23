"""Records and reports of the ledger as people read them."""

from rich.table import Table
from rich.text import Text

from gateway.audit.reading import Entry, Head
from gateway.audit.verify_report import Finding, LogReport, Report, Verdict
from gateway.cli.output import console, printable
from gateway.model.words import Kind


def cells(entry: Entry) -> list[str]:
    record = entry.record
    kind = record.get("kind")
    fields = record.get("fields") or []
    what = ", ".join(f"{field.get('action')} {field.get('class')} ({field.get('reason')})" for field in fields)
    middle = [str(record.get(key) or "") for key in ("kind", "route", "recipient", "subject")]
    entered = kind in (Kind.CONSENT, Kind.OUTCOME)
    decided = " ".join(filter(None, (record.get("status"), record.get("purpose")))) if entered else ""
    what = what or decided or str(record.get("reason") or "")
    return [record.get("time", ""), entry.slot, str(entry.index), *middle, what, str(record.get("request") or "")]


def print_entry(entry: Entry, head: Head | None) -> None:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_row(Text("origin"), Text(printable(entry.origin)))
    table.add_row(Text("index"), Text(str(entry.index)))
    table.add_row(Text("leaf"), Text(entry.leaf))
    if head is not None:
        table.add_row(Text("checkpoint"), Text(f"size {head.size}, root {head.root}"))
        table.add_row(Text("signature"), Text(head.signature))
    console.print(table)
    for name, value in entry.record.items():
        if name == "fields":
            for field in value:
                cells = "  ".join(f"{key}={field[key]}" for key in field if field[key] not in (None, ""))
                console.print(Text(printable(f"  field      {cells}")), soft_wrap=True)
        else:
            shown = value if isinstance(value, str) else repr(value)
            console.print(Text(printable(f"  {name:<10} {shown}")), soft_wrap=True)
    console.print()


def print_report(report: Report) -> None:
    for log in report.logs:
        _print_log(log)
    for finding in report.findings:
        console.print(_finding(finding), soft_wrap=True)
    kinds = ", ".join(f"{count} {kind}" for kind, count in report.kinds.items())
    if kinds:
        console.print(Text(f"records    {kinds}"), soft_wrap=True)
    for line in report.trust:
        console.print(Text(printable(f"trust      {line}")), soft_wrap=True)
    style = "bold green" if report.verdict is Verdict.VERIFIED else "bold red"
    console.print(Text(report.words, style=style))


def _print_log(log: LogReport) -> None:
    state = "being written" if log.live else "closed" if log.closed else "not closed"
    console.print(Text(printable(f"{log.slot}  {log.verdict.words}  {log.origin}"), style="bold"))
    segments = f"{log.segments} segments" + (f" ({log.pruned} pruned)" if log.pruned else "")
    console.print(Text(f"  {log.leaves} leaves, {log.checkpoints} checkpoints, {segments}, {state}"), soft_wrap=True)
    if log.pins or log.heads:
        compared = f"  compared with {log.pins} heads and receipts from outside, {log.heads} heads of the anchor log"
        console.print(Text(compared), soft_wrap=True)
    if log.root:
        console.print(Text(f"  size {log.size}  root {log.root}"), soft_wrap=True)
    if log.first_time:
        console.print(Text(f"  from {log.first_time} to {log.last_time}"), soft_wrap=True)
    for finding in log.findings:
        console.print(_finding(finding), soft_wrap=True)


def _finding(finding: Finding) -> Text:
    place = f" {finding.segment}" if finding.segment else ""
    place += f" line {finding.line}" if finding.line >= 0 else ""
    if finding.first_index >= 0:
        place += f" from leaf {finding.first_index}"
        place += f" to {finding.last_index}" if finding.last_index >= 0 else ""
    return Text(printable(f"  {finding.verdict.words}{place}: {finding.why}"), style="red")
