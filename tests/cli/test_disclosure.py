"""`privacy-gateway disclosure authority` as operators use it, and every mistake that it names."""

import hashlib
import json
import re

import pytest
from legal import ANN, BOB, RULES, field, given, traffic
from receipts import decided

from gateway.cli.main import main
from gateway.stores.keyfile import create_keys

REGISTER = {
    "--authority": "police", "--instrument": "warrant", "--reference": "Gs 12/26", "--legal-basis": "StPO 94, 98",
    "--secret-until": "2027-03-31", "--what": "disclosures,consents", "--class": "contact", "--by": "ina",
}  # fmt: skip


@pytest.fixture
def state(tmp_path):
    path = tmp_path / "state"
    create_keys(path)
    decided(path)
    traffic(path, ANN, field("user.contact.email"), field("user.name"))
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "rules.yaml").write_text(RULES)
    return path


@pytest.fixture
def run(state, capsys):
    def run(verb, *arguments, status=0):
        rules = ["--rules", state.parent / "rules"] if verb in ("register", "produce") else []
        where = [] if verb == "check" else ["--state", state]
        with pytest.raises(SystemExit) as left:
            main([str(each) for each in ("disclosure", "authority", verb, *arguments, *where, *rules)])
        printed = capsys.readouterr()
        assert left.value.code == status, printed
        return printed

    return run


@pytest.fixture
def register(run):
    def register(*more, people=(ANN,), status=0, **changed):
        options = REGISTER | {"--" + name.replace("_", "-"): value for name, value in changed.items()}
        given = [word for option in options.items() if option[1] is not None for word in option]
        named = [word for person in people for word in ("--subject", person)]
        return run("register", *given, *named, *more, status=status)

    return register


@pytest.fixture
def request_id(register):
    return json.loads(register("--json").out)["id"]


def test_from_the_request_to_the_check(run, register, state, tmp_path, capsys):
    document = tmp_path / "order.pdf"
    document.write_bytes(b"Order about " + ANN.encode())
    printed = register("--document", document, "--due", "2026-12-31").out
    request = re.match(r"A-\d{4}-\w{6}", printed)[0]
    assert printed == f"{request}  registered  police, secret until 2027-04-01T00:00:00Z\n"

    assert "approved" in run("approve", request, "--by", "otto").out
    out = tmp_path / "out"
    printed = run("produce", request, "--output", out, "--by", "pia").out
    assert "1 person: consents 8, disclosures 1, notices 0" in printed
    assert [each["class"] for each in given(out)["records"][0]["record"]["fields"]] == ["user.contact.email"]

    with pytest.raises(SystemExit):
        main(["keys", "show", "--state", str(state)])
    (tmp_path / "keys").write_text(capsys.readouterr().out)
    assert run("check", out, "--trust", tmp_path / "keys").out.splitlines()[-1] == "VALID"

    policy = json.loads((out / "manifest.json").read_bytes())["policy"]
    assert (state / "policies" / f"{policy}.json").is_file()
    found = run("show", request).out
    for text in ("warrant Gs 12/26", hashlib.sha256(document.read_bytes()).hexdigest(), "user.contact", "otto", "pia"):
        assert text in found
    assert re.search(rf"{request} +produced +police", run("list").out)
    assert run("list", "--open").out == "no legal request is open\n"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"authority": "polcie"}, "no recipient 'polcie' with role authority; with that role: police, tax-office"),
        ({"authority": "shop"}, "not_an_authority: 'shop' has role controller and not authority"),
        ({"instrument": "letter"}, "'letter' is not one of"),
        ({"class": "contact.emial"}, "no class 'contact.emial' in the taxonomy: did you mean 'contact.email'?"),
        ({"what": "disclosures,everything"}, "no 'everything': choose from disclosures, consents, notices"),
        ({"class": None}, "--what disclosures needs --class"),
        ({"secret_until": None}, "Missing option '--secret-until'"),
        ({"secret_until": "soon"}, "write a date, a time such as 2027-03-31T18:00:00+01:00, or none or lifted"),
        ({"received": "24.11.2026"}, "write a date as 2026-11-23"),
        ({"received": "2026-11-24", "due": "2026-11-23"}, "--due is before --received"),
        ({"since": "2026-11-24", "until": "2026-11-24"}, "--until is not after --since"),
        ({"reference": f"about {ANN.upper()}"}, "the record names nobody: leave the identifier out"),
        ({"legal_basis": "x" * 201}, "1 to 200 printable characters"),
    ],
)  # fmt: skip
def test_mistakes_are_named(register, run, changed, said):
    printed = register(status=1, **changed)

    assert said in re.sub(r"\s+", " ", printed.out + printed.err)
    assert json.loads(run("list", "--json").out) == []


