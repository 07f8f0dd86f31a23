"""The field that tells a client where the record of an answer stands."""

from base64 import b64encode

from gateway.audit.ledger import Ledger
from gateway.engine.entity import RECEIPT_FIELD


def receipt_line(ledger: Ledger, index: int) -> bytes:
    """Origin, index and leaf hash of a record as a whole field line; empty where the ledger knows them no more."""
    leaf = ledger.leaf(index)
    if leaf is None:
        return b""
    return b"%b: %b:%d:%b\r\n" % (RECEIPT_FIELD, ledger.origin.encode(), index, b64encode(leaf))
