import io
import json

import click
import pytest
from rich.console import Console

from gateway.cli import output
from gateway.cli.output import console, fail, print_diagnostics, print_json, printable, show_failure
from gateway.model.errors import Diagnostic, Severity
from gateway.model.facts import Consent
from gateway.model.words import ConsentStatus

ERROR = Diagnostic(
    "rules/shop.yaml", 12, 7, "PG123", Severity.ERROR, "'$.items['name']' [bold]is[/bold] wrong", "do that"
)
WARNING = Diagnostic("a.yaml", 1, 2, "PG900", Severity.WARNING, "odd")


def test_diagnostics_are_one_line_each_and_their_hint(capsys):
    print_diagnostics([ERROR, WARNING])

    assert capsys.readouterr().out == (
        "rules/shop.yaml:12:7: error PG123: '$.items['name']' [bold]is[/bold] wrong\n"
        "  hint: do that\n"
        "a.yaml:1:2: warning PG900: odd\n"
    )


def test_long_lines_are_not_broken(capsys):
    print_diagnostics([Diagnostic("a.yaml", 1, 1, "PG1", Severity.ERROR, "long " * 200, "hint " * 200)])

    assert capsys.readouterr().out.count("\n") == 2


def test_colour_is_for_terminals_alone(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    shown = {}
    for terminal in (False, True):
        stream = io.StringIO()
        to = Console(file=stream, force_terminal=terminal, color_system="standard" if terminal else None, markup=False)
        print_diagnostics([ERROR], to=to)
        shown[terminal] = stream.getvalue()

    assert "\x1b[" not in shown[False]
    assert "\x1b[1;31merror\x1b[0m" in shown[True]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[31mb", "a\\x1b[31mb"),
        ("a\r\x00\x7f\x9b", "a\\x0d\\x00\\x7f\\x9b"),
        ("tab\tline\nfeed \u00e9", "tab\tline\nfeed \u00e9"),
    ],
)
def test_control_characters_are_written_out(text, shown):
    assert printable(text) == shown


def test_no_escape_sequence_reaches_the_terminal(capsys):
    evil = Diagnostic("\x1b]0;x\x07.yaml", 1, 1, "PG1", Severity.ERROR, "\x1b[2J", "\x9b2J")
    print_diagnostics([evil])
    show_failure("\x1b[2J")
    printed = capsys.readouterr()

    assert not {"\x1b", "\x07", "\x9b"} & set(printed.out + printed.err)


def test_json_knows_the_types_of_the_model(capsys):
    print_json({"consent": Consent("ads", "*", ConsentStatus.GIVEN, "e1", 1.5), "text": "\u00e9"})

    assert json.loads(capsys.readouterr().out) == {
        "consent": {"purpose": "ads", "recipient": "*", "status": "given", "event": "e1", "valid_until": 1.5},
        "text": "\u00e9",
    }


@pytest.mark.parametrize(("exit_code", "left"), [({}, 1), ({"exit_code": 2}, 2)])
def test_fail_ends_the_command(capsys, exit_code, left):
    with pytest.raises(click.exceptions.Exit) as caught:
        fail("it is broken", **exit_code)

    assert caught.value.exit_code == left
    assert capsys.readouterr() == ("", "error: it is broken\n")


def test_fail_with_diagnostics_for_people_and_programs(capsys):
    for as_json in (False, True):
        with pytest.raises(click.exceptions.Exit):
            fail([WARNING], as_json=as_json)

    printed = capsys.readouterr()
    assert printed.err == "a.yaml:1:2: warning PG900: odd\n"
    assert json.loads(printed.out)["diagnostics"][0]["code"] == "PG900"


def test_text_is_printed_as_it_is(capsys):
    console.print("[red]$.items[*].a[/red] 12 'x' :smile:")

    assert capsys.readouterr().out == "[red]$.items[*].a[/red] 12 'x' :smile:\n"


def test_exit_statuses():
    assert (output.FINE, output.COULD_NOT_RUN, output.FINDINGS) == (0, 1, 2)
