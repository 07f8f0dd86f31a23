"""One HTTP request of an anchor: rare, bounded in time and size, TLS verified against the system's authorities."""

import aiohttp
import msgspec

from gateway.audit.anchors import AnchorFailed

LARGEST_ANSWER = 256 * 1024
SECONDS = 10.0


class Reply(msgspec.Struct, frozen=True):
    status: int
    body: bytes


async def post(url: str, body: bytes, content_type: str) -> Reply:
    """POST and read the answer; redirections are not followed.

    Raises:
        AnchorFailed: there was no whole answer in time.
    """
    timeout = aiohttp.ClientTimeout(total=SECONDS)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.post(url, data=body, headers={"Content-Type": content_type}, allow_redirects=False) as answer,
        ):
            received = bytearray()
            async for chunk in answer.content.iter_any():
                received += chunk
                if len(received) > LARGEST_ANSWER:
                    raise AnchorFailed("the answer is longer than any that is expected")
            return Reply(answer.status, bytes(received))
    except TimeoutError:
        raise AnchorFailed("no answer in time") from None
    except aiohttp.ClientError as error:
        raise AnchorFailed(f"no answer ({type(error).__name__})") from None
