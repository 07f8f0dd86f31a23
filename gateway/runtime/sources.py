"""Settings and rules on disk, read again while the gateway runs."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from gateway.model.errors import ConfigError, Diagnostic, Severity
from gateway.policy.policy import Policy
from gateway.runtime.reload import Fingerprint, fingerprint, load_directory
from gateway.runtime.settings import Settings
from gateway.runtime.settings_egress import ingress_view
from gateway.runtime.settings_file import check_policy, load_settings

FIXED = ("admin", "state", "deployment", "anchors", "heads_seconds")
"""Keys of the settings that cannot change before a restart."""


View: TypeAlias = Callable[[Settings], Settings]
"""Makes of a whole deployment what one kind of worker needs of it; raises ConfigError where that is missing."""


class Sources:
    """Where settings and rules come from; without a settings file the settings stay as they are.

    `view` takes from the settings of a file those of the process that reads them.
    """

    def __init__(self, settings_file: Path | None, view: View = ingress_view) -> None:
        self._file = settings_file
        self._view = view

    def read(self, settings: Settings, policy: Policy) -> tuple[Settings, Policy, list[Diagnostic]]:
        """What is on disk now in place of the settings and policy that are in force, with its warnings.

        Raises:
            ConfigError: with every diagnostic; also where a key changed that cannot.
        """
        warnings: list[Diagnostic] = []
        whole = settings
        if self._file is not None:
            whole, warnings = load_settings(self._file)
            found = self._view(whole)
            self._refuse_fixed(settings, found)
            settings = found
        if settings.rules is not None:
            policy, more = load_directory(Path(settings.rules))
            warnings = [*warnings, *more]
            contradictions = check_policy(whole, policy, str(self._file))
            if contradictions:
                raise ConfigError([*warnings, *contradictions])
        return settings, policy, warnings

    def _refuse_fixed(self, before: Settings, after: Settings) -> None:
        changed = [name for name in FIXED if getattr(before, name) != getattr(after, name)]
        if changed:
            message = "'{}' cannot change while the gateway runs"
            place, hint = (str(self._file), 1, 1, "PG917", Severity.ERROR), "restart the gateway"
            raise ConfigError([Diagnostic(*place, message.format(name), hint) for name in changed])

    def fingerprint(self, settings: Settings) -> Fingerprint:
        """Of everything whose change asks for a reload."""
        paths = [*settings.certificate_paths(), *settings.authority_paths()]
        if settings.rules is not None:
            paths.append(Path(settings.rules))
        if self._file is not None:
            paths.append(self._file)
        return fingerprint(paths)
