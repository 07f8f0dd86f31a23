import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.transforms.user_agent import user_agent

WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"


@pytest.mark.parametrize(
    ("text", "group"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0", "Firefox/132 (Linux)"),
        ("Mozilla/5.0 (Android 15; Mobile; rv:133.0) Gecko/133.0 Firefox/133.0", "Firefox/133 (Android)"),
        (f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {WEBKIT} Chrome/131.0.0.0 Safari/537.36", "Chrome/131 (Windows)"),
        (f"Mozilla/5.0 (Windows NT 10.0) {WEBKIT} Chrome/131.0.0.0 Safari/537.36 Edg/131.0.1.2", "Edge/131 (Windows)"),
        (
            f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {WEBKIT} Chrome/131.0 Safari/537 OPR/116.0",
            "Opera/116 (macOS)",
        ),
        (
            f"Mozilla/5.0 (Linux; Android 14; SM-S928B) {WEBKIT} SamsungBrowser/27.0 Chrome/125.0 Mobile",
            "Samsung Internet/27 (Android)",
        ),
        (f"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) {WEBKIT} Chrome/131.0 Safari/537.36", "Chrome/131 (ChromeOS)"),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 Version/18.1 Safari/604.1",
            "Safari/18 (iOS)",
        ),
        (
            "Mozilla/5.0 (iPad; CPU OS 18_1 like Mac OS X) AppleWebKit/605.1.15 CriOS/131.0.6778.73 Mobile/15E148",
            "Chrome/131 (iOS)",
        ),
        ("curl/8.10.1", "curl/8"),
        ("curl/8.10.1 (Linux; ann)", "curl/8 (Linux)"),
        ("Firefox/0132", ""),
        ("Firefox/032", "Firefox/32"),
        ("Firefox/\u0661", ""),
        ("Firefox/1234", ""),
        ("NotFirefox/132", ""),
        ("python-requests/2.32 ann@shop.example", ""),
        ("x" * 2000 + " Firefox/132", ""),
        ("", ""),
    ],
)
def test_user_agent(text, group):
    assert user_agent(text) == group


@given(st.text(), st.text())
def test_nothing_of_the_client_passes_but_a_number(before, after):
    group = user_agent(f"{before} Firefox/132 {after}")

    assert group == "" or re.fullmatch(
        r"[A-Z][A-Za-z ]+/[0-9]{1,3}( \((Android|iOS|Windows|ChromeOS|macOS|Linux)\))?", group
    )
