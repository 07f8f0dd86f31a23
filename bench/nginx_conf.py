"""nginx in its parts: the upstream that serves files, a partner, the plain proxy, and the one that strips with Lua."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import bodies

MODULES = Path("/usr/lib/nginx/modules")
LUA_MODULES = (MODULES / "ndk_http_module.so", MODULES / "ngx_http_lua_module.so")
CJSON = (Path("/usr/lib/x86_64-linux-gnu/lua/5.1/cjson.so"), Path("/usr/lib/aarch64-linux-gnu/lua/5.1/cjson.so"))

_FRAME = """\
{modules}
worker_processes {workers};
daemon off;
pid {home}/nginx.pid;
error_log {home}/error.log warn;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  client_max_body_size 0;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 100000000;
  keepalive_timeout 300s;
  client_body_temp_path {home}/body;
  proxy_temp_path {home}/proxy;
  fastcgi_temp_path {home}/fastcgi;
  uwsgi_temp_path {home}/uwsgi;
  scgi_temp_path {home}/scgi;
  types {{ application/json json; text/html html; application/octet-stream bin; }}
{http}
}}
"""

_UPSTREAM = """\
  open_file_cache max=100 inactive=600s;
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    root {root};
    location /routes/ {{ try_files /{small} =404; }}
  }}
"""

_PARTNER = """\
  server {{
    listen 127.0.0.1:{port} ssl backlog=4096;
    ssl_certificate {certificate};
    ssl_certificate_key {key};
    location / {{ default_type application/json; return 200 '{{"id":"m-1","status":"queued"}}'; }}
    location /v1/echo {{ proxy_pass http://127.0.0.1:{echo_port}; }}
  }}
"""

_PROXY = """\
{lua}
  upstream files {{ server 127.0.0.1:{upstream}; keepalive 256; keepalive_requests 100000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_set_header Host $host;
{strip}
    location / {{ proxy_pass http://files; }}
{locations}
  }}
"""

_STRIP = """\
      header_filter_by_lua_block {{
        ngx.ctx.strips = ngx.header.content_type == "application/json"
        if ngx.ctx.strips then ngx.header.content_length = nil end
      }}
      body_filter_by_lua_block {{
        local context = ngx.ctx
        if not context.strips then return end
        local chunk, last = ngx.arg[1], ngx.arg[2]
        local held = context.held
        if held == nil then held = {{}}; context.held = held end
        held[#held + 1] = chunk
        if not last then ngx.arg[1] = nil; return end
        local document = cjson.decode(table.concat(held))
        {fields}
        ngx.arg[1] = cjson.encode(document)
      }}
"""

_LARGE_BUFFERS = """\
  proxy_buffer_size 64k;
  proxy_buffers 16 64k;
  proxy_busy_buffers_size 128k;
  proxy_max_temp_file_size 0;
"""


def installed() -> bool:
    return shutil.which("nginx") is not None


def lua_missing() -> str:
    """What the Lua peer lacks on this machine; "" where nothing."""
    missing = [path.name for path in LUA_MODULES if not path.exists()]
    if not any(path.exists() for path in CJSON):
        missing.append("lua-cjson")
    return ", ".join(missing)


def upstream(home: Path, *, port: int, root: Path) -> list[str]:
    server = _UPSTREAM.format(port=port, root=root, small=bodies.file_of("1 KB"))
    return _command(home, modules="", http=server)


def partner(home: Path, *, port: int, certificate: Path, key: Path, echo_port: int) -> list[str]:
    """A TLS server that takes what is sent to it with the same few bytes, and has it echoed below /v1/echo."""
    http = _PARTNER.format(port=port, certificate=certificate, key=key, echo_port=echo_port)
    return _command(home, modules="", http=http)


def plain_proxy(home: Path, *, port: int, upstream_port: int, large_buffers: bool = False) -> list[str]:
    http = _PROXY.format(
        lua=_LARGE_BUFFERS if large_buffers else "", strip="", port=port, upstream=upstream_port, locations=""
    )
    return _command(home, modules="", http=http)


def lua_proxy(
    home: Path,
    *,
    port: int,
    upstream_port: int,
    strip: Sequence[str] = bodies.STRIPPED,
    paths: Sequence[str] = (),
    workers: int = 1,
) -> list[str]:
    """Drops the fields `strip`; each of `paths` becomes a location of its own."""
    modules = "\n".join(f"load_module {path};" for path in LUA_MODULES)
    cpath = next(path for path in CJSON if path.exists()).parent
    lua = f'  lua_package_cpath "{cpath}/?.so;;";\n  init_by_lua_block {{ cjson = require "cjson" }}'
    fields = "; ".join(f"document.{name} = nil" for name in strip)
    locations = "\n".join(f"    location = {path} {{ proxy_pass http://files; }}" for path in paths)
    http = _PROXY.format(
        lua=lua, strip=_STRIP.format(fields=fields), port=port, upstream=upstream_port, locations=locations
    )
    return _command(home, modules=modules, http=http, workers=workers)


def _command(home: Path, *, modules: str, http: str, workers: int = 1) -> list[str]:
    home.mkdir(parents=True)
    configuration = home / "nginx.conf"
    configuration.write_text(_FRAME.format(modules=modules, home=home, http=http, workers=workers))
    return ["nginx", "-e", str(home / "start.log"), "-p", str(home), "-c", str(configuration)]
