"""What protects the page: hosts, headers, sizes, rates, sessions, forgeries."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from rmkeras.feedback.people import Rater
from rmkeras.feedback.store import Store

LOCAL = frozenset({"127.0.0.1", "localhost", "::1"})
"""Hosts that answer unless the server is public."""

HEADERS = {
    # Nothing but our own files: no inline script or style, no other site.
    "content-security-policy": "default-src 'none'; script-src 'self'; "
    "style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    # Invitation links hold a secret; no other site shall see them. Not no-referrer:
    # with it browsers call the origin of a form "null".
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cache-control": "no-store",
}
"""Sent with every response."""

LARGEST_ANSWER = 4 * 16_777_216 + 65_536
"""Bytes of an answer: the longest text in UTF-8, and what is around it."""

LARGEST_FORM = 65_536
"""Bytes of everything else."""


class Refused(Exception):
    """A request that is not served.

    Args:
        status: HTTP status.
        message: What to tell the person.
    """

    def __init__(self, status: int, message: str):
        super().__init__(message)
        self.status = status
        self.message = message


class Buckets:
    """Limits requests: each key has a bucket of tokens that fills slowly.

    Args:
        rate: Tokens a second.
        burst: Size of a bucket.
    """

    def __init__(self, rate: float, burst: float):
        self.rate, self.burst = rate, burst
        self._buckets: dict[Any, tuple[float, float]] = {}

    def take(self, key: Any) -> bool:
        """Takes a token.

        Args:
            key: Whose bucket.

        Returns:
            False if it is empty.
        """
        now = time.monotonic()
        level, then = self._buckets.get(key, (self.burst, now))
        level = min(self.burst, level + (now - then) * self.rate)
        if len(self._buckets) > 10_000:
            # Full again by now, most of them: forgetting them changes nothing.
            age = self.burst / self.rate
            self._buckets = {k: v for k, v in self._buckets.items() if now - v[1] < age}
        allowed = level >= 1
        self._buckets[key] = (level - allowed, now)
        return allowed


class Protection:
    """ASGI middleware: refuses foreign hosts, adds `HEADERS` to every response.

    Args:
        app: The application behind it.
        public: Whether any host name will do. If not, a site that makes its own
            name point at this machine (DNS rebinding) gets nothing.
    """

    def __init__(self, app, public: bool = False):
        self.app = app
        self.public = public

    async def __call__(self, scope, receive, send):
        """Serves one connection."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message):
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        host = Request(scope).headers.get("host", "")
        if self.public or urlsplit(f"//{host}").hostname in LOCAL:
            await self.app(scope, receive, send_with_headers)
        else:
            refusal = PlainTextResponse("this server answers localhost only", 421)
            await refusal(scope, receive, send_with_headers)