def test_people_who_cannot_be_meant(register, tmp_path):
    assert "names the people" in register(people=(), status=1).err
    assert "named twice" in register(people=(ANN, " Ann@Shop.Example"), status=1).err
    assert "names nobody" in register(people=(" ",), status=1).err
    handle = "s1." + "a" * 21 + "A"
    assert "does not lead back" in register(people=(handle,), status=1).err
    (tmp_path / "list").write_text(f"{ANN}\n{handle}\n")
    assert "does not lead back" in register("--subjects", tmp_path / "list", people=(), status=1).err


def test_many_people_from_a_file_keep_their_order(register, run, state, tmp_path):
    (tmp_path / "list").write_text(f"{BOB}\r\n\n{ANN}\n")
    request = json.loads(register("--subjects", tmp_path / "list", "--json", people=()).out)["id"]
    subjects = json.loads(run("show", request, "--json").out)["subjects"]
    run("approve", request, "--by", "otto")
    run("produce", request, "--output", tmp_path / "out")

    assert [each["place"] for each in subjects] == [1, 2]
    assert [path.name for path in sorted((tmp_path / "out").glob("person-*"))] == ["person-2.csv", "person-2.json"]
    assert given(tmp_path / "out", 2)["subjects"] == [subjects[1]["subject"]]


@pytest.mark.parametrize(
    ("given_end", "kept"),
    [
        ("2027-03-31", "2027-04-01T00:00:00.000000Z"),
        ("2027-03-31T18:00:00+01:00", "2027-03-31T17:00:00.000000Z"),
        ("lifted", "lifted"),
        ("none", "none"),
    ],
)
def test_a_day_is_secret_to_its_end(register, given_end, kept):
    assert json.loads(register("--json", secret_until=given_end).out)["secret_until"] == kept


def test_refusals_have_codes_for_programs(run, request_id, tmp_path):
    def refused(*arguments):
        return json.loads(run(*arguments, "--json", status=1).out)["code"]

    assert refused("produce", request_id, "--output", tmp_path / "out") == "not_approved"
    assert refused("approve", request_id, "--by", "INA") == "same_person"
    assert refused("approve", "A-2026-000000", "--by", "otto") == "unknown_request"
    run("approve", request_id, "--by", "otto")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("")
    assert refused("produce", request_id, "--output", tmp_path / "full") == "output_exists"
    run("lift-secrecy", request_id, "--reason", "over")
    assert refused("lift-secrecy", request_id, "--reason", "over") == "not_secret"


def test_an_authority_that_the_rules_no_longer_declare_gets_nothing(run, request_id, state, tmp_path):
    run("approve", request_id, "--by", "otto")
    (state.parent / "rules" / "rules.yaml").write_text(
        RULES.replace("  police: {role: authority", "  p: {role: partner")
    )

    assert "unknown_recipient" in run("produce", request_id, "--output", tmp_path / "out", status=1).err
    assert not (tmp_path / "out").exists()


def test_a_reason_is_needed_where_somebody_has_to_answer_for_it(run, request_id):
    for verb in ("reject", "lift-secrecy", "extend-secrecy"):
        assert "--reason" in run(verb, request_id, *(["--until", "lifted"] if "extend" in verb else []), status=1).err


