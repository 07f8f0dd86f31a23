"""Bodies that are edited item by item as they flow: whether one may be, and the stream that does it."""

from gateway.documents.coding import codings_of
from gateway.documents.coding_stream import CodedStream
from gateway.documents.item_array import item_array_of
from gateway.documents.item_stream import ArrayStream, BodyStream, LineStream
from gateway.documents.media import Media, media_and_charset
from gateway.documents.multipart_stream import MultipartStream
from gateway.engine.pages import is_page, page_stream
from gateway.engine.plan import BODY_PLACES, Plan
from gateway.engine.reading import reads_before_sending, takes_parts
from gateway.model.errors import Unreadable
from gateway.model.limits import Limits
from gateway.model.message import HeaderPairs, RequestHead, header_values
from gateway.model.words import Direction, Mode, Posture, Reason, Rest
from gateway.policy.policy import Route

ITEMS = "items"


def takes_items(route: Route, direction: Direction, headers: HeaderPairs, limits: Limits) -> bool:
    """Whether the body is JSON or NDJSON that could be edited item by item.

    One that says that it is within the limit is read whole, as everywhere else; a coded one only
    where nothing that it may inflate to could be too large then.
    """
    if ITEMS not in route.stream or route.mode is Mode.OBSERVE or reads_before_sending(route, direction):
        return False
    if _media_of(headers) is None:
        return False
    limit = limits.body if route.body_limit is None else route.body_limit
    try:
        if codings_of(headers, limits.content_codings):
            limit = min(limit, limits.decoded_body // limits.expansion_ratio)
    except Unreadable:
        return False
    lengths = header_values(headers, b"content-length")
    return not (len(lengths) == 1 and lengths[0].isdigit() and int(lengths[0]) <= limit)


def may_flow(plan: Plan, headers: HeaderPairs) -> bool:
    """Whether nothing that the body holds can refuse it, and nothing in it has to be seen as a whole."""
    if plan.page is not None and is_page(headers):
        return plan.refused is None
    if takes_parts(plan.route, headers):
        return not plan.may_refuse
    return not _body_may_refuse(plan) and (_media_of(headers) is Media.NDJSON or item_array_of(plan.body) is not None)


def stream_of(plan: Plan, asked: RequestHead, headers: HeaderPairs, limits: Limits) -> BodyStream:
    """The stream for a body that `may_flow`; `asked` is the request, of which it is, or which it answers.

    Raises:
        Unreadable: its label does not say what it is.
    """
    page = plan.page if is_page(headers) else None
    stream = _plain_stream(plan, headers, limits) if page is None else page_stream(page, asked, headers, limits)
    codings = codings_of(headers, limits.content_codings)
    return CodedStream(stream, codings, limits) if codings else stream


def _plain_stream(plan: Plan, headers: HeaderPairs, limits: Limits) -> BodyStream:
    media, _ = media_and_charset(headers, b"")
    if media is Media.MULTIPART:
        return MultipartStream(headers, plan.body, limits)
    most = limits.body if plan.route.body_limit is None else plan.route.body_limit
    collapse = plan.route.postures[Posture.DUPLICATE_KEY] == "collapse"
    if media is Media.NDJSON:
        return LineStream(plan.body, limits, most, collapse_duplicates=collapse)
    array = item_array_of(plan.body)
    if media is not Media.JSON or array is None:
        raise Unreadable(Posture.UNPARSABLE_BODY, "the body cannot be edited as it flows")
    return ArrayStream(plan.body, array, limits, most, collapse_duplicates=collapse)


def _media_of(headers: HeaderPairs) -> Media | None:
    """JSON or NDJSON, where the label says so without doubt."""
    try:
        media, _ = media_and_charset(headers, b"")
    except Unreadable:
        return None
    return media if media in (Media.JSON, Media.NDJSON) else None


def _body_may_refuse(plan: Plan) -> bool:
    if plan.body.rest is Rest.BLOCK:
        return True
    fields = [index for index, each in enumerate(plan.verdicts) if each.rule.address.place in BODY_PLACES]
    if not set(plan.blocking).isdisjoint(fields):
        return True
    unresolved = plan.route.postures[Posture.UNRESOLVED_SUBJECT] == "block"
    return unresolved and any(plan.verdicts[index].reason is Reason.UNRESOLVED_SUBJECT for index in fields)
