"""Every refusal the gateway can give: one table, so that none is improvised.

The body is an RFC 9457 problem document. It never repeats anything of the message it answers.
"""

import msgspec

from gateway.documents.coding import SUPPORTED_CODINGS
from gateway.model.message import Refusal
from gateway.model.words import Posture, Reason


class Answer(msgspec.Struct, frozen=True):
    """`request` and `response` are the statuses on the way in and on the way back; `fields` are further headers."""

    request: int
    response: int
    title: str
    detail: str
    retry: bool = False
    fields: tuple[tuple[bytes, bytes], ...] = ()


_CONSENT = "The person concerned has not consented to the purpose that this message serves."

ANSWERS: dict[str, Answer] = {
    Posture.UNPARSABLE_BODY: Answer(400, 502, "Unreadable content", "The content cannot be read without doubt."),
    Posture.UNKNOWN_MEDIA_TYPE: Answer(415, 502, "Unknown media type", "No rule can read content of this type."),
    Posture.UNKNOWN_CONTENT_CODING: Answer(415, 502, "Unknown content coding", "Use gzip, deflate, br, zstd or none."),
    Posture.UNDECODABLE_CHARSET: Answer(415, 502, "Undecodable charset", "Send the content as UTF-8."),
    Posture.AMBIGUOUS_FRAMING: Answer(400, 502, "Ambiguous message", "The message can be read in more than one way."),
    Posture.DUPLICATE_KEY: Answer(400, 502, "Duplicate key", "The content names one member twice."),
    Posture.OVER_SIZE: Answer(413, 502, "Content too large", "The content is over a limit of this gateway."),
    Posture.TOO_DEEP: Answer(400, 502, "Content too deep", "The content is nested too deeply."),
    Posture.DECOMPRESSION_BOMB: Answer(
        413, 502, "Content expands too far", "The coded content expands over the limit."
    ),
    Posture.UNRESOLVED_SUBJECT: Answer(
        403, 403, "Person unknown", "Consent is needed and no person could be resolved."
    ),
    Posture.UNKNOWN_ROUTE: Answer(404, 404, "No route", "No rule covers this address."),
    Posture.UNKNOWN_RECIPIENT: Answer(403, 502, "Unknown recipient", "The recipient is not declared."),
    Posture.CONSENT_STORE_DOWN: Answer(503, 503, "Consent unavailable", "Consent cannot be looked up.", retry=True),
    Posture.KEY_PROVIDER_DOWN: Answer(503, 503, "Keys unavailable", "A key that is needed cannot be had.", retry=True),
    Posture.AUDIT_UNAVAILABLE: Answer(503, 503, "Records unavailable", "No record can be written.", retry=True),
    Reason.NO_CONSENT: Answer(451, 451, "No consent", _CONSENT),
    Reason.WITHDRAWN: Answer(451, 451, "Consent refused or withdrawn", _CONSENT),
    Reason.EXPIRED_CONSENT: Answer(451, 451, "Consent expired", _CONSENT),
    Reason.OBJECTED: Answer(451, 451, "Objection", "The person concerned objects to this purpose."),
    Reason.GPC: Answer(451, 451, "Opt-out signal", "The opt-out signal Sec-GPC covers this purpose."),
    Reason.RESTRICTED: Answer(451, 451, "Processing restricted", "Processing is restricted for this person."),
    Reason.NO_BASIS: Answer(403, 502, "No basis", "There is no lawful basis for this field."),
    Reason.LISTED: Answer(403, 502, "Blocked by rule", "A rule refuses messages that hold this field."),
    Reason.UNLISTED_FIELD: Answer(403, 502, "Unlisted field", "The message holds a field that no rule lists."),
    Reason.CONTRACT_EXPIRED: Answer(403, 502, "Contract expired", "The recipient's contract is not in force."),
    Reason.NOT_PERMITTED_FOR_RECIPIENT: Answer(403, 502, "Not permitted", "The recipient may not receive this field."),
    "bad_request": Answer(400, 502, "Bad request", "The message breaks the rules of HTTP."),
    "proxy_authentication_required": Answer(
        407,
        407,
        "Proxy authentication required",
        "The gateway does not know which application sends this.",
        fields=((b"proxy-authenticate", b'Basic realm="privacy-gateway", charset="UTF-8"'),),
    ),
    "host_unknown": Answer(421, 421, "Misdirected request", "This host is not served here."),
    "method_not_allowed": Answer(405, 405, "Method not allowed", "This gateway does not pass this method."),
    "request_timeout": Answer(408, 408, "Request timeout", "The request did not arrive in time."),
    "uri_too_long": Answer(414, 414, "Request line too long", "The request line is over the limit."),
    "headers_too_large": Answer(431, 502, "Header fields too large", "The header fields are over the limit."),
    "expectation_failed": Answer(417, 417, "Expectation failed", "Only 100-continue is understood."),
    "upgrade_refused": Answer(501, 502, "Upgrade refused", "This route does not pass an upgrade of the protocol."),
    "not_implemented": Answer(501, 501, "Not implemented", "The gateway does not support what the request asks for."),
    "version_unsupported": Answer(505, 502, "HTTP version not supported", "Use HTTP/1.1."),
    "overloaded": Answer(503, 503, "Overloaded", "The gateway is at its limit of work in progress.", retry=True),
    "too_many_connections": Answer(
        429, 429, "Too many connections", "Too many connections from one address.", retry=True
    ),
    "consent_changed": Answer(503, 503, "Consent changed", "Consent changed while the request waited.", retry=True),
    "draining": Answer(503, 503, "Shutting down", "The gateway is stopping.", retry=True),
    "loop_detected": Answer(508, 508, "Loop detected", "The request has passed this gateway before."),
    "tls_required": Answer(403, 403, "TLS required", "Partners on other machines are reached by https only."),
    "upstream_unreachable": Answer(502, 502, "Upstream unreachable", "The service cannot be reached.", retry=True),
    "upstream_timeout": Answer(504, 504, "Upstream timeout", "The service did not answer in time."),
    "upstream_broken": Answer(502, 502, "Upstream broken", "The service's answer breaks the rules of HTTP."),
    "upstream_tls": Answer(502, 502, "Upstream not trusted", "The service's certificate cannot be verified."),
    "upstream_overloaded": Answer(
        503, 503, "Upstream overloaded", "All connections to the service are busy.", retry=True
    ),
    "internal_error": Answer(500, 500, "Internal error", "The gateway failed and sent nothing on."),
}

