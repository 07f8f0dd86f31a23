import base64
import pickle
import shutil
import subprocess

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from gateway.crypto.sign import SigningKey, VerifyKey, parse_signing_key, parse_vkey, verify_signature

# The example of Go's golang.org/x/mod/sumdb/note package.
VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
SKEY = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
BODY = b"If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
SIGNATURE = base64.b64decode(
    "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
)


def test_the_known_note_verifies():
    assert verify_signature(VKEY, BODY, SIGNATURE)


def test_the_known_note_is_signed_byte_for_byte():
    key = parse_signing_key(SKEY)

    assert (key.vkey, key.key_id.hex(), key.sign(BODY)) == (VKEY, "c74f20a3", SIGNATURE)
    assert key.private_text() == SKEY


@pytest.mark.parametrize(
    ("body", "signature"),
    [
        (BODY[:-1], SIGNATURE),
        (BODY + b"\n", SIGNATURE),
        (BODY, SIGNATURE[:-1] + b"\x00"),
        (BODY, b"\x00" + SIGNATURE[1:]),
        (BODY, SIGNATURE[4:]),
        (BODY, SIGNATURE + b"\x00"),
        (BODY, b""),
    ],
)
def test_anything_else_does_not(body, signature):
    assert not verify_signature(VKEY, body, signature)


@given(st.binary(min_size=32, max_size=32), st.from_regex(r"[^\s+]{1,40}", fullmatch=True), st.binary(max_size=200))
def test_what_is_signed_verifies_under_the_text_of_its_key(seed, name, body):
    key = SigningKey(name, seed)
    signature = key.sign(body + b"\n")

    assert len(signature) == 68
    assert verify_signature(key.vkey, body + b"\n", signature)
    assert parse_vkey(key.vkey).name == name
    assert parse_signing_key(key.private_text()).vkey == key.vkey


def test_the_name_is_part_of_the_id():
    assert SigningKey("one", bytes(32)).key_id != SigningKey("other", bytes(32)).key_id


def test_a_note_without_a_final_line_feed_is_not_signed():
    with pytest.raises(ValueError, match="line feed"):
        SigningKey("log", bytes(32)).sign(b"body")


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\n", "a\u00a0b"])
def test_names_that_a_note_cannot_carry(name):
    with pytest.raises(ValueError, match="name of a note key"):
        SigningKey(name, bytes(32))


@pytest.mark.parametrize("size", [0, 31, 33, 64])
def test_seeds_of_another_length(size):
    with pytest.raises(ValueError, match="32 bytes"):
        SigningKey("log", bytes(size))


def test_the_public_half_has_a_length_too():
    with pytest.raises(ValueError, match="32 bytes"):
        VerifyKey("log", bytes(31))


NAME, ID, KEY = VKEY.split("+", 2)


@pytest.mark.parametrize(
    "text",
    [
        "",
        NAME,
        f"{NAME}+{ID}",
        f"{NAME}+{ID.upper()}+{KEY}",
        f"{NAME}+00000000+{KEY}",
        f"Other+{ID}+{KEY}",
        f"+{ID}+{KEY}",
        f"{NAME}+{ID}+{KEY[:-4]}",
        f"{NAME}+{ID}+{KEY}AAAA",
        f"{NAME}+{ID}+{KEY}\n",
        f"{NAME}+{ID}+!{KEY[1:]}",
        f"{NAME}+{ID}+BA{KEY[2:]}",
        f"{NAME}+{ID}+",
    ],
)
def test_malformed_keys_are_refused(text):
    with pytest.raises(ValueError, match="key"):
        parse_vkey(text)
    with pytest.raises(ValueError, match="key"):
        parse_signing_key("PRIVATE+KEY+" + text)
    with pytest.raises(ValueError, match="key"):
        verify_signature(text, BODY, SIGNATURE)


def test_a_verifier_key_is_no_signing_key():
    with pytest.raises(ValueError, match="PRIVATE"):
        parse_signing_key(VKEY)


def test_secrets_do_not_print_or_pickle():
    key = parse_signing_key(SKEY)

    assert repr(key) == f"SigningKey({VKEY})"
    assert repr(parse_vkey(VKEY)) == f"VerifyKey({VKEY})"
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(key)


@pytest.mark.parametrize("text", [SKEY[:-2] + "!!", SKEY[:-1], SKEY.replace("c74f20a3", "c74f20a4")])
def test_errors_do_not_repeat_the_secret(text):
    with pytest.raises(ValueError) as caught:
        parse_signing_key(text)

    assert "KFALVFGyNh" not in str(caught.value)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_openssl_agrees(tmp_path):
    key = SigningKey("privacy-gateway/host/w0", bytes(range(32)))
    body = b"privacy-gateway/host/w0\n3\nAAAA\n"
    public = Ed25519PublicKey.from_public_bytes(base64.b64decode(key.vkey.split("+", 2)[2])[1:])
    (tmp_path / "pub.pem").write_bytes(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    (tmp_path / "body").write_bytes(body)
    (tmp_path / "sig").write_bytes(key.sign(body)[4:])

    done = subprocess.run(
        ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", "pub.pem", "-rawin", "-in", "body", "-sigfile", "sig"],
        cwd=tmp_path,
        capture_output=True,
        check=False,
        timeout=20,
    )

    assert (done.returncode, done.stdout.strip()) == (0, b"Signature Verified Successfully")
