"""The purposes and recipients of every policy that was ever in force, from the copies in the state directory."""

from pathlib import Path

import msgspec
import yaml

from gateway.runtime.reload import KeptPolicy


def known_names(state: Path) -> tuple[set[str], set[str]] | None:
    """All purposes and recipients known so far; None where no gateway has run on this state yet."""
    purposes: set[str] = set()
    recipients: set[str] = set()
    paths = sorted((state / "policies").glob("*.json"))
    for path in paths:
        kept = msgspec.json.decode(path.read_bytes(), type=KeptPolicy)
        for text in kept.files.values():
            rules = yaml.safe_load(text)
            purposes.update(rules.get("purposes") or {})
            recipients.update(rules.get("recipients") or {})
    return (purposes, recipients) if paths else None


def spelling_warning(state: Path, purpose: str, recipient: str) -> str | None:
    """What to say of a purpose or recipient (`*`: any) that no policy has known; None where both are known."""
    known = known_names(state)
    if known is None:
        return None
    for kind, name, names in (("purpose", purpose, known[0]), ("recipient", recipient, known[1])):
        if name != "*" and not any(each == name or each.startswith(name + ".") for each in names):
            return f"no rules that were in force know a {kind} '{name}'; they know: {', '.join(sorted(names))}"
    return None
