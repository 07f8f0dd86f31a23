"""Every diagnostic of the rule language: a code that never changes its meaning, and one line of help.

1xx: how the file is written. 2xx: what it refers to and whether that can exist. 3xx: fields.
4xx: routes and declarations. An ERROR means that the policy could not do what it says; a WARNING
that it does something an operator may not expect.
"""

from types import MappingProxyType

import msgspec

from gateway.model.errors import Severity


class Code(msgspec.Struct, frozen=True):
    code: str
    severity: Severity
    help: str


_ERRORS = {
    "PG101": "the file is not well-formed YAML",
    "PG102": "a key stands twice in one mapping",
    "PG103": "aliases, anchors, merge keys and tags are not part of the rule language",
    "PG104": "a mapping, a list or a single value is expected here",
    "PG105": "no such key",
    "PG106": "a key that has to be there is missing",
    "PG107": "not one of the words that are allowed here",
    "PG108": "the value is not written as this key needs it",
    "PG109": "the file says no version, or one that this gateway does not read",
    "PG110": "a name is declared twice, in one file or in two",
    "PG111": "part of the rule language, but not supported in this version",
    "PG112": "there is no route, so nothing could pass",
    "PG113": "the file is nested too deeply",
    "PG201": "a purpose that no file declares",
    "PG202": "a recipient that no file declares",
    "PG203": "a route leads to a recipient that has neither an upstream nor hosts",
    "PG204": "not a class of the data taxonomy",
    "PG205": "not an address",
    "PG206": "this kind of address does not exist in this direction",
    "PG207": "a header that HTTP itself owns cannot be a field",
    "PG208": "this action cannot be applied at this place",
    "PG209": "the path pattern has no segment of that name",
    "PG210": "the path pattern cannot be read",
    "PG211": "the host pattern cannot be read",
    "PG212": "the regular expression cannot be read",
    "PG213": "an enforced route does not say what becomes of responses",
    "PG214": "a posture does not allow this choice",
    "PG215": "this part does not exist in this direction",
    "PG219": "the signal of a person's wish always passes, so it cannot be a field",
    "PG230": "a route signs somebody in, and does not say whom",
    "PG231": "a route signs people in and out at once",
    "PG232": "`each` has to name the elements of one array",
    "PG233": "with `each`, the field has to name one value of an item",
    "PG234": "a field selects the list of `each` as a whole or by index",
    "PG235": "no field of the items of `each` is listed",
    "PG236": "items that flow cannot be looked up together, as `each` needs it",
    "PG240": "a host that two recipients claim",
    "PG241": "no call that goes out can reach the route by its host",
    "PG242": "calls that go out have nothing of people's own requests",
    "PG301": "a purpose needs consent, but the route does not say who the subject is",
    "PG302": "a body address on a route whose messages have no body",
    "PG303": "two fields of one section have the same address",
    "PG304": "an earlier field of the section already covers this address",
    "PG307": "the address of a subject must select one value",
    "PG401": "no request can reach the route",
    "PG403": "the regular expression cannot match any path segment",
    "PG440": "a TC string speaks of consent, but the purpose rests on another basis",
    "PG408": "legitimate interest is no legal basis in this jurisdiction",
    "PG450": "a recipient that pages embed has no hosts",
    "PG452": "pages would be dropped by what their route says of its rest",
}
_WARNINGS = {
    "PG305": "the field is dropped anyway, because `rest` drops what is not listed",
    "PG306": "one section addresses both JSON and form bodies; one message has only one of them",
    "PG308": "the recipient may not receive this class for this purpose, so `otherwise` always applies",
    "PG309": "a special category of data for a purpose whose basis is not explicit consent",
    "PG310": "`stream` names `items`, but bodies of this direction are read whole",
    "PG402": "some requests that the route matches are answered by another route",
    "PG404": "no field uses the purpose",
    "PG405": "no route uses the recipient",
    "PG406": "the contract with the recipient has ended",
    "PG407": "the contract with the recipient ends within 30 days",
    "PG409": "a sale or sharing of data cannot rest on this basis",
    "PG410": "a processor without a contract",
    "PG411": "no file names the controller, so a refusal cannot tell a person whom to ask",
    "PG412": "a scope of consent for a purpose that rests on another basis",
    "PG413": "a cookie of all routes needs consent, but no route says who the subject is",
    "PG441": "no file says where TC strings are read, so what is said about them never counts",
    "PG430": "a sign-in that failed may look like one that did not",
    "PG451": "what pages embed of a recipient is never seen as such",
    "PG460": "a recipient in another jurisdiction without a safeguard",
    "PG461": "calls go out to a recipient without a contract",
    "PG462": "calls go out, and nobody is named who gets the answers",
    "PG463": "what is not listed goes out to a recipient that may not receive everything",
    "PG431": "a field outside of the items of `each` needs consent, which nobody there can have given",
}

CODES = MappingProxyType(
    {code: Code(code, Severity.ERROR, text) for code, text in _ERRORS.items()}
    | {code: Code(code, Severity.WARNING, text) for code, text in _WARNINGS.items()}
)
