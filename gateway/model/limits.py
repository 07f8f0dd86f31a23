"""Every bound that the gateway keeps, in one place, with the reason for its default.

Sizes are bytes, times are seconds. `gateway.yaml` may override each by its name.
"""

import msgspec

KIB = 1024
MIB = 1024 * KIB


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    request_line: int = 8 * KIB  # nginx's large_client_header_buffers
    header_field: int = 16 * KIB  # room for big cookies and CSP
    headers_total: int = 64 * KIB  # Envoy allows 60 KiB
    header_count: int = 100  # Envoy's default
    body: int = 10 * MIB  # a body that a rule reads is held whole
    decoded_body: int = 20 * MIB  # after content codings
    expansion_ratio: int = 100  # decoded over encoded, judged after the first MiB
    content_codings: int = 2
    gzip_members: int = 1024
    zstd_window: int = 8 * MIB  # RFC 9659
    json_depth: int = 64
    json_nodes: int = 200_000
    json_number: int = 1000  # digits of one number
    json_string: int = MIB
    json_key: int = KIB
    form_fields: int = 1000
    multipart_parts: int = 200
    multipart_part_headers: int = 16
    multipart_part_header: int = 8 * KIB
    ndjson_record: int = 256 * KIB
    people_listed: int = 10_000  # a key and a record for each of them before the message goes on
    html_tag: int = MIB  # pictures inside of a page stand in attributes
    header_timeout: float = 15.0
    body_idle_timeout: float = 30.0
    body_minimum_rate: int = KIB  # bytes a second, averaged, after the first idle period
    keepalive_timeout: float = 75.0
    keepalive_requests: int = 1000
    upstream_connect_timeout: float = 5.0
    upstream_first_byte_timeout: float = 60.0
    upstream_idle_timeout: float = 60.0
    upstream_pool_idle: float = 15.0
    upstream_pool_size: int = 100  # connections per upstream and worker
    in_flight: int = 1000
    queue_time: float = 0.5  # a burst is served late; where the line lasts longer than this, half of it
    connections: int = 10_000
    connections_per_client: int = 100
    websocket_idle_timeout: float = 120.0
    lingering_time: float = 5.0
    drain_timeout: float = 30.0
    retry_after: int = 1
    audit_timeout: float = 5.0  # a commit older than this counts as failed


DEFAULT_LIMITS = Limits()
