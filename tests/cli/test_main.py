import errno
import json
import subprocess
import sys

import click
import pytest

from gateway import __version__
from gateway.cli import main as module
from gateway.cli.main import VERBS, Verb, main
from gateway.model.errors import ConfigError, Diagnostic, Fault, Severity, Source, StoreDown
from gateway.model.words import Posture

DIAGNOSTIC = Diagnostic("rules/shop.yaml", 12, 7, "PG123", Severity.ERROR, "what is wrong", "do that")


@click.command()
@click.option("--json", "as_json", is_flag=True)
@click.argument("failure")
def command(as_json, failure):
    del as_json
    raise FAILURES[failure]


FAILURES = {
    "config": ConfigError([DIAGNOSTIC]),
    "store": StoreDown(Posture.CONSENT_STORE_DOWN, "the consent store cannot be read"),
    "fault": Fault("upstream_unreachable", Source.UPSTREAM, "nobody answers"),
    "file": FileNotFoundError(errno.ENOENT, "No such file or directory", "/etc/gateway.yaml"),
    "bare": OSError(),
    "usage": click.UsageError("that option is not known"),
    "abort": click.Abort(),
    "interrupt": KeyboardInterrupt(),
    "findings": click.exceptions.Exit(2),
    "fine": click.exceptions.Exit(0),
}


@pytest.fixture
def run(monkeypatch, capsys):
    monkeypatch.setitem(module.VERBS, "fail", Verb(f"{__name__}:command", "Fails as it is told."))

    def run(*arguments):
        with pytest.raises(SystemExit) as left:
            main(arguments)
        printed = capsys.readouterr()
        return left.value.code, printed.out, printed.err

    return run


@pytest.mark.parametrize(
    ("failure", "status", "message"),
    [
        ("config", 1, "rules/shop.yaml:12:7: error PG123: what is wrong\n  hint: do that\n"),
        ("store", 1, "error: the consent store cannot be read\n"),
        ("fault", 1, "error: nobody answers\n"),
        ("file", 1, "error: /etc/gateway.yaml: No such file or directory\n"),
        ("bare", 1, "error: OSError\n"),
        ("abort", 130, ""),
        ("interrupt", 130, "\n"),
        ("findings", 2, ""),
        ("fine", 0, ""),
    ],
)
def test_failures_become_one_clear_message_and_a_status(run, failure, status, message):
    assert run("fail", failure) == (status, "", message)


@pytest.mark.parametrize(
    ("failure", "printed"),
    [
        (
            "config",
            {
                "diagnostics": [
                    {
                        "file": "rules/shop.yaml",
                        "line": 12,
                        "column": 7,
                        "code": "PG123",
                        "severity": "error",
                        "message": "what is wrong",
                        "hint": "do that",
                    }
                ]
            },
        ),
        ("store", {"error": "the consent store cannot be read"}),
        ("file", {"error": "/etc/gateway.yaml: No such file or directory"}),
    ],
)
def test_programs_read_failures_on_stdout(run, failure, printed):
    status, out, err = run("fail", "--json", failure)

    assert (status, json.loads(out), err) == (1, printed, "")


@pytest.mark.parametrize(
    "arguments", [("nonsense",), ("fail", "usage"), ("fail",), ("--nonsense",), ("keys", "nonsense")]
)
def test_wrong_usage_is_not_mistaken_for_findings(run, arguments):
    status, out, err = run(*arguments)

    assert (status, out) == (1, "")
    assert "Error: " in err
    assert "Traceback" not in err


@pytest.mark.parametrize("status", [0, 1, 2])
def test_a_command_may_return_its_status(monkeypatch, status):
    returning = click.Command("returning", callback=lambda: status)
    monkeypatch.setattr(module, "returning", returning, raising=False)
    monkeypatch.setitem(module.VERBS, "returning", Verb("gateway.cli.main:returning", "Returns a number."))
    with pytest.raises(SystemExit) as left:
        main(["returning"])

    assert left.value.code == status


def test_an_error_nobody_foresaw_keeps_its_traceback(monkeypatch):
    @click.command()
    def broken():
        raise ZeroDivisionError

    monkeypatch.setattr(module, "broken", broken, raising=False)
    monkeypatch.setitem(module.VERBS, "broken", Verb("gateway.cli.main:broken", "A mistake of ours."))
    with pytest.raises(ZeroDivisionError):
        main(["broken"])


@pytest.mark.parametrize("arguments", [("--help",), ("-h",)])
def test_the_overview_names_every_verb_but_the_hidden_one(run, arguments):
    status, out, _ = run(*arguments)

    assert status == 0
    assert [name for name, verb in VERBS.items() if not verb.hidden and f"\n  {name} " not in out] == []
    assert "worker" not in out


def test_without_a_verb_the_overview_is_shown(run):
    _, out, err = run()

    assert "Commands:" in out + err


def test_the_overview_imports_no_command():
    script = "import sys\nfrom gateway.cli.main import main\ntry:\n main(['--help'])\nfinally:\n print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=30
    ).stdout

    assert {"gateway.cli.keys", "rich", "cryptography", "asyncio", "aiohttp"} & set(loaded.split()) == set()


def test_version(run):
    assert run("--version") == (0, f"privacy-gateway, version {__version__}\n", "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_ask_this_program(run, shell):
    status, out, _ = run("completion", shell)

    assert status == 0
    assert "_PRIVACY_GATEWAY_COMPLETE" in out
    assert "privacy-gateway" in out


def test_completion_offers_the_verbs(monkeypatch, capsys):
    monkeypatch.setenv("_PRIVACY_GATEWAY_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "privacy-gateway k")
    monkeypatch.setenv("COMP_CWORD", "1")
    with pytest.raises(SystemExit):
        main([])

    assert capsys.readouterr().out == "plain,keys\n"


def test_completion_knows_only_its_shells(run):
    assert run("completion", "tcsh")[0] == 1


def test_the_module_runs_as_a_program():
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "--version"], capture_output=True, text=True, check=False, timeout=30
    )

    assert (done.returncode, done.stdout) == (0, f"privacy-gateway, version {__version__}\n")


def test_a_reader_that_goes_away_is_no_traceback():
    process = subprocess.Popen(
        [sys.executable, "-c", "from gateway.cli.main import main; main(['completion', 'zsh'])"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    process.stdout.close()
    process.stdout = None
    _, printed = process.communicate(timeout=30)

    assert b"Traceback" not in printed
    assert process.returncode == 1
