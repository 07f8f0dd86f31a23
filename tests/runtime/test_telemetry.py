import asyncio
import io
import logging
import sys
import threading
import warnings

import msgspec
import pytest

from gateway.model.errors import Diagnostic, Severity
from gateway.runtime.telemetry import ALLOWED, configure

PLANTED = "ada@example.org"


@pytest.fixture(autouse=True)
def restored_hooks():
    root = logging.getLogger()
    kept = (list(root.handlers), root.level, sys.excepthook, threading.excepthook, sys.unraisablehook)
    yield
    root.handlers, root.level = kept[0], kept[1]
    sys.excepthook, threading.excepthook, sys.unraisablehook = kept[2:]
    logging.captureWarnings(capture=False)


def lines(stream: io.StringIO) -> list[dict]:
    return [msgspec.json.decode(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_json_with_level_time_and_worker():
    stream = io.StringIO()
    configure("info", worker="w1", stream=stream).info("policy in force", policy="0123456789abcdef", routes=3)
    (line,) = lines(stream)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "policy in force",
        "level": "info",
        "worker": "w1",
        "policy": "0123456789abcdef",
        "routes": 3,
    }


@pytest.mark.parametrize("key", ["email", "body", "message", "error", "url", "target", "value", "exc_info", "path"])
def test_a_value_under_an_unknown_key_is_gone(key):
    stream = io.StringIO()
    configure(stream=stream).warning("refused", code="unknown_route", **{key: PLANTED})
    assert PLANTED not in stream.getvalue()
    (line,) = lines(stream)
    assert key not in line
    assert line["code"] == "unknown_route"


@pytest.mark.parametrize("key", sorted(set(ALLOWED) - {"event", "level"}))
def test_a_value_without_the_shape_of_its_key_is_withheld(key):
    stream = io.StringIO()
    configure(stream=stream).warning("refused", **{key: PLANTED})
    assert PLANTED not in stream.getvalue()
    assert lines(stream)[0][key] == "withheld"


def test_an_event_that_quotes_a_value_is_withheld():
    stream = io.StringIO()
    configure(stream=stream).error(f"cannot read {PLANTED}")
    assert PLANTED not in stream.getvalue()


def test_a_level_below_the_chosen_one_writes_nothing():
    stream = io.StringIO()
    logger = configure("warning", stream=stream)
    logger.info("policy in force")
    assert stream.getvalue() == ""
    logger.warning("policy refused")
    assert stream.getvalue() != ""


def test_a_diagnostic_is_written_with_its_place():
    stream = io.StringIO()
    diagnostic = Diagnostic("shop.yaml", 3, 7, "PG101", Severity.ERROR, "unknown key 'purpse'", "did you mean it")
    configure(stream=stream).error("policy refused", diagnostic=diagnostic)
    assert lines(stream)[0]["diagnostic"]["line"] == 3
    assert lines(stream)[0]["diagnostic"]["code"] == "PG101"


def test_records_of_libraries_lose_their_text_and_keep_their_exception_class():
    stream = io.StringIO()
    configure(stream=stream)
    try:
        int(PLANTED)
    except ValueError:
        logging.getLogger("aiohttp.server").exception("Error handling request %s", PLANTED)
    assert PLANTED not in stream.getvalue()
    (line,) = lines(stream)
    assert line["logger"] == "aiohttp.server"
    assert line["exception"] == "ValueError"
    assert line["where"].split(":")[0].endswith("test_telemetry.py")
    assert line["level"] == "error"


async def test_asyncio_reports_of_lost_exceptions_carry_no_text():
    stream = io.StringIO()
    configure(stream=stream)
    loop = asyncio.get_running_loop()
    loop.default_exception_handler({"message": f"lost {PLANTED}", "exception": KeyError(PLANTED)})
    assert PLANTED not in stream.getvalue()
    assert lines(stream)[0]["exception"] == "KeyError"


def test_uncaught_exceptions_and_warnings_carry_no_text():
    stream = io.StringIO()
    configure(stream=stream)
    error = RuntimeError(PLANTED)
    sys.excepthook(RuntimeError, error, None)
    thread = threading.Thread(target=lambda: [].__getitem__(PLANTED))
    thread.start()
    thread.join()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn(PLANTED, UserWarning, stacklevel=1)
    assert PLANTED not in stream.getvalue()
    assert [line.get("exception") for line in lines(stream)][:2] == ["RuntimeError", "TypeError"]
