"""The web page of a run: one small server on this machine, a token in its address, no request that goes elsewhere."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from synflow.errors import Damage, SynflowError, UsageError
from synflow.inspect.charts import drawn
from synflow.inspect.pages import environment, static
from synflow.inspect.web.desk import Desk, Replayer
from synflow.inspect.web.marks import EXCLUDED
from synflow.inspect.web.media import film, frame, picture
from synflow.store.metrics import CONTENT_TYPE

POLICY = (
    "default-src 'none'; img-src 'self' data:; media-src 'self'; style-src 'self'; script-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
STATIC = {"look.css": "text/css", "look.js": "text/javascript", "desk.js": "text/javascript"}
EXPORTS = ("marks.jsonl", "exclude.jsonl", *(f"bad-{kind}.jsonl" for kind in EXCLUDED))
LOCAL = ("127.0.0.1", "localhost", "::1")
MOST_FORM = 64 << 10
"""Bytes of a form that are read."""

Next = Callable[[Request], Awaitable[Response]]


class Gate(BaseHTTPMiddleware):
    """Lets in who knows the token, once by the address and then by a cookie, and tells browsers what a page may do."""

    def __init__(self, app: Any, token: str, hosts: tuple[str, ...]) -> None:
        super().__init__(app)
        self._token, self._hosts = token, hosts

    async def dispatch(self, request: Request, call_next: Next) -> Response:
        """Answer a request, or refuse it."""
        cookie = f"synflow-{request.url.port or 80}"
        if self._hosts and (request.url.hostname or "").strip("[]") not in self._hosts:
            return _guarded(PlainTextResponse("this server answers to its own address alone", 403))
        bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
        if request.url.path == "/metrics" and secrets.compare_digest(bearer.encode(), self._token.encode()):
            return _guarded(await call_next(request))
        given = request.query_params.get("token", "")
        if given and secrets.compare_digest(given.encode(), self._token.encode()):
            rest = [(name, value) for name, value in request.query_params.multi_items() if name != "token"]
            answer: Response = RedirectResponse(request.url.path + (f"?{urlencode(rest)}" if rest else ""), 303)
            answer.set_cookie(cookie, self._token, httponly=True, samesite="strict")
            return _guarded(answer)
        if not secrets.compare_digest(request.cookies.get(cookie, "").encode(), self._token.encode()):
            return _guarded(PlainTextResponse("open the address with its token, as the terminal shows it", 403))
        if request.method == "POST" and request.headers.get("sec-fetch-site", "same-origin") != "same-origin":
            return _guarded(PlainTextResponse("a form of another page", 403))
        return _guarded(await call_next(request))


def _guarded(answer: Response) -> Response:
    answer.headers["Content-Security-Policy"] = POLICY
    answer.headers["X-Content-Type-Options"] = "nosniff"
    answer.headers["Referrer-Policy"] = "no-referrer"
    answer.headers.setdefault("Cache-Control", "no-store")
    return answer


class Pages:
    """The pages, each a method: what is asked for in, HTML out."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self._templates = environment(lambda _sheet: "", drawn)

    def html(self, name: str, status: int = 200, **told: Any) -> HTMLResponse:
        """Return a page."""
        page = self._templates.get_template(name).render(desk=self.desk, **told)
        return HTMLResponse(page.encode("utf-8", errors="replace"), status)

    def home(self, _request: Request) -> Response:
        """The funnel and the counts; of a run under way, how far it is."""
        if self.desk.state() is not None:
            return self.html("live.html", state=self.desk.state(), newest=self.desk.newest(), page="home")
        return self.html("home.html", page="home", **self.desk.home())

    def pairs(self, request: Request) -> Response:
        """A page of pairs."""
        return self.html("pairs.html", page="pairs", **self.desk.pairs(dict(request.query_params)))

    def pair(self, request: Request) -> Response:
        """One pair and all it came from."""
        return self.html("pair.html", page="pairs", **self.desk.pair(request.path_params["pair"]))

    def dropped(self, request: Request) -> Response:
        """A page of what was dropped."""
        return self.html("dropped.html", page="dropped", **self.desk.dropped(dict(request.query_params)))

    def thresholds(self, _request: Request) -> Response:
        """The rules with their sliders."""
        return self.html("thresholds.html", page="thresholds", cuts=self.desk.cuts())

    def replay(self, request: Request) -> Response:
        """What another threshold would do, exactly."""
        key, value = request.query_params.get("key", ""), request.query_params.get("value", "")
        return self.html("replay.html", page="thresholds", key=key, value=value, told=self.desk.replay(key, value))

    def compare(self, _request: Request) -> Response:
        """This run and another one."""
        return self.html("compare.html", page="compare", told=self.desk.compare())

    def marks(self, _request: Request) -> Response:
        """What was marked."""
        return self.html("marks.html", page="marks", marks=list(self.desk.marks.all().values()))

    def export(self, request: Request) -> Response:
        """The marks, or the sources of bad pairs, as JSON lines."""
        name = request.path_params["name"]
        if name not in EXPORTS:
            raise HTTPException(404)
        if name == EXPORTS[0]:
            text = self.desk.marks.export(request.query_params.get("mark", ""))
        elif name == EXPORTS[1]:
            text = self.desk.marks.exclusion()
        else:
            text = self.desk.marks.excluded(name.removeprefix("bad-").removesuffix(".jsonl"))
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return Response(text.encode("utf-8", errors="replace"), headers=headers, media_type="application/jsonl")

    async def mark(self, request: Request) -> Response:
        """Mark a pair."""
        if int(request.headers.get("content-length") or MOST_FORM + 1) > MOST_FORM:
            raise HTTPException(413)
        form = parse_qs((await request.body()).decode("utf-8", errors="replace"))
        told = {name: form.get(name, [""])[0] for name in ("id", "mark", "note")}
        self.desk.mark(**told)
        if "application/json" in request.headers.get("accept", ""):
            return Response(status_code=204)
        return RedirectResponse(f"/pairs/{told['id']}", 303)

    def strip(self, request: Request) -> Response:
        """The pictures of one side of a pair."""
        place, side = request.path_params["row"], request.path_params["side"]
        return picture(lambda: self.desk.pictures.pair(self.desk.index, self.desk.row("pairs", place), side))

    def newest(self, request: Request) -> Response:
        """The pictures of one side of a pair that is in no shard yet."""
        return picture(lambda: self.desk.newest_sheet(request.path_params["pair"], request.path_params["side"]))

    def metrics(self, _request: Request) -> Response:
        """The run in numbers, for Prometheus."""
        return Response(self.desk.metrics(), media_type=CONTENT_TYPE)

    def frame(self, request: Request) -> Response:
        """One stored picture."""
        found = request.path_params
        return frame(self.desk.index, self.desk.row("pairs", found["row"]), found["side"], found["place"])

    def film(self, request: Request) -> Response:
        """The mp4 of one side of a pair."""
        found = request.path_params
        row = self.desk.row("pairs", found["row"])
        return film(self.desk.index, row, found["side"], request.headers.get("range", ""))

    def clip(self, request: Request) -> Response:
        """Pictures of what was dropped, from its source."""
        return picture(lambda: self.desk.reject_sheet(request.path_params["row"]))

    def static(self, request: Request) -> Response:
        """Style and scripts."""
        name = request.path_params["name"]
        if name not in STATIC:
            raise HTTPException(404)
        return Response(static(name), media_type=STATIC[name], headers={"Cache-Control": "private, max-age=60"})

    def failure(self, _request: Request, error: Exception) -> Response:
        """What went wrong, as a page with cause and remedy."""
        if isinstance(error, HTTPException):
            return self.html("failure.html", error.status_code, page="", cause=error.detail, remedy="")
        assert isinstance(error, SynflowError)
        status = 404 if isinstance(error, UsageError) else 410 if isinstance(error, Damage) else 409
        return self.html("failure.html", status, page="", cause=error.cause, remedy=error.remedy)

    def routes(self) -> list[Route]:
        """Return all addresses."""
        return [
            Route("/", self.home),
            Route("/pairs", self.pairs),
            Route("/pairs/{pair}", self.pair),
            Route("/dropped", self.dropped),
            Route("/thresholds", self.thresholds),
            Route("/replay", self.replay),
            Route("/compare", self.compare),
            Route("/marks", self.marks),
            Route("/mark", self.mark, methods=["POST"]),
            Route("/export/{name}", self.export),
            Route("/metrics", self.metrics),
            Route("/newest/{pair}/{side}.jpg", self.newest),
            Route("/strip/{row:int}/{side}.jpg", self.strip),
            Route("/frame/{row:int}/{side}/{place:int}.jpg", self.frame),
            Route("/film/{row:int}/{side}.mp4", self.film),
            Route("/clip/{row:int}.jpg", self.clip),
            Route("/static/{name}", self.static),
        ]


def web_app(
    root: Path,
    token: str,
    *,
    other: Path | None = None,
    replayer: Replayer | None = None,
    hosts: tuple[str, ...] = LOCAL,
) -> Starlette:
    """Return the app of the run in ``root``.

    Args:
        root: of the run.
        token: who does not know it is let see nothing.
        other: another run to compare it with.
        replayer: tells what other thresholds would do.
        hosts: names by which the server may be called; none for any.

    Raises:
        UsageError: there is no run in ``root``, or none in ``other``.
    """
    desk = Desk(root, other, replayer)
    pages = Pages(desk)
    app = Starlette(
        routes=pages.routes(),
        middleware=[Middleware(Gate, token=token, hosts=hosts)],
        exception_handlers={SynflowError: pages.failure, HTTPException: pages.failure},
    )
    app.state.desk = desk
    return app
