"""`python -m gateway.shop --listen HOST:PORT --analytics URL --ads URL`: the sample shop on its own."""

import argparse
from collections.abc import Sequence

from aiohttp import web

from gateway.shop.app import make_shop


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m gateway.shop", description="A sample shop that asks for too much.")
    parser.add_argument("--listen", default="127.0.0.1:8000", metavar="HOST:PORT", help="default: %(default)s")
    parser.add_argument("--analytics", default="", metavar="URL", help="origin of the analytics tag")
    parser.add_argument("--ads", default="", metavar="URL", help="origin of the ads pixel")
    options = parser.parse_args(arguments)
    host, _, port = options.listen.rpartition(":")
    if not host or not port.isdecimal():
        parser.error("--listen needs HOST:PORT")
    app = make_shop(options.analytics.rstrip("/"), options.ads.rstrip("/"))
    web.run_app(app, host=host.strip("[]"), port=int(port), access_log=None)


if __name__ == "__main__":
    main()
