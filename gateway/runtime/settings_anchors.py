"""The `anchors` of gateway.yaml: where heads of the logs are kept outside this machine."""

import re
from pathlib import Path
from urllib.parse import urlsplit

from gateway.audit.anchor_witness import Cosigner
from gateway.audit.anchors import (
    AnchorSettings,
    FileAnchor,
    S3Anchor,
    StampAnchor,
    StdoutAnchor,
    WitnessAnchor,
)
from gateway.policy.source import Mapping, Node
from gateway.runtime.settings_nodes import SettingsNodes

KINDS = ("stdout", "file", "s3", "witness", "rfc3161")
MAX_RETAIN_DAYS = 36500
DAY_SECONDS = 86400
STAMP_SECONDS = 3600

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PREFIX = re.compile(r"[A-Za-z0-9._/-]{1,200}/")
_REGION = re.compile(r"[a-z0-9-]{1,64}")


class AnchorsReader(SettingsNodes):
    """Reads the list; each entry is a mapping with one key, the kind of the anchor."""

    def anchors(self, node: Node | None, state: str) -> tuple[AnchorSettings, ...]:
        """The anchors in order; `state` is where the ledger lies."""
        found: list[AnchorSettings] = []
        for item in self._items(node):
            anchor = self._anchor(item, state)
            if anchor is None:
                continue
            if any(_place(anchor) == _place(other) for other in found):
                self._add("PG931", item, "this anchor is in the list already")
            found.append(anchor)
        return tuple(found)

    def _anchor(self, item: Node, state: str) -> AnchorSettings | None:
        keys = self._entries(item, KINDS)
        if isinstance(item, Mapping) and len(item.entries) != 1:
            self._add("PG930", item, "an anchor is of one kind", "begin each with '-', as in '- stdout: true'")
            return None
        for kind, node in keys.items():
            match kind:
                case "stdout":
                    return StdoutAnchor() if self._word(node, ("true",), "") else None
                case "file":
                    return self._kept_in_file(node, state)
                case "s3":
                    return self._s3(node)
                case "witness":
                    return self._witness(node)
                case "rfc3161":
                    return self._stamp(node)
        return None

    def _kept_in_file(self, node: Node, state: str) -> FileAnchor | None:
        path = self._path(node)
        if path is None:
            return None
        if not Path(path).parent.is_dir():
            self._add("PG915", node, "the folder of this file is not there", "create or mount it first")
        elif _device(Path(path)) == _device(Path(state)):
            hint = "put it on another device, best one that another machine serves"
            self._add("PG932", node, "this file lies on the same device as the ledger", hint)
        return FileAnchor(path)

    def _s3(self, node: Node) -> S3Anchor | None:
        required = ("bucket", "prefix", "retain_days")
        keys = self._entries(node, ("bucket", "prefix", "endpoint", "region", "retain_days"), required)
        bucket = self._matching(keys.get("bucket"), _BUCKET, "a bucket is named with 3 to 63 of a-z, 0-9, '.' and '-'")
        prefix = self._matching(
            keys.get("prefix"), _PREFIX, "a prefix has letters, digits, '.', '_', '-' and ends in '/'"
        )
        days = self._whole(keys.get("retain_days"), 0, 1, MAX_RETAIN_DAYS)
        endpoint = self._url(keys["endpoint"]) if "endpoint" in keys else None
        region = self._matching(keys.get("region"), _REGION, "a region is written like eu-central-1")
        return S3Anchor(bucket, prefix, days, endpoint, region) if bucket and prefix and days else None

    def _witness(self, node: Node) -> WitnessAnchor | None:
        keys = self._entries(node, ("url", "vkey"), ("url", "vkey"))
        url, vkey = self._url(keys.get("url")), self._text(keys.get("vkey"))
        if url is None or vkey is None:
            return None
        try:
            Cosigner(vkey.text)
        except ValueError as problem:
            self._add(
                "PG914", vkey, f"not the key of a witness: {problem}", "copy the vkey that its operator publishes"
            )
            return None
        return WitnessAnchor(url, vkey.text)

    def _stamp(self, node: Node) -> StampAnchor | None:
        keys = self._entries(node, ("url", "ca", "every_seconds"), ("url",))
        url, ca = self._url(keys.get("url")), self._authority(keys.get("ca"))
        every = self._whole(keys.get("every_seconds"), STAMP_SECONDS, 1, DAY_SECONDS)
        return StampAnchor(url, ca, every) if url is not None else None

    def _matching(self, node: Node | None, form: re.Pattern[str], message: str) -> str | None:
        scalar = self._text(node)
        if scalar is None:
            return None
        if not form.fullmatch(scalar.text):
            self._add("PG914", scalar, message)
            return None
        return scalar.text

    def _url(self, node: Node | None) -> str | None:
        scalar = self._text(node)
        if scalar is None:
            return None
        if not _is_url(scalar.text):
            hint = "write https://HOST[:PORT][/PATH], without a name or password in it"
            self._add("PG914", scalar, "this is no URL that can be asked", hint)
            return None
        return scalar.text


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        has_port = parts.port is None or parts.port > 0
    except ValueError:
        return False
    plain = "@" not in parts.netloc and not parts.query and not parts.fragment and text.isascii()
    return parts.scheme in ("http", "https") and bool(parts.hostname) and has_port and plain and " " not in text


def _place(anchor: AnchorSettings) -> tuple[object, ...]:
    """What two anchors must not share: a second one there would keep the same thing twice."""
    match anchor:
        case S3Anchor():
            return ("s3", anchor.bucket, anchor.prefix, anchor.endpoint)
        case WitnessAnchor():
            return ("witness", Cosigner(anchor.vkey).name)
        case FileAnchor(path):
            return ("file", path)
        case StampAnchor(url):
            return ("rfc3161", url)
    return ("stdout",)


def _device(path: Path) -> int | None:
    """The device of a path, or of where it will be created."""
    for place in (path, *path.parents):
        if place.exists():
            return place.stat().st_dev
    return None
