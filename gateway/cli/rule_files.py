"""Single rule files and case files from disk, for the commands that work on them."""

from pathlib import Path

from gateway.model.errors import ConfigError, Diagnostic, Severity


def read_one(path: Path) -> tuple[dict[str, str], list[Diagnostic]]:
    """The text of a single rule file, as `read_rules` gives it for a directory."""
    try:
        return {path.name: path.read_bytes().decode("utf-8")}, []
    except OSError as error:
        return {}, [Diagnostic(path.name, 1, 1, "PG901", Severity.ERROR, f"cannot read the file: {error.strerror}")]
    except UnicodeDecodeError as error:
        return {}, [
            Diagnostic(path.name, 1, 1, "PG902", Severity.ERROR, f"not UTF-8 at byte {error.start}", "save it as UTF-8")
        ]


def read_cases_files(directory: Path) -> dict[str, str]:
    """The text of every `*.cases.yaml` below the directory, by its name relative to it.

    Raises:
        ConfigError: a file cannot be read.
    """
    files: dict[str, str] = {}
    for path in sorted(directory.rglob("*.cases.yaml")):
        found, diagnostics = read_one(path)
        if diagnostics:
            raise ConfigError(diagnostics)
        files[path.relative_to(directory).as_posix()] = found[path.name]
    return files
