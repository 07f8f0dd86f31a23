import pytest

from gateway.runtime.settings import Listener, ListenerAddressError, Settings, Tls, UpstreamTls, parse_listener


@pytest.mark.parametrize(
    ("text", "listener", "loopback"),
    [
        ("127.0.0.1:8080", Listener("127.0.0.1", 8080), True),
        ("0.0.0.0:80", Listener("0.0.0.0", 80), False),
        ("localhost:0", Listener("localhost", 0), True),
        ("shop.example:443", Listener("shop.example", 443), False),
        ("[::1]:8080", Listener("::1", 8080), True),
        ("[0:0::0:1]:8080", Listener("::1", 8080), True),
        ("[::]:65535", Listener("::", 65535), False),
        ("unix:/run/front.sock", Listener("", path="/run/front.sock"), True),
    ],
)
def test_an_address_is_read_and_written_back(text, listener, loopback):
    read = parse_listener(text)
    assert read == listener
    assert parse_listener(read.address) == read
    assert read.is_loopback is loopback


@pytest.mark.parametrize(
    "text",
    [
        "",
        "8080",
        ":8080",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:65536",
        "127.0.0.1:http",
        "::1:8080",
        "[::1]",
        "[::g]:80",
        "[1.2.3]:80",
        "a b:80",
        "unix:",
        "unix:/" + "a" * 120,
        "http://127.0.0.1:80",
        "127.0.0.1:80\n",
    ],
)
def test_what_is_no_address_is_refused(text):
    with pytest.raises(ListenerAddressError):
        parse_listener(text)


def test_a_relative_socket_path_is_taken_from_the_base(tmp_path):
    assert parse_listener("unix:front.sock", base=tmp_path).path == str(tmp_path / "front.sock")


def test_paths_are_told_apart_by_what_their_change_asks_for():
    settings = Settings(
        listeners=(
            Listener("127.0.0.1", 1, tls=Tls("/c.pem", "/k.pem", "/ca.pem")),
            Listener("127.0.0.1", 2),
        ),
        state="/s",
        upstream_tls={"shop": UpstreamTls(ca="/up.pem"), "mailer": UpstreamTls(certificate="/m.pem", key="/m.key")},
    )
    assert [str(path) for path in settings.certificate_paths()] == ["/c.pem", "/k.pem"]
    assert [str(path) for path in settings.authority_paths()] == ["/ca.pem", "/up.pem", "/m.pem", "/m.key"]


def test_the_name_of_a_log_has_no_blank_and_no_plus(monkeypatch):
    monkeypatch.setattr("socket.gethostname", lambda: "a b+c/d")
    assert Settings(listeners=(), state="/s", deployment="shop").origin("w0") == "shop/a-b-c-d/w0"
