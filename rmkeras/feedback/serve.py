"""Runs the web page until Ctrl-C."""

from __future__ import annotations

import contextlib
import importlib.util
import socket
from collections.abc import Callable

from rmkeras.errors import RmkerasError
from rmkeras.feedback.store import Store

NEEDED = ("starlette", "uvicorn", "markdown_it", "nh3")
"""Libraries of the extra `annotate`."""


def check_libraries() -> None:
    """Makes sure that the page's libraries are there.

    Raises:
        RmkerasError: If one is missing; the message says how to get them.
    """
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise RmkerasError(
            f"the web page needs {', '.join(missing)}; "
            'install with: pip install "rmkeras[annotate]"'
        )


def own_address() -> str:
    """Returns the address under which others in the local network see this machine.

    Returns:
        An IPv4 address; `127.0.0.1` without a network.
    """
    # Connecting a datagram socket sends nothing; it only chooses a way out.
    with (
        contextlib.suppress(OSError),
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe,
    ):
        probe.connect(("192.0.2.1", 9))
        return probe.getsockname()[0]
    return "127.0.0.1"


def listen(host: str, port: int) -> socket.socket:
    """Takes a port.

    Args:
        host: An address of this machine.
        port: The port; 0 takes a free one.

    Returns:
        A socket that listens.

    Raises:
        RmkerasError: If that is not possible.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    taken = socket.socket(family, socket.SOCK_STREAM)
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        taken.bind((host, port))
        # At once, so that whoever follows the link now waits and is not refused.
        taken.listen(512)
    except (OSError, OverflowError) as error:
        taken.close()
        raise RmkerasError(
            f"port {port} of {host} cannot be used ({error}); choose another --port, "
            "or 0 for any free one"
        ) from error
    return taken


def serve(
    store: Store,
    host: str = "127.0.0.1",
    port: int = 8000,
    public: bool = False,
    url: str | None = None,
    say: Callable[[str], None] = print,
    taken: socket.socket | None = None,
) -> None:
    """Serves the page until Ctrl-C or SIGTERM.

    Args:
        store: The store.
        host: Address to listen at.
        port: Port; 0 takes a free one.
        public: Whether other machines may come in, with a link.
        url: How people reach the server, if not by `host` and `port`.
        say: Called with the lines that tell where the page is.
        taken: What `listen` returned, if the port is taken already; `host` and
            `port` are then only for the lines. It is closed at the end.

    Raises:
        RmkerasError: If a library is missing or the port is taken.
    """
    check_libraries()
    import uvicorn

    from rmkeras.feedback.app import create_app

    with taken or listen(host, port) as taken:
        port = taken.getsockname()[1]
        seen = own_address() if host in ("0.0.0.0", "::") else host
        seen = f"[{seen}]" if ":" in seen else seen
        base = (url or f"http://{seen}:{port}").rstrip("/")
        app = create_app(store, public, base if public else None)
        config = uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,  # Links hold tokens.
            server_header=False,
            date_header=False,
            proxy_headers=False,
            ws="none",
            timeout_keep_alive=30,
            timeout_graceful_shutdown=5,
            limit_concurrency=1000,
            backlog=512,
        )
        say(f"Teacher: {base}/in/{store.token(store.teacher())}")
        if not public:
            say(f"Raters:  {base}")
        say("Ctrl-C stops the server; what is acknowledged is on the disk.")
        uvicorn.Server(config).run(sockets=[taken])
