"""How commands are given a person: by the identifier that the applications know, looked up but never made."""

import sys
from pathlib import Path

import click

from gateway.crypto.keyring import is_subject_handle
from gateway.crypto.pseudonym import is_pseudonym
from gateway.runtime.erasure import open_subjects
from gateway.runtime.open_people import open_holders
from gateway.stores.keyfile import load_keyring
from gateway.stores.pseudonyms import PSEUDONYMS
from gateway.stores.subjects import SUBJECTS, Subject

WAIT = 10.0
"""Seconds to wait for another process's lock: nobody's request waits for a command."""
NOBODY = "s1."
"""A handle that no record holds, for a person of whom nothing is kept."""

SUBJECT = "The person's identifier, or - to read it from standard input."


def read_identifier(given: str) -> str:
    """The identifier itself, where it is not given but to be read.

    Raises:
        click.BadParameter: it is a handle, which leads back to nobody.
    """
    # Arguments show in the process list; standard input does not.
    identifier = sys.stdin.readline().rstrip("\r\n") if given == "-" else given
    if is_subject_handle(identifier.strip()):
        raise click.BadParameter(
            "a handle does not lead back to its person: give the identifier", param_hint="--subject"
        )
    return identifier


def find_subject(state: Path, identifier: str) -> Subject | None:
    """What is kept of a person, None where nothing is.

    Raises:
        click.BadParameter: the identifier names nobody.
        StoreDown: the store cannot be read.
    """
    keys = load_keyring(state)
    try:
        keys.subject_index(identifier)
    except ValueError as problem:
        raise click.BadParameter(str(problem), param_hint="--subject") from None
    if not (state / SUBJECTS).exists():
        return None
    store = open_subjects(state, keys, busy_timeout=WAIT)
    try:
        return store.find(identifier)
    finally:
        store.close()


def handle_of(state: Path, identifier: str) -> str | None:
    """The handle of a person, given by an identifier, or by a pseudonym that was given out; None where nothing is kept.

    Raises as `find_subject`.
    """
    subject = _holder(state, identifier) if is_pseudonym(identifier) else find_subject(state, identifier)
    return None if subject is None else subject.handle


def _holder(state: Path, pseudonym: str) -> Subject | None:
    if not (state / PSEUDONYMS).exists():
        return None
    keys = load_keyring(state)
    open_subjects(state, keys, busy_timeout=WAIT).close()
    holders = open_holders(state, keys, busy_timeout=WAIT)
    try:
        return holders.find([pseudonym]).get(pseudonym)
    finally:
        holders.close()
