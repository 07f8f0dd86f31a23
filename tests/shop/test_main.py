import re
import signal
import subprocess
import sys
import urllib.request

import pytest


def test_serves_on_the_address_given_and_stops_on_sigterm():
    command = [sys.executable, "-u", "-m", "gateway.shop", "--listen", "127.0.0.1:0", "--ads", "http://ads.example/"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as shop:
        try:
            port = re.search(r":(\d+) ", shop.stdout.readline())[1]
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as answer:
                page = answer.read().decode()
        finally:
            shop.send_signal(signal.SIGTERM)
            status = shop.wait(10)

    assert "http://ads.example/pixel.gif" in page
    assert status == 0


@pytest.mark.parametrize("listen", ["8000", "localhost:http", ""])
def test_an_address_without_a_port_is_an_error(listen):
    command = [sys.executable, "-m", "gateway.shop", "--listen", listen]

    assert subprocess.run(command, capture_output=True, check=False).returncode == 2
