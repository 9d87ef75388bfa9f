"""The web page: what a rater sees and sends."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anyio.to_thread
import jinja2
import nh3
from markdown_it import MarkdownIt
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from rmkeras.errors import RmkerasError
from rmkeras.feedback.database import Unwritable
from rmkeras.feedback.judgements import Assignment, Conflict, NotAssigned
from rmkeras.feedback.people import Rater
from rmkeras.feedback.store import Store
from rmkeras.feedback.tasks import as_shown, from_shown
from rmkeras.feedback.teach import TeacherPages
from rmkeras.feedback.web import (
    LARGEST_ANSWER,
    LARGEST_FORM,
    Protection,
    Refused,
    Sessions,
    check_origin,
    fingerprint,
    read_form,
    read_json,
)
from rmkeras.feedback.writer import Writer

PAGES = Path(__file__).with_name("pages")
_KINDS = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


def render_guide(markdown: str) -> str:
    """Turns the teacher's guide into HTML that is safe to show.

    Args:
        markdown: CommonMark, with tables. HTML in it is shown as it was typed,
            and pictures are left out, because nothing is fetched from elsewhere.

    Returns:
        HTML.

    Example:

    >>> render_guide("Be *kind*. <script>")
    '<p>Be <em>kind</em>. &lt;script&gt;</p>\\n'
    """
    parser = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
    html = parser.render(markdown)
    # The parser lets no HTML through; this makes sure of it whatever it does.
    tags = nh3.ALLOWED_TAGS - {"img", "map", "area", "style", "script"}
    return nh3.clean(html, tags=tags, link_rel="noopener noreferrer")


def create_app(
    store: Store, public: bool = False, url: str | None = None
) -> Protection:
    """Makes the application that shows the page.

    Args:
        store: The store; the caller closes it.
        public: Whether the server can be reached from other machines. Then only
            invitation links let people in, and typing a name does not.
        url: How people reach the server, for links; by default as the teacher did.

    Returns:
        An ASGI application.
    """
    pages = Pages(store, public, url)

    @contextlib.asynccontextmanager
    async def lifespan(app):
        yield
        pages.writer.close()

    app = Starlette(
        routes=pages.routes(),
        exception_handlers={
            Refused: lambda request, error: pages.error(request, error, error.status),
            NotAssigned: lambda request, error: pages.error(request, error, 403),
            Conflict: lambda request, error: pages.error(request, error, 409),
            # 503: the page keeps the answer and tries again.
            Unwritable: lambda request, error: pages.error(request, error, 503),
            RmkerasError: lambda request, error: pages.error(request, error, 400),
            HTTPException: pages.http_error,
        },
        lifespan=lifespan,
    )
    # Around everything, so that an internal error has the headers too.
    return Protection(app, public)


class Pages:
    """The pages of one store; see `create_app`."""

    def __init__(self, store: Store, public: bool, url: str | None):
        self.store = store
        self.public = public
        self.sessions = Sessions(store)
        self.writer = Writer(store)
        self.templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader(PAGES),
            autoescape=True,
            trim_blocks=True,
            lstrip_blocks=True,
            undefined=jinja2.StrictUndefined,
        )
        self.static = {
            path.name: (path.read_bytes(), _KINDS[path.suffix])
            for path in sorted(PAGES.iterdir())
            if path.suffix in _KINDS
        }
        # A new version of a file has a new address, so that old ones may be kept.
        self.templates.globals["version"] = fingerprint(
            b"".join(data for data, _ in self.static.values())
        )
        self._guide: tuple[str, str] = ("", "")
        self.teaching = TeacherPages(self, url)

    def routes(self) -> list[Route]:
        """Returns all routes.

        Returns:
            A list.
        """
        return [
            Route("/", self.home),
            Route("/in/{token}", self.come_in),
            Route("/name", self.name, methods=["POST"]),
            Route("/out", self.go_out, methods=["POST"]),
            Route("/teach/out", self.go_out, methods=["POST"]),
            Route("/api/next", self.next),
            Route("/api/answer", self.answer, methods=["POST"]),
            Route("/api/undo", self.undo, methods=["POST"]),
            Route("/static/{version}/{name}", self.file),
            *self.teaching.routes(),
        ]

    def render(
        self,
        template: str,
        request: Request,
        status: int = 200,
        role: str = "rater",
        **values: Any,
    ):
        """Renders a template.

        Args:
            template: Its file.
            request: The request.
            status: HTTP status.
            role: Whose page it is.
            **values: What it needs.

        Returns:
            A response.
        """
        plan = self.store.plan
        if plan.guide != self._guide[0]:
            self._guide = (plan.guide, render_guide(plan.guide))
        html = self.templates.get_template(template).render(
            plan=plan,
            guide=self._guide[1],
            csrf=self.sessions.csrf(request, role),
            public=self.public,
            **values,
        )
        return HTMLResponse(html, status)

    def error(self, request: Request, error: Exception, status: int) -> Response:
        """Says what is wrong, as a page to a person and as JSON to a script.

        Args:
            request: The request.
            error: What is wrong.
            status: HTTP status.

        Returns:
            A response.
        """
        if "text/html" in request.headers.get("accept", ""):
            return self.render("refused.html", request, status, problem=str(error))
        return JSONResponse({"error": str(error)}, status)

    def http_error(self, request: Request, error: HTTPException) -> Response:
        """An address that does not exist, or a method that it does not have."""
        return self.error(request, RmkerasError(error.detail), error.status_code)

    async def home(self, request: Request) -> Response:
        """The task, or for a stranger the door."""
        rater = self.sessions.rater(request)
        if rater is None:
            return self.render("door.html", request, problem=None, name="")
        name = self.sessions.cookie
        return self.render("task.html", request, rater=rater, store_name=name)

    async def come_in(self, request: Request) -> Response:
        """An invitation link."""
        rater = self.store.rater_of_token(request.path_params["token"])
        if rater is None:
            self.sessions.stranger(request)
            problem = "This link lets nobody in. Ask for a new one."
            return self.render("door.html", request, 403, problem=problem, name="")
        place = "/teach" if rater.role == "teacher" else "/"
        return self.sessions.let_in(RedirectResponse(place, 303), rater, request)

    async def name(self, request: Request) -> Response:
        """A name typed at the door; on this machine only."""
        self.sessions.stranger(request)
        check_origin(request)
        form = await read_form(request)
        if self.public:
            raise Refused(403, "only an invitation link lets you in here")
        name = form.get("name", "")
        try:
            rater = await self.writer.run(self.store.rater, name)
            if rater.invited or not rater.active:
                raise RmkerasError(f"{rater.name} comes in by their own link only")
        except RmkerasError as error:
            return self.render(
                "door.html", request, 400, problem=str(error), name=name[:80]
            )
        return self.sessions.let_in(RedirectResponse("/", 303), rater, request)

    async def go_out(self, request: Request) -> Response:
        """Ends the session."""
        check_origin(request)
        role = "teacher" if request.url.path.startswith("/teach") else "rater"
        response = RedirectResponse("/", 303)
        response.delete_cookie(self.sessions.cookie_of(role))
        return response

    async def next(self, request: Request) -> Response:
        """What to ask now."""
        rater = self.sessions.need(request, "rater")
        return JSONResponse(await self.writer.run(self._next, rater))

    def _next(self, rater: Rater) -> dict[str, Any]:
        asked = self.store.next_item(rater)
        progress = self.store.progress(rater)
        return {
            "asked": asked and _asked(asked),
            "answered": progress.answered,
            "skipped": progress.skipped,
            "left": progress.left,
            "last": self.store.last_answer(rater),
        }

    async def answer(self, request: Request) -> Response:
        """Stores an answer; the response comes when it is on the disk."""
        rater, sent = await self._change(request, LARGEST_ANSWER)
        result = await self.writer.run(self._answer, rater, sent)
        return JSONResponse(result)

    def _answer(self, rater: Rater, sent: Mapping[str, Any]) -> dict[str, Any]:
        value, number, seconds = (sent.get(n) for n in ("value", "item", "seconds"))
        if not isinstance(value, dict):
            raise RmkerasError("value: expected an object")
        if isinstance(seconds, float) and not math.isfinite(seconds):
            seconds = None  # 1e999 is infinity to the JSON parser.
        asked = self.store.assignment(rater, number)
        value = from_shown(asked.item, asked.shown, value)
        given = self.store.answer(sent.get("id"), rater, number, value, seconds)
        return {"stored": given.id} | self._next(rater)

    async def undo(self, request: Request) -> Response:
        """Takes an answer back."""
        rater, sent = await self._change(request, LARGEST_FORM)
        return JSONResponse(await self.writer.run(self._undo, rater, sent))

    def _undo(self, rater: Rater, sent: Mapping[str, Any]) -> dict[str, Any]:
        name = sent.get("id")
        if name is not None and not isinstance(name, str):
            raise RmkerasError("id: expected the id of an answer, or none")
        asked = self.store.undo(rater, name)
        return {"undone": asked is not None} | self._next(rater)

    async def _change(self, request: Request, largest: int):
        """Who changes what, all checks made before the body is read."""
        rater = self.sessions.need(request, "rater")
        check_origin(request)
        self.sessions.check_csrf(request, request.headers.get("x-csrf-token"))
        return rater, await read_json(request, largest)

    async def file(self, request: Request) -> Response:
        """A style sheet, a script or the icon."""
        data, kind = self.static.get(request.path_params["name"], (None, None))
        if data is None:
            raise Refused(404, "there is no such file")
        headers = {"cache-control": "max-age=31536000, immutable"}
        return Response(data, media_type=kind, headers=headers)

    async def read(self, function, *args: Any) -> Any:
        """Runs something slow that only reads, beside the event loop.

        Args:
            function: Called with `args` in a thread.
            *args: Its arguments.

        Returns:
            What it returned.
        """
        return await anyio.to_thread.run_sync(function, *args)


def _asked(asked: Assignment) -> dict[str, Any]:
    item = asked.item
    value = asked.value
    return {
        "item": item.id,
        "task": item.task,
        "prompt": item.prompt,
        "texts": list(asked.texts),
        "aspect": item.aspect,
        "value": value and as_shown(item, asked.shown, value),
    }
