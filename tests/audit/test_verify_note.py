"""Notes as C2SP defines them, and those of sealed segments."""

from base64 import b64encode

import pytest

from gateway.audit.verify_note import Malformed, read_notes


@pytest.mark.parametrize(
    "text",
    [
        "",
        "origin\n1\n",
        "origin\n01\nAAAA\n\n— n AAAAAAAA\n",
        "origin\n1\n" + "A" * 43 + "=\n\n",
        "origin\n1\n" + "A" * 43 + "=\nextension\n\n— n AAAAAAAA\n",
        "origin\n1\n" + "A" * 42 + "B=\n\n— n AAAAAAAA\n",
        "origin\n1\n" + "A" * 43 + "=\n\n— n AAAA\n",
        "origin\n1\n" + "A" * 43 + "=\n\n— n AAAAAAAA",
        "origin\n1\n" + "A" * 40 + "\n\n— n AAAAAAAA\n",
    ],
)
def test_notes_are_read_strictly(text):
    with pytest.raises(Malformed):
        read_notes(text)


def test_a_sealed_segment_and_its_note_belong_together(logs):
    logs.write(groups=2)
    path = logs.only_segment()
    note = path.with_suffix(".note")
    text = note.read_text(encoding="utf-8")
    for changed, verdict in (
        (text + f"— witness {b64encode(bytes(72)).decode()}\n", "VERIFIED"),
        (text + "something\n", "TAMPERED"),
        (text + "\n" + text, "TAMPERED"),
        ("", "TAMPERED"),
    ):
        note.write_text(changed, encoding="utf-8")
        assert logs.verdict() == verdict, changed
    note.unlink()
    assert logs.verdict() == "INCOMPLETE"
