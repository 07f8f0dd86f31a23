"""Rule files from disk to a policy, and the kept copies by which an auditor reads what was in force.

A directory is read whole and compiled whole; what is wrong comes back as diagnostics and the caller
keeps the policy it has. Each policy that ever was in force stays as `policies/<digest>.json` in the
state directory, and workers load that very file, so that all of them run the same text.
"""

import os
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from gateway.model.errors import ConfigError, Diagnostic, Severity, StoreDown
from gateway.model.words import Posture
from gateway.policy.compile import compile_policy, load_policy
from gateway.policy.policy import Policy

RULE_FILE_LIMIT = 16 * 1024 * 1024
"""Bytes of one rule file; what is longer is no file that a person wrote."""

Fingerprint = frozenset[tuple[str, int, int, int]]


class KeptPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The exact rule files behind a digest, by their name relative to the rules directory."""

    digest: str
    files: dict[str, str]
    version: int = 1


def today() -> str:
    """The date (UTC, ISO 8601) against which contracts are judged."""
    return datetime.now(UTC).date().isoformat()


def rule_paths(directory: Path) -> list[Path]:
    """All `*.yaml` below the directory but `*.cases.yaml`; hidden files and folders are not looked at.

    Raises:
        OSError: the directory cannot be listed.
    """
    found: list[Path] = []
    for folder, folders, names in os.walk(directory, onerror=_raise):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [
            Path(folder, name)
            for name in names
            if name.endswith(".yaml") and not name.endswith(".cases.yaml") and not name.startswith(".")
        ]
    return sorted(found)


def _raise(error: OSError) -> None:
    raise error


def read_rules(directory: Path) -> tuple[dict[str, str], list[Diagnostic]]:
    """The text of every rule file by its name relative to the directory, and what could not be read."""
    files: dict[str, str] = {}
    try:
        paths = rule_paths(directory)
    except OSError as error:
        return {}, [_error(str(directory), "PG901", f"cannot read the rules directory: {error.strerror}")]
    diagnostics: list[Diagnostic] = []
    for path in paths:
        name = path.relative_to(directory).as_posix()
        try:
            if path.stat().st_size > RULE_FILE_LIMIT:
                diagnostics.append(_error(name, "PG902", f"longer than {RULE_FILE_LIMIT} bytes"))
                continue
            files[name] = path.read_bytes().decode("utf-8")
        except OSError as error:
            diagnostics.append(_error(name, "PG901", f"cannot read the file: {error.strerror}"))
        except UnicodeDecodeError as error:
            diagnostics.append(_error(name, "PG902", f"not UTF-8 at byte {error.start}", "save the file as UTF-8"))
    if not paths:
        hint = "rule files end in .yaml; `serve --upstream URL` runs without any"
        diagnostics.append(_error(str(directory), "PG903", "no rule file in this directory", hint))
    return files, diagnostics


def _error(file: str, code: str, message: str, hint: str = "") -> Diagnostic:
    return Diagnostic(file, 1, 1, code, Severity.ERROR, message, hint)


def load_directory(directory: Path) -> tuple[Policy, list[Diagnostic]]:
    """Compile a rules directory; returns the policy and its warnings.

    Raises:
        ConfigError: with every diagnostic, of reading and of compiling.
    """
    files, unreadable = read_rules(directory)
    if unreadable:
        raise ConfigError(unreadable)
    policy, diagnostics = compile_policy(files, today=today())
    if policy is None:
        raise ConfigError(diagnostics)
    return policy, diagnostics


def keep_policy(state: Path, policy: Policy) -> Path:
    """Write the policy's rule files to `policies/<digest>.json`, readable by the owner only, once.

    Raises:
        StoreDown: the file cannot be written, or one of that digest holds other text.
    """
    folder = state / "policies"
    path = folder / f"{policy.digest}.json"
    content = msgspec.json.encode(KeptPolicy(policy.digest, dict(policy.files)), order="sorted") + b"\n"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            write_durably(path, content)
        if path.read_bytes() != content:
            raise StoreDown(Posture.AUDIT_UNAVAILABLE, "the kept copy of this policy was changed")
    except OSError as error:
        raise StoreDown(Posture.AUDIT_UNAVAILABLE, f"cannot keep the policy: {error.strerror}") from None
    return path


def write_durably(path: Path, content: bytes) -> None:
    """Put a file there that only its owner can read, whole or not at all. Raises OSError."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    draft.rename(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def load_kept(state: Path, digest: str, date: str) -> Policy:
    """Compile a kept policy again, as a worker does; `date` is the supervisor's `today()`.

    Raises:
        StoreDown: the file is missing, unreadable, or its text has another digest.
        ConfigError: the text no longer compiles.
    """
    path = state / "policies" / f"{digest}.json"
    try:
        kept = msgspec.json.decode(path.read_bytes(), type=KeptPolicy)
    except OSError as error:
        raise StoreDown(Posture.AUDIT_UNAVAILABLE, f"cannot read the kept policy: {error.strerror}") from None
    except msgspec.DecodeError:
        raise StoreDown(Posture.AUDIT_UNAVAILABLE, "the kept policy is not in its format") from None
    policy = load_policy(kept.files, today=date)
    if policy.digest != digest:
        raise StoreDown(Posture.AUDIT_UNAVAILABLE, "the kept copy of this policy was changed")
    return policy


def fingerprint(paths: Iterable[Path]) -> Fingerprint:
    """What changes when a file or a rules directory among `paths` changes: times, sizes and inodes.

    A path that cannot be read has no entry, so its coming and going are changes too.
    """
    seen: set[tuple[str, int, int, int]] = set()
    for path in paths:
        try:
            files = rule_paths(path) if path.is_dir() else [path]
        except OSError:
            continue
        for file in files:
            try:
                status = file.stat()
            except OSError:
                continue
            seen.add((str(file), status.st_mtime_ns, status.st_size, status.st_ino))
    return frozenset(seen)
