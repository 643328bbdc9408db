"""Serve the explorer on this machine."""

import contextlib
import ipaddress
import socket
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from sims.support.extras import to_install

_HERE = Path(__file__).parent
_KEEP = 60  # seconds that the session of a closed page lives on, in case its reader was only disconnected
# No request may leave for another host, whatever the page holds. marimo's own page has inline scripts, and
# compiles templates at run time.
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
    "connect-src 'self' data: blob:; worker-src 'self' blob:; frame-src 'self' blob:; "
    "frame-ancestors 'none'; form-action 'self'; base-uri 'self'; object-src 'none'"
)
_Scope = dict[str, Any]
_App = Callable[[_Scope, Callable[[], Awaitable[Any]], Callable[[Any], Awaitable[None]]], Awaitable[None]]


# Starlette's TrustedHostMiddleware does not fit: it knows no Origin, answers a refused websocket with an HTTP
# response instead of closing it, and its older releases (marimo leaves the choice) cut "[::1]:2718" at the
# first colon.
class Guard:
    """ASGI middleware: adds the policy, and refuses requests that were not addressed to this server.

    A page of another site can reach 127.0.0.1 through the reader's browser. Its requests carry a foreign
    Origin, or a foreign Host after DNS rebinding; both are refused.
    """

    def __init__(self, app: _App, hosts: frozenset[str] | None):
        self.app, self.hosts = app, hosts

    async def __call__(self, scope: _Scope, receive: Callable, send: Callable) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] == "lifespan":
            await self._live(scope, receive, send)
            return
        headers = {key.decode("latin-1").lower(): value.decode("latin-1") for key, value in scope["headers"]}
        host, origin = headers.get("host", ""), headers.get("origin")
        foreign = origin is not None and origin.partition("://")[2] != host
        if foreign or (self.hosts is not None and _name(host) not in self.hosts):
            await _refuse(scope, send)
            return

        lasting = _LASTING if scope["path"].startswith("/assets/") else []

        async def guarded(message: Any) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], *_HEADERS, *lasting]}
            await send(message)

        await self.app(scope, receive, guarded)

    async def _live(self, scope: _Scope, receive: Callable, send: Callable) -> None:
        """Start and stop the application; stopping ends the sessions' threads, which would outlive it.

        marimo ends them in the lifespan of its own application, which is not run for a mounted one.
        """

        async def last(message: Any) -> None:
            if message["type"] == "lifespan.shutdown.complete":
                for route in getattr(self.app, "routes", ()):
                    state = getattr(getattr(route, "app", None), "state", None)
                    if (sessions := getattr(state, "session_manager", None)) is not None:
                        await sessions.shutdown()
            await send(message)

        await self.app(scope, receive, last)


_HEADERS = [
    (b"content-security-policy", POLICY.encode()),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
]
# Assets carry a hash of their content in their names; without this, 300 of them are sent anew for every page.
_LASTING = [(b"cache-control", b"public, max-age=31536000, immutable")]


def _name(host: str) -> str:
    """Host without its port."""
    return host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host


async def _refuse(scope: _Scope, send: Callable) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
        return
    text = b"This address is not served here.\n"
    await send({"type": "http.response.start", "status": 403, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": text})


def application(host: str = "127.0.0.1") -> _App:
    """The explorer as an ASGI application that answers to `host`.

    Raises
    ------
    ImportError
        Marimo is not installed; the message says how to get it.
    """
    try:
        import marimo
    except ImportError:
        raise ImportError(f"the explorer needs marimo; {to_install('explore')}") from None
    builder = marimo.create_asgi_app(
        quiet=True,
        include_code=False,
        session_ttl=_KEEP,
        html_head=(_HERE / "head.html").read_text(encoding="utf-8"),
    )
    local = frozenset({"127.0.0.1", "localhost", "[::1]", host, f"[{host}]"})
    return Guard(
        builder.with_app(path="", root=str(_HERE / "app.py")).build(), local if _is_local(host) else None
    )


def _is_local(host: str) -> bool:
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def bound(host: str, port: int) -> socket.socket:
    """A listening socket.

    Raises
    ------
    ValueError
        The port is taken or may not be used, or the host is not of this machine: one sentence.
    """
    if not 0 <= port <= 65535:
        raise ValueError(f"port must lie between 0 and 65535 (0: any free one), got {port}")
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError:
        raise ValueError(
            f"host must be an address of this machine, such as 127.0.0.1, got {host!r}"
        ) from None
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise ValueError(
            f"cannot listen on {host} port {port} ({error.strerror}); "
            "name another with --port, or 0 for any free one"
        ) from None
    return listener


def serve(host: str = "127.0.0.1", port: int = 2718, open_browser: bool = True) -> None:
    """Serve the explorer until interrupted; prints its address.

    Parameters
    ----------
    host
        Address to bind; other machines can reach the explorer only when it is not a loopback address.
    port
        0 takes any free one.
    open_browser
        Also open the address in the reader's browser, if there is one.

    Raises
    ------
    ValueError
        The port is taken, the host is not of this machine.
    ImportError
        Marimo is not installed.
    """
    listener = bound(host, port)  # first: loading the application takes a second
    with listener:
        _serve(application(host), listener, host, open_browser)


def _serve(app: _App, listener: socket.socket, host: str, open_browser: bool) -> None:
    name = f"[{host}]" if ":" in host else host
    address = f"http://{name}:{listener.getsockname()[1]}/"
    print(f"snapcut explore: {address} (Ctrl-C ends it)", flush=True)
    if open_browser:
        threading.Timer(0.5, _open, [address]).start()
    import uvicorn

    config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=2)
    with contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[listener])


def _open(address: str) -> None:
    import webbrowser

    if not webbrowser.open(address):
        print("No browser was found; open the address above in one.", flush=True)
