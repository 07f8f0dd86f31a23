"""The gateway's rules for the bench: the same three fields dropped from the same answers."""

from collections.abc import Sequence
from pathlib import Path

import bodies

CLASSES = {"email": "contact.email", "phone": "contact.phone_number", "birth_date": "demographic.date_of_birth"}
_OTHER = "contact"
PERSON = "X-Person"

_HEAD = """\
version: 1
controller: {{name: Bench, contact: privacy@bench.example, jurisdiction: EU}}
purposes:
  service: {{basis: contract, title: Measure}}
{purposes}recipients:
  files: {{role: controller, upstream: "http://127.0.0.1:{port}"}}
routes:
"""

_OFFERS = "  offers: {basis: consent, title: Measure consent}\n"

_WHOLE = """\
  - name: whole{number}
    match: {{path: {path}}}
    to: files
    request: {{rest: pass}}
    response: {{rest: pass}}
"""

_ROUTE = """\
  - name: {name}
    match: {{path: "{path}"}}
    to: files
{subject}    request: {{rest: pass}}
    response:
      fields:
{fields}
      rest: pass
"""

_SUBJECT = f"    subject: {{field: 'header:{PERSON}'}}\n"


def write_rules(
    directory: Path,
    *,
    upstream_port: int,
    routes: int = 0,
    strip: Sequence[str] = bodies.STRIPPED,
    by_consent: bool = False,
    whole: Sequence[str] = ("/blob.bin",),
) -> None:
    """One route for the documents and `routes` more, all of which drop the fields `strip`; `whole` are not read.

    With `by_consent` the first of them passes instead if the person named in the header agreed.
    """
    directory.mkdir(parents=True)
    lines = [f"        $.{name}: {{is: {CLASSES.get(name, _OTHER)}, for: service, as: drop}}" for name in strip]
    if by_consent:
        lines[0] = f"        $.{strip[0]}: {{is: {CLASSES.get(strip[0], _OTHER)}, for: offers, otherwise: drop}}"
    subject, fields = _SUBJECT if by_consent else "", "\n".join(lines)
    text = [_HEAD.format(port=upstream_port, purposes=_OFFERS if by_consent else "")]
    text += [_WHOLE.format(number=number, path=path) for number, path in enumerate(whole)]
    text += [_ROUTE.format(name="documents", path="/{file}", fields=fields, subject=subject)]
    text += [_ROUTE.format(name=f"r{n}", path=path_of(n), fields=fields, subject=subject) for n in range(routes)]
    (directory / "bench.yaml").write_text("".join(text))


def path_of(route: int) -> str:
    return f"/routes/s{route % 97}/r{route}"


def write_wrk_script(file: Path, routes: int) -> None:
    """A wrk script that asks for all routes in turn, in an order without neighbours."""
    step = next(number for number in (7919, 7, 1) if routes % number)
    file.write_text(
        "local n = 0\n"
        f"request = function()\n  n = (n + {step}) % {routes}\n"
        '  return wrk.format("GET", "/routes/s" .. (n % 97) .. "/r" .. n)\nend\n'
    )
