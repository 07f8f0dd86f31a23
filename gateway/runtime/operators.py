"""The log of what commands do, as commands and workers open it: named and signed like the deployment's other logs."""

from pathlib import Path

from gateway.audit.operator_log import OPERATOR, OperatorLog
from gateway.stores.keyfile import KEYS, load_signing_key, next_signing_key

AUDIT = "audit"
_FIRST_WORKER = "w0"


def operator_log(state: Path) -> OperatorLog:
    """The operators' log of a state directory; its key is made on first use, and named after the first worker's.

    Raises:
        StoreDown: KEY_PROVIDER_DOWN, as `load_signing_key`.
    """
    name = None
    if (state / KEYS / f"{_FIRST_WORKER}.log.key").exists():
        deployment, slash, slot = load_signing_key(state, _FIRST_WORKER).name.rpartition("/")
        if slot == _FIRST_WORKER:
            name = deployment + slash + OPERATOR
    signer = load_signing_key(state, OPERATOR, name=name)
    return OperatorLog(state / AUDIT, signer, next_signing_key(state, OPERATOR))
