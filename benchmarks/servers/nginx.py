"""nginx, in its parts here: the origin, the hop that passes the bytes on, the hop that stores them, the front, and with
mod_zip the one that packs them.
"""

from pathlib import Path

from benchmarks.processes import Process, free_port

_FRAME = """
{module} daemon off; worker_processes {processes}; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 4096; }}
http {{
    sendfile on; tcp_nopush on; keepalive_requests 1000000; default_type application/octet-stream;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/temp; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    {http}
}}
"""


# The bytes go through in few calls, and never to a file but to a copy that is wanted.
_TUNED = "proxy_buffer_size 64k; proxy_buffers 16 256k; proxy_busy_buffers_size 1m; output_buffers 4 256k;"


def _start(
    folder: Path,
    port: int,
    http: str,
    log: str = "access_log off;",
    *,
    processes: int = 1,
    module: Path | None = None,
) -> Process:
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "nginx.conf"
    config.write_text(
        _FRAME.format(
            folder=folder,
            http=f"{log} {http}",
            processes=processes,
            module=f"load_module {module};" if module is not None else "",
        )
    )
    # As root nginx would switch to another user, which cannot read a folder that is the owner's alone.
    return Process(
        ["nginx", "-c", str(config), "-e", str(folder / "error.log"), "-g", "user root;"], port, folder / "log"
    )


def origin(folder: Path, root: Path, tls: tuple[Path, Path] | None = None) -> Process:
    """Files as they lie below `root`; `tls`: certificate and key. What it sent stands in access.log (see `sent`)."""
    port = free_port()
    listen = f"listen 127.0.0.1:{port}"
    if tls is not None:
        listen += f" ssl; ssl_certificate {tls[0]}; ssl_certificate_key {tls[1]}"
    log = f"log_format sent '$body_bytes_sent'; access_log {folder}/access.log sent;"
    return _start(folder, port, f"server {{ {listen}; root {root}; }}", log)


def sent(folder: Path) -> int:
    """Bytes of bodies that the origin in `folder` has sent so far."""
    return sum(map(int, (folder / "access.log").read_text().split()))


def hop(folder: Path, origin_url: str, *, store: Path | None = None, processes: int = 1) -> Process:
    """`proxy_pass` with wide buffers, and with `proxy_store` where there is a `store`."""
    port = free_port()
    keeping = "proxy_max_temp_file_size 0;"
    if store is not None:
        store.mkdir(parents=True, exist_ok=True)
        keeping = f"proxy_store {store}$uri; proxy_store_access user:rw group:r; proxy_temp_path {store}/temp;"
    return _start(
        folder,
        port,
        f"""
        upstream origin {{ server {origin_url.partition("://")[2]}; keepalive 32; }}
        server {{
            listen 127.0.0.1:{port};
            location / {{
                proxy_pass {origin_url.partition("://")[0]}://origin; proxy_http_version 1.1;
                proxy_set_header Connection ""; proxy_ssl_verify off; {_TUNED} {keeping}
            }}
        }}""",
        processes=processes,
    )


def zipping(folder: Path, module: Path, origin_url: str, lists: Path, processes: int) -> Process:
    """mod_zip: `/zip/NAME` is the archive of the list NAME in the folder `lists`."""
    port, listing = free_port(), free_port()
    return _start(
        folder,
        port,
        f"""
        upstream origin {{ server {origin_url.partition("://")[2]}; keepalive 32; }}
        server {{
            listen 127.0.0.1:{listing};
            location / {{ root {lists}; add_header X-Archive-Files zip; }}
        }}
        server {{
            listen 127.0.0.1:{port};
            location /zip/ {{ proxy_pass http://127.0.0.1:{listing}/; }}
            location /origin/ {{
                internal; proxy_pass http://origin/; proxy_http_version 1.1; proxy_set_header Connection "";
                {_TUNED} proxy_max_temp_file_size 0;
            }}
        }}""",
        processes=processes,
        module=module,
    )


def front(folder: Path, gateway_url: str, spool: Path) -> Process:
    """nginx before the gateway, as deploy/nginx.conf has it; `/file/` is the same copy without the gateway."""
    port = free_port()
    return _start(
        folder,
        port,
        f"""
        server {{
            listen 127.0.0.1:{port};
            location / {{
                proxy_pass {gateway_url}; proxy_http_version 1.1; proxy_buffering off;
                proxy_set_header X-Sendfile-Type X-Accel-Redirect;
            }}
            location /_spool/ {{ internal; alias {spool}/; }}
            location /file/ {{ alias {spool}/; }}
        }}""",
    )
