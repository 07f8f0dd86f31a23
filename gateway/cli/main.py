"""`privacy-gateway VERB …`: the table of verbs, and the guard that turns failures into one clear line.

A verb's module is imported when the verb runs. Adding a verb means a file beside this one with a
click command named `command`, and a row in `VERBS`.
"""

import importlib
import os
import sys
from collections.abc import Mapping, Sequence
from typing import NoReturn

import click
import msgspec

from gateway import __version__
from gateway.model.errors import ConfigError, Fault, GatewayError, StoreDown

PROGRAM = "privacy-gateway"
COMPLETION_VARIABLE = "_PRIVACY_GATEWAY_COMPLETE"
COULD_NOT_RUN = 1
INTERRUPTED = 130  # 128 + SIGINT, as shells count


class Verb(msgspec.Struct, frozen=True):
    """Where a command lives (`module:attribute`) and what the overview says of it."""

    target: str
    help: str
    hidden: bool = False


VERBS: Mapping[str, Verb] = {
    "demo": Verb("gateway.cli.demo:command", "Run a sample shop behind the gateway and show what to try."),
    "serve": Verb("gateway.cli.serve:command", "Run the gateway in front of your applications."),
    "egress": Verb("gateway.cli.egress:command", "Run the gateway between your applications and their partners."),
    "worker": Verb("gateway.cli.worker:command", "One worker process; started by serve.", hidden=True),
    "egress-worker": Verb("gateway.cli.egress_worker:command", "One worker process; started by egress.", hidden=True),
    "check": Verb("gateway.cli.check:command", "Check rule files; say every mistake at once."),
    "test": Verb("gateway.cli.test:command", "Run the cases beside the rules and report rules no case reached."),
    "explain": Verb("gateway.cli.explain:command", "Say what the rules do to one request, and why."),
    "diff": Verb("gateway.cli.diff:command", "Show which fields change verdict between two sets of rules."),
    "consent": Verb("gateway.cli.consent:command", "Record and show what a person agreed to."),
    "keys": Verb("gateway.cli.keys:command", "Create the keys of a gateway."),
    "subject": Verb("gateway.cli.subject:command", "Show what is kept of one person, or erase it."),
    "disclosure": Verb("gateway.cli.disclosure:command", "Authorities' legal requests: register, approve, produce."),
    "audit": Verb("gateway.cli.audit:command", "Search, show, verify and export the ledger."),
    "completion": Verb("gateway.cli.main:completion", "Print the completion script for a shell."),
}


class LazyGroup(click.Group):
    """A group whose overview comes from the table, so that `--help` imports nothing."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        verb = VERBS.get(cmd_name)
        if verb is None:
            return None
        module, _, attribute = verb.target.partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command), verb.target
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, verb.help) for name, verb in VERBS.items() if not verb.hidden])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name=PROGRAM)
def root() -> None:
    """Makes a written privacy policy true on the wire.

    Exit status: 0 fine, 1 could not run, 2 findings.
    """


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script for SHELL.

    For bash, for example: privacy-gateway completion bash > ~/.local/share/bash-completion/completions/privacy-gateway
    """
    from click.shell_completion import get_completion_class

    complete = get_completion_class(shell)
    assert complete is not None
    click.echo(complete(root, {}, PROGRAM, COMPLETION_VARIABLE).source())


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command and leave the process with its exit status; failures we know print no traceback."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    sys.exit(_run(given))


def _run(arguments: list[str]) -> int:
    try:
        status = root.main(arguments, prog_name=PROGRAM, standalone_mode=False)
    except click.ClickException as problem:
        # click's own 2 would read as "findings".
        problem.show()
        return COULD_NOT_RUN
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except BrokenPipeError:
        _silence_stdout()
        return COULD_NOT_RUN
    except (GatewayError, OSError) as problem:
        return _report(problem, as_json="--json" in arguments)
    return status if isinstance(status, int) else 0


def _report(problem: GatewayError | OSError, *, as_json: bool) -> int:
    from gateway.cli.output import show_failure

    if isinstance(problem, ConfigError):
        show_failure(problem.diagnostics, as_json=as_json)
    elif isinstance(problem, StoreDown | Fault):
        show_failure(problem.why, as_json=as_json)
    elif isinstance(problem, OSError):
        subject = f"{problem.filename}: " if problem.filename is not None else ""
        show_failure(subject + (problem.strerror or type(problem).__name__), as_json=as_json)
    else:
        show_failure(str(problem), as_json=as_json)
    return COULD_NOT_RUN


def _silence_stdout() -> None:
    # The reader went away; the interpreter's last flush must not complain about it.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
