"""Where calls that go out lead: hosts to recipients, and what holds for hosts that no recipient has."""

from gateway.model.words import UnknownDestinations
from gateway.policy import schema
from gateway.policy.declarations import Declarations
from gateway.policy.hosts import HostTable
from gateway.policy.policy import Egress, Policy, Recipient
from gateway.policy.reader import Reader
from gateway.policy.source import Node


def destinations(policy: Policy) -> HostTable[Recipient]:
    """Whose each host is, by the `hosts:` of recipients; made anew at each call, so keep it.

    Hosts are looked up in lower case, with the port where it is not its scheme's own.
    """
    return HostTable((host, recipient) for recipient in policy.recipients.values() for host in recipient.hosts)


def read_egress(reader: Reader, node: Node, into: Declarations) -> None:
    """The file key `egress:`; a policy has one."""
    if not into.claim(reader, "key", "egress", node):
        return
    keys = reader.keys(node, schema.EGRESS)
    unknown = reader.word(keys["unknown"], UnknownDestinations, "choice") if "unknown" in keys else None
    into.egress = Egress(unknown or UnknownDestinations.REFUSE)
