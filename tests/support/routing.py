"""Routes that say nothing but where they are, and which of them a router finds."""

from gateway.model.words import Mode, Part, Rest
from gateway.policy.policy import CALLER, DEFAULT_POSTURES, Place, Route, Section

SECTION = Section((), dict.fromkeys(Part, Rest.PASS))


def route(path, *methods, hosts=(), name=None):
    return Route(
        name=name or " ".join((*methods, *hosts, path)),
        hosts=tuple(hosts),
        methods=frozenset(methods),
        path=path,
        to="shop",
        caller=CALLER,
        mode=Mode.ENFORCE,
        subject=None,
        request=SECTION,
        response=SECTION,
        postures=DEFAULT_POSTURES,
        stream=frozenset(),
        record_always=False,
        body_limit=None,
        place=Place("rules.yaml", 1, 1),
    )


def found(router, path, method="GET", host="shop.example"):
    match = router.find(method, host, path)
    return match and match.route.name