class Sessions:
    """Says who is asking, and that they mean it.

    Args:
        store: The store.
    """

    def __init__(self, store: Store):
        self.store = store
        # Cookies do not know ports: two servers on localhost need two names.
        self.cookie = "rmkeras_" + store.sign("cookie")[:8]
        self.people = Buckets(rate=20, burst=200)
        # A class that shares one address may come in all at once.
        self.strangers = Buckets(rate=10, burst=200)

    def cookie_of(self, role: str) -> str:
        """Names the cookie of a role: a teacher may rate too, in the same browser.

        Args:
            role: `"rater"` or `"teacher"`.

        Returns:
            The name.
        """
        return self.cookie if role == "rater" else f"{self.cookie}_{role}"

    def token(self, request: Request, role: str = "rater") -> str | None:
        """Returns the session's token, if there is one.

        Args:
            request: The request.
            role: In which role.

        Returns:
            A string, or None.
        """
        return request.cookies.get(self.cookie_of(role))

    def rater(self, request: Request, role: str = "rater") -> Rater | None:
        """Finds who is asking.

        Args:
            request: The request.
            role: In which role.

        Returns:
            A `Rater` of this role, or None for a stranger.

        Raises:
            Refused: If they ask too often.
        """
        rater = self.store.rater_of_token(self.token(request, role))
        if rater is None or rater.role != role:
            self.stranger(request)
            rater = None
        elif not self.people.take(rater.id):
            raise Refused(429, "too many requests; wait a few seconds")
        return rater

    def stranger(self, request: Request) -> None:
        """Counts a request of somebody who is not known.

        Args:
            request: The request.

        Raises:
            Refused: If this address asks too often.
        """
        if not self.strangers.take(request.client and request.client.host):
            raise Refused(429, "too many requests; wait a minute")

    def need(self, request: Request, role: str) -> Rater:
        """Finds who is asking, and refuses all others.

        Args:
            request: The request.
            role: `"rater"` or `"teacher"`.

        Returns:
            A `Rater` of this role.

        Raises:
            Refused: If it is somebody else.
        """
        if (rater := self.rater(request, role)) is None:
            way = "your link or name" if role == "rater" else "the teacher's link"
            raise Refused(401, f"please come in by {way} first")
        return rater

    def csrf(self, request: Request, role: str = "rater") -> str:
        """Returns what a page of this session has to send with each change.

        Args:
            request: The request.
            role: In which role.

        Returns:
            40 hexadecimal digits.
        """
        return self.store.sign(f"csrf {self.token(request, role)}")

    def check_csrf(self, request: Request, given: Any, role: str = "rater") -> None:
        """Refuses a change that another site's page has sent.

        Args:
            request: The request.
            given: What came with it.
            role: In which role.

        Raises:
            Refused: If it is not this session's.
        """
        given = given if isinstance(given, str) and given.isascii() else ""
        if not hmac.compare_digest(self.csrf(request, role), given):
            raise Refused(403, "this page is out of date; load it again")

    def let_in(self, response: Response, rater: Rater, request: Request) -> Response:
        """Starts a session.

        Args:
            response: The response that carries it.
            rater: Who comes in.
            request: The request.

        Returns:
            The response.
        """
        response.set_cookie(
            self.cookie_of(rater.role),
            self.store.token(rater),
            max_age=180 * 24 * 3600,
            httponly=True,
            secure=request.url.scheme == "https",
            samesite="lax",
        )
        return response


def check_origin(request: Request) -> None:
    """Refuses a change that a page of another site has sent.

    Args:
        request: The request.

    Raises:
        Refused: If the browser says that it comes from elsewhere.
    """
    origin = request.headers.get("origin")
    fetch_site = request.headers.get("sec-fetch-site", "same-origin")
    same = origin is None or urlsplit(origin).netloc == request.headers.get("host")
    if not same or fetch_site not in ("same-origin", "none"):
        raise Refused(403, "this request comes from another site")


async def read_body(request: Request, largest: int) -> bytes:
    """Reads a request's body, up to a size.

    Args:
        request: The request.
        largest: Most bytes.

    Returns:
        The body.

    Raises:
        Refused: If it is larger; nothing more of it is read.
    """
    length = request.headers.get("content-length", "0")
    body = bytearray()
    too_large = Refused(413, f"more than {largest:,} bytes were sent")
    if not length.isdecimal() or int(length) > largest:
        raise too_large
    async for chunk in request.stream():
        body += chunk
        if len(body) > largest:
            raise too_large
    return bytes(body)


async def read_json(request: Request, largest: int) -> dict[str, Any]:
    """Reads a JSON object.

    Args:
        request: The request.
        largest: Most bytes.

    Returns:
        The object.

    Raises:
        Refused: If the body is something else.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Refused(415, "expected application/json")
    body = await read_body(request, largest)
    try:
        value = json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise Refused(400, "the request is no JSON") from None
    if not isinstance(value, dict):
        raise Refused(400, "expected a JSON object")
    return value


def _no_constant(name: str):
    raise ValueError(f"{name} is no JSON")


async def read_form(request: Request) -> dict[str, str]:
    """Reads a simple form.

    Args:
        request: The request.

    Returns:
        From each field to its last value.

    Raises:
        Refused: If the body is something else.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise Refused(415, "expected a form")
    body = await read_body(request, LARGEST_FORM)
    try:
        fields = parse_qs(body.decode(), max_num_fields=50, keep_blank_values=True)
    except ValueError:
        raise Refused(400, "the form cannot be read") from None
    return {name: values[-1] for name, values in fields.items()}


def fingerprint(data: bytes) -> str:
    """Returns a short hash that names a version of a file.

    Args:
        data: Its content.

    Returns:
        12 hexadecimal digits.
    """
    return hashlib.sha256(data).hexdigest()[:12]
