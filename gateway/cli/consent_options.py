"""Options that several `consent` commands share, and the handle of the person that they are about."""

import functools
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from gateway.cli.audit_options import AS_JSON, STATE, Decorator
from gateway.cli.subject_options import SUBJECT, WAIT, read_identifier
from gateway.runtime.erasure import open_subjects
from gateway.stores.consent import CONSENTS, SqliteConsentStore
from gateway.stores.event import ANY_RECIPIENT
from gateway.stores.keyfile import load_keyring

NAME = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*")
ALL = "*"
"""All purposes: something that can be refused, but not agreed to."""
LONGEST_TEXT = 200
"""Characters of a text that goes into a record as it is given."""


def is_plain(text: str) -> bool:
    """Whether a text may go into a record: not empty, not long, and nothing that a terminal would act on."""
    return 0 < len(text) <= LONGEST_TEXT and text.isprintable()


def _name(context: click.Context, parameter: click.Parameter, value: str) -> str:
    del context
    if value != ALL and not NAME.fullmatch(value):
        raise click.BadParameter("a name has letters, digits, '_', '-' and '.'", param=parameter)
    return value


def plain(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """Callback of an option whose text goes into the record."""
    del context
    if value is not None and not is_plain(value):
        raise click.BadParameter(f"1 to {LONGEST_TEXT} printable characters", param=parameter)
    return value


PURPOSE: Decorator = click.option("--purpose", required=True, callback=_name, help="Purpose, as the rules name it.")
RECIPIENT: Decorator = click.option(
    "--recipient",
    default=ANY_RECIPIENT,
    callback=_name,
    help="Recipient, as the rules name it; without it, any.",
)


def person(function: Callable[..., None]) -> Callable[..., None]:
    """Give the command `--state`, `--subject` and `--json`; it is called with the handle and the identifier.

    What they decide is kept, so whoever has no key gets one.
    """

    @functools.wraps(function)
    def wrapped(state: Path, subject: str, **others: Any) -> None:
        identifier = read_identifier(subject)
        store = open_subjects(state, load_keyring(state), busy_timeout=WAIT)
        try:
            handle = store.handle(identifier)
        except ValueError as problem:
            raise click.BadParameter(str(problem), param_hint="--subject") from None
        finally:
            store.close()
        function(state=state, subject=handle, identifier=identifier, **others)

    return STATE(click.option("--subject", required=True, help=SUBJECT)(AS_JSON(wrapped)))


def decision(function: Callable[..., None]) -> Callable[..., None]:
    """The options of `person`, and `--purpose` and `--recipient`."""
    return PURPOSE(RECIPIENT(person(function)))


@contextmanager
def consent_store(state: Path) -> Iterator[SqliteConsentStore]:
    """The consent store of a state directory, for one command. Raises StoreDown."""
    store = SqliteConsentStore(state / CONSENTS, busy_timeout=WAIT)
    try:
        yield store
    finally:
        store.close()
