"""The teacher's page: invitations, progress, agreement, export."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from rmkeras.errors import RmkerasError
from rmkeras.feedback.export import (
    EXPORTS,
    default_kind,
    export_answers,
    export_records,
)
from rmkeras.feedback.overview import overview
from rmkeras.feedback.people import Rater
from rmkeras.feedback.web import Refused, check_origin, read_form

MOST_NAMES = 500
"""Most invitations at once."""


class TeacherPages:
    """What only the teacher gets; see `create_app`.

    Args:
        pages: The other pages, for the store, the sessions and the templates.
        url: How people reach the server, or None.
    """

    def __init__(self, pages, url: str | None):
        self.pages = pages
        self.store = pages.store
        self.url = url

    def routes(self) -> list[Route]:
        """Returns the routes.

        Returns:
            A list.
        """
        return [
            Route("/teach", self.page),
            Route("/teach/invite", self.invite, methods=["POST"]),
            Route("/teach/rater", self.change_rater, methods=["POST"]),
            Route("/teach/export", self.export),
        ]

    def _link(self, request: Request, rater: Rater) -> str:
        base = self.url or f"{request.url.scheme}://{request.headers['host']}"
        return f"{base.rstrip('/')}/in/{self.store.token(rater)}"

    async def page(self, request: Request) -> Response:
        """Everything at a glance."""
        self.pages.sessions.need(request, "teacher")
        return await self._page(request)

    async def _page(self, request, status=200, problem=None, names="") -> Response:
        found, links = await self.pages.read(self._gather, request)
        return self.pages.render(
            "teach.html",
            request,
            status,
            "teacher",
            found=found,
            links=links,
            exports=EXPORTS,
            default=default_kind(self.store),
            problem=problem,
            names=names,
        )

    def _gather(self, request: Request):
        links = {r.id: self._link(request, r) for r in self.store.raters() if r.invited}
        return overview(self.store), links

    async def _form(self, request: Request) -> dict[str, Any]:
        self.pages.sessions.need(request, "teacher")
        check_origin(request)
        form = await read_form(request)
        self.pages.sessions.check_csrf(request, form.get("csrf"), "teacher")
        return form

    async def invite(self, request: Request) -> Response:
        """Adds raters, one name a line."""
        form = await self._form(request)
        text = form.get("names", "")
        names = [line for line in text.splitlines() if line.strip()]
        try:
            if not 1 <= len(names) <= MOST_NAMES:
                raise RmkerasError(
                    f"{len(names)} names; expected from 1 to {MOST_NAMES}, one a line"
                )
            await self.pages.writer.run(self.store.invite, names)
        except RmkerasError as error:
            return await self._page(request, 400, str(error), text[:10_000])
        return RedirectResponse("/teach#links", 303)

    async def change_rater(self, request: Request) -> Response:
        """Renews a link, shuts a rater out, or lets them in again."""
        form = await self._form(request)
        raters = {str(r.id): r for r in self.store.raters()}
        if (rater := raters.get(form.get("rater", ""))) is None:
            raise Refused(404, "there is no such rater")
        changes = {
            "renew": (self.store.renew, rater),
            "shut": (self.store.set_active, rater, False),
            "open": (self.store.set_active, rater, True),
        }
        if (change := changes.get(form.get("what", ""))) is None:
            raise Refused(400, "what: expected renew, shut or open")
        await self.pages.writer.run(*change)
        return RedirectResponse("/teach#raters", 303)

    async def export(self, request: Request) -> Response:
        """The answers as a feedback file, or with everything known about them."""
        self.pages.sessions.need(request, "teacher")
        kind = request.query_params.get("type", default_kind(self.store))
        anonymous = request.query_params.get("anonymous") == "1"
        if kind == "answers":
            rows = export_answers(self.store, anonymous)
        elif kind in EXPORTS:
            records = export_records(self.store, kind, anonymous=anonymous)
            rows = (record.to_dict() for record in records)
        else:
            raise Refused(400, f"type: expected {', '.join(EXPORTS)} or answers")
        return StreamingResponse(
            _lines(rows),
            media_type="application/x-ndjson",
            headers={"content-disposition": f'attachment; filename="{kind}.jsonl"'},
        )


def _lines(rows: Iterator[dict[str, Any]]) -> Iterator[str]:
    for row in rows:
        yield json.dumps(row, ensure_ascii=False) + "\n"
