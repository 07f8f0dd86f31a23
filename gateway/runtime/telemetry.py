"""Operational logs: JSON lines on standard error in which no value of a message can stand (promise P6).

Two gates keep them free of personal data. A key that `ALLOWED` does not name is dropped, and a
value that does not have the shape of its key is replaced by `withheld`. Records of other libraries
through `logging` keep only their logger's name, their level, and the class and place of an exception:
their texts quote what clients sent.
"""

import logging
import os
import re
import sys
import threading
import traceback
from collections.abc import MutableMapping
from types import TracebackType
from typing import Any, TextIO

import msgspec
import structlog

from gateway.model.errors import Diagnostic, GatewayError

_WORDS = re.compile(r"[a-z][a-z0-9_ ]{0,79}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,99}")
_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,64}")
_PLACE = re.compile(r"[\w./<>-]{1,200}:\d+")
_ADDRESS = re.compile(r"(?:unix:)?[\w./:\[\]-]{1,200}")
_NUMBER = object()
_DIAGNOSTIC = object()
_CAUSE = object()

ALLOWED: dict[str, Any] = {
    "event": _WORDS,
    "level": _WORDS,
    "code": _TOKEN,
    "source": _WORDS,
    "posture": _WORDS,
    "kind": _WORDS,
    "state": _WORDS,
    "signal": _NAME,
    "route": _NAME,
    "recipient": _NAME,
    "logger": _NAME,
    "exception": _NAME,
    "worker": _NAME,
    "policy": _TOKEN,
    "request": _TOKEN,
    "where": _PLACE,
    "address": _ADDRESS,
    "anchor": _ADDRESS,
    "count": _NUMBER,
    "days": _NUMBER,
    "status": _NUMBER,
    "seconds": _NUMBER,
    "process": _NUMBER,
    "workers": _NUMBER,
    "routes": _NUMBER,
    "exit_status": _NUMBER,
    "diagnostic": _DIAGNOSTIC,
    "cause": _CAUSE,
}
"""Every key that a log line may have, with the shape of its value."""

WITHHELD = "withheld"
_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


def configure(level: str = "info", *, worker: str = "", stream: TextIO | None = None) -> Any:
    """Set up logging for this process and return its logger (structlog's, bound to the worker's name).

    `level` is one of debug, info, warning, error. Replaces whatever handlers the root logger had,
    and the hooks that print uncaught exceptions.
    """
    output = stream if stream is not None else sys.stderr
    logger = structlog.wrap_logger(
        structlog.WriteLogger(output),
        processors=[
            structlog.processors.add_log_level,
            only_allowed,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _to_json,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        cache_logger_on_first_use=True,
    )
    if worker:
        logger = logger.bind(worker=worker)
    _replace_root_handlers(logger)
    _replace_hooks(logger)
    return logger


def only_allowed(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Processor: drop unknown keys, withhold values that lack the shape of their key."""
    kept: dict[str, Any] = {}
    for key, value in event.items():
        shape = ALLOWED.get(key)
        if shape is None:
            continue
        if shape is _DIAGNOSTIC:
            kept[key] = _diagnostic(value)
        elif shape is _CAUSE:
            kept[key] = _cause(value)
        else:
            kept[key] = value if _has_shape(value, shape) else WITHHELD
    return kept


def _has_shape(value: object, shape: Any) -> bool:
    if shape is _NUMBER:
        return isinstance(value, int | float)
    return isinstance(value, str) and shape.fullmatch(value) is not None


def _diagnostic(value: object) -> object:
    """Diagnostics quote rule files, which hold no personal data; anything else is withheld."""
    return msgspec.to_builtins(value) if isinstance(value, Diagnostic) else WITHHELD


def _cause(value: object) -> str:
    """Our own exceptions and the system's error names hold no value of a message; of others only the class."""
    if isinstance(value, GatewayError):
        return str(value)
    if isinstance(value, OSError) and value.errno is not None:
        return os.strerror(value.errno)
    return type(value).__name__ if isinstance(value, BaseException) else WITHHELD


def _to_json(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> str:
    return msgspec.json.encode(event, order="sorted").decode()


class _PayloadFree(logging.Handler):
    """Carries records of other libraries over, without their text and arguments."""

    def __init__(self, logger: Any) -> None:
        super().__init__()
        self._logger = logger

    def emit(self, record: logging.LogRecord) -> None:
        _report(self._logger, "library message", record.levelno, record.name, record.exc_info)


_ExceptionInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None] | None


def _report(logger: Any, event: str, level: int, name: str, error: _ExceptionInfo) -> None:
    fields: dict[str, str] = {"logger": name}
    if error is not None and error[1] is not None:
        fields["exception"] = type(error[1]).__name__
        fields["where"] = _where(error[1].__traceback__)
    method = "error" if level >= logging.ERROR else "warning" if level >= logging.WARNING else "debug"
    getattr(logger, method)(event, **fields)


def _where(trace: TracebackType | None) -> str:
    frames = traceback.extract_tb(trace)
    if not frames:
        return "unknown:0"
    return f"{'/'.join(frames[-1].filename.split('/')[-3:])}:{frames[-1].lineno or 0}"


def _replace_root_handlers(logger: Any) -> None:
    root = logging.getLogger()
    for handler in list(root.handlers):
        root.removeHandler(handler)
    root.addHandler(_PayloadFree(logger))
    root.setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)


def _replace_hooks(logger: Any) -> None:
    def uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if not issubclass(kind, KeyboardInterrupt):
            _report(logger, "uncaught exception", logging.ERROR, "python", (kind, error, trace))

    def in_thread(arguments: threading.ExceptHookArgs) -> None:
        if arguments.exc_value is not None:
            uncaught(arguments.exc_type, arguments.exc_value, arguments.exc_traceback)

    def unraisable(arguments: "sys.UnraisableHookArgs") -> None:
        if arguments.exc_value is not None:
            uncaught(arguments.exc_type, arguments.exc_value, arguments.exc_traceback)

    sys.excepthook = uncaught
    threading.excepthook = in_thread
    sys.unraisablehook = unraisable