_PROBLEM = (b"content-type", b"application/problem+json")
_NO_STORE = (b"cache-control", b"no-store")


def refusal(
    code: str,
    *,
    request_id: str = "",
    answers_response: bool = False,
    purpose: str = "",
    title: str = "",
    contact: str = "",
    where: str = "",
    retry_after: int = 1,
    close: bool = False,
    detail: str = "",
) -> Refusal:
    """Build the answer for `code`.

    `purpose`, `title` and `contact` come from the rule files and tell a person which consent is
    missing; `where` is the path at which it can be given. `request_id` finds the record of this refusal.
    `detail` is fixed text that says more than the code's own.
    """
    answer = ANSWERS[code]
    status = answer.response if answers_response else answer.request
    problem: dict[str, object] = {
        "code": str(code),
        "detail": detail or answer.detail,
        "status": status,
        "title": answer.title,
    }
    if request_id:
        problem["record"] = request_id
    if purpose:
        problem["consent"] = {"purpose": purpose, "title": title, "contact": contact} | (
            {"where": where} if where else {}
        )
    headers = [_PROBLEM, _NO_STORE, *answer.fields]
    if code == Posture.UNKNOWN_CONTENT_CODING and not answers_response:
        headers.append((b"accept-encoding", b", ".join(SUPPORTED_CODINGS)))
    if answer.retry:
        headers.append((b"retry-after", b"%d" % retry_after))
    return Refusal(status, str(code), tuple(headers), msgspec.json.encode(problem, order="sorted"), close)
