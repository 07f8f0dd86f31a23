"""The GPC support resource: what the site says about Global Privacy Control (W3C GPC, section 4)."""

import msgspec

from gateway.model.words import Direction, Mode
from gateway.policy.policy import Policy, Route

GPC_PATH = b"/.well-known/gpc.json"
"""Where it is served, as `application/json`, the same to everybody."""


def gpc_document(policy: Policy) -> bytes:
    """The document for `GPC_PATH`: whether the signal is obeyed, and since when it says so.

    `gpc` is true where each route with a field for a purpose of `sale_or_share` is enforced. Without
    such a purpose the rules let nothing be sold or shared, so there is nothing that could go against
    the signal. An observed route changes nothing, so it does not obey. `lastUpdate` is left out where
    the rules do not tell the day.
    """
    sales = {purpose.name for purpose in policy.purposes.values() if purpose.sale_or_share}
    obeys = not any(route.mode is Mode.OBSERVE and _sells(route, sales) for route in policy.routes)
    said: dict[str, bool | str] = {"gpc": obeys}
    if policy.signals.gpc_updated is not None:
        said["lastUpdate"] = policy.signals.gpc_updated
    return msgspec.json.encode(said)


def _sells(route: Route, sales: set[str]) -> bool:
    return any(rule.purpose in sales for direction in Direction for rule in route.section(direction).fields)
