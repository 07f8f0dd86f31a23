"""`privacy-gateway consent served`: record that a notice was shown to a person, apart from what they answered."""

import re
from hashlib import sha256
from pathlib import Path

import click

from gateway.cli.audit_options import FILE
from gateway.cli.consent_options import consent_store, person, plain
from gateway.cli.consent_text import notice_row
from gateway.cli.output import console, print_json
from gateway.stores.event import ServedNotice, new_event_id, now_microseconds

_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")
"""The shape of a tag of BCP 47."""
_DIGEST = re.compile(r"[0-9a-f]{64}")


@click.command("served")
@person
@click.option("--notice", required=True, callback=plain, help="Name of the notice.")
@click.option("--notice-version", required=True, callback=plain, help="Its version.")
@click.option("--language", required=True, help="Its language, as en or zh-Hans.")
@click.option("--file", type=FILE, help="The exact bytes that were shown; their SHA-256 is kept.")
@click.option("--digest", help="That SHA-256 in hex, instead of the file.")
@click.option("--method", default="command line", callback=plain, help="How it was shown, as 'letter'.")
def served_command(
    *,
    state: Path,
    subject: str,
    identifier: str,
    notice: str,
    notice_version: str,
    language: str,
    file: Path | None,
    digest: str | None,
    method: str,
    as_json: bool,
) -> None:
    """Record that this notice was shown to the person; a grant may cite it from then on."""
    del identifier
    if (file is None) == (digest is None):
        raise click.UsageError("give --file, or --digest")
    if not _LANGUAGE.fullmatch(language):
        raise click.BadParameter("write a language tag, as en or zh-Hans", param_hint="--language")
    found = sha256(file.read_bytes()).hexdigest() if file is not None else str(digest).lower()
    if not _DIGEST.fullmatch(found):
        raise click.BadParameter("a SHA-256 has 64 hexadecimal digits", param_hint="--digest")
    with consent_store(state) as store:
        last = store.served(subject)
        at = max([now_microseconds(), *(each.at + 1 for each in last[-1:])])
        served = ServedNotice(
            id=new_event_id(at),
            subject=subject,
            notice=notice,
            version=notice_version,
            digest=found,
            language=language,
            at=at,
            method=method,
        )
        store.serve(served)
    if as_json:
        print_json({"notice": notice_row(served)})
    else:
        console.print(f"served: {notice} {notice_version} ({language}) to {subject}", soft_wrap=True)
