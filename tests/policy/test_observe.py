import pytest

from gateway.model.words import Mode, Part, Posture, Rest
from gateway.policy.observe import OBSERVED, observe_policy


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS", "X"])
@pytest.mark.parametrize("path", [b"/", b"/a/b/c", b"*", b"/a/../b", b"//x", b"/%zz;a=1\\"])
def test_every_request_is_observed(method, path):
    policy = observe_policy("http://127.0.0.1:8000")

    assert policy.router.find(method, "any.example:81", path).route is policy.routes[0]


def test_nothing_is_listed_and_nothing_is_enforced():
    policy = observe_policy("http://127.0.0.1:8000")
    route = policy.routes[0]

    assert route.mode is Mode.OBSERVE
    assert route.request.rest == route.response.rest == dict.fromkeys(Part, Rest.DROP)
    assert route.request.fields == route.response.fields == ()
    assert policy.recipients[OBSERVED].upstream == "http://127.0.0.1:8000"
    assert route.stream == {"websocket", "event_stream"}
    assert set(route.postures) == set(Posture)


def test_the_digest_depends_on_the_upstream():
    one, two = observe_policy("http://127.0.0.1:1"), observe_policy("http://127.0.0.1:2")

    assert len(one.digest) == 16
    assert one.digest != two.digest
    assert one.digest == observe_policy("http://127.0.0.1:1").digest