def test_secrecy_is_extended_and_lifted(run, register, tmp_path):
    request = json.loads(register("--json", secret_until="none").out)["id"]
    run("approve", request, "--by", "otto")
    run("produce", request, "--output", tmp_path / "out")
    printed = run("extend-secrecy", request, "--until", "lifted", "--reason", "a new order")
    assert printed.out == f"{request}  secret until it is lifted\n"
    assert "may have seen" in printed.err
    assert run("lift-secrecy", request, "--reason", "over").out == f"{request}  not secret\n"
    statuses = [event["status"] for event in json.loads(run("show", request, "--json").out)["events"]]
    assert statuses[-2:] == ["secrecy_extended", "secrecy_lifted"]


def test_what_waits_for_too_long_is_marked(register, run):
    register(received="2026-01-01", due="2026-01-31")

    assert "2026-01-31 overdue" in run("list").out
    assert json.loads(run("list", "--json").out)[0]["overdue"] is True


def test_a_second_request_of_the_same_reference_is_noticed(register, request_id):
    assert request_id in register().err


def test_that_nothing_is_held_is_said_plainly(register, run, tmp_path):
    request = json.loads(register("--json", people=("nobody@known.example",)).out)["id"]
    run("approve", request, "--by", "otto")

    assert "nothing is held of them within the scope" in run("produce", request, "--output", tmp_path / "out").out


def test_an_empty_register_makes_no_store(run, state):
    assert run("list").out == "no legal request is in the register\n"
    assert not (state / "disclosures.sqlite").exists()


def test_a_changed_file_is_found_by_the_check(run, request_id, state, tmp_path, capsys):
    run("approve", request_id, "--by", "otto")
    run("produce", request_id, "--output", tmp_path / "out")
    with pytest.raises(SystemExit):
        main(["keys", "show", "--state", str(state)])
    (tmp_path / "keys").write_text(capsys.readouterr().out)
    (tmp_path / "out" / "person-1.csv").write_text("")
    printed = run("check", tmp_path / "out", "--trust", tmp_path / "keys", status=10)

    assert "person-1.csv: it was changed" in printed.out
    assert "public keys" in run("check", tmp_path / "out", status=20).err


def test_p6_no_command_prints_or_keeps_the_identifier(register, run, state, tmp_path):
    printed = register().out
    request = printed.split()[0]
    for words in (["approve", request, "--by", "otto"], ["produce", request, "--output", tmp_path / "out"],
                  ["show", request], ["list"]):  # fmt: skip
        said = run(*words)
        printed += said.out + said.err
    kept = [path for path in (*state.rglob("*"), *(tmp_path / "out").iterdir()) if path.is_file()]

    assert ANN not in printed
    assert [path for path in kept if ANN.encode() in path.read_bytes()] == []


def erase(state, capsys, *more, status):
    with pytest.raises(SystemExit) as left:
        main(["subject", "erase", "--state", str(state), "--subject", ANN, *more])
    printed = capsys.readouterr()
    assert left.value.code == status, printed
    return printed


def test_whom_an_open_request_names_is_erased_only_with_a_reason(request_id, run, state, capsys):
    printed = erase(state, capsys, status=1)
    assert f"legal_hold: not erased: an open legal request names this person ({request_id})" in printed.err
    assert json.loads(erase(state, capsys, "--json", status=1).out)["code"] == "legal_hold"
    assert "names nobody" in erase(state, capsys, "--despite-hold", f"for {ANN}", status=1).err
    erase(state, capsys, "--despite-hold", "a court ordered it", status=0)
    found = run("show", request_id).out
    assert "hold_overridden" in found
    assert "1, 1 of them erased since" in found


def test_an_older_copy_of_the_register_brings_nobody_back(request_id, run, state, tmp_path, capsys):
    run("approve", request_id, "--by", "otto")
    copy = (state / "disclosures.sqlite").read_bytes()
    erase(state, capsys, "--despite-hold", "a court ordered it", status=0)
    (state / "disclosures.sqlite").write_bytes(copy)
    printed = run("produce", request_id, "--output", tmp_path / "out").out

    assert "1 of them erased" in printed
    assert not list((tmp_path / "out").glob("person-*"))
