"""History pages: docs/protocol.md, section 6.

The groups of a page are the stored text, joined, never decoded (but for a page of one lane). A page that the
next frame did not fit into never changes in what it holds, so it carries an ETag, and nothing need be read to
compare that; browsers ask again each time, because rights may have gone.
"""

from __future__ import annotations

from functools import partial
from urllib.parse import quote

from django.contrib.auth.decorators import login_not_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseNotAllowed
from django.utils.cache import get_conditional_response, patch_vary_headers
from django.utils.text import compress_string

from livefeed.access import foreign_origin, may_read
from livefeed.frames import JSON, encode
from livefeed.log import FeedNotFound, FeedState, head
from livefeed.pages import EventsPruned, lane_groups, stored_frames
from livefeed.protocol import MAX_LANE_CHARS, PAGE_EVENTS, is_key, number, reset_reason
from livefeed.threads import on_page_thread

# Below this, compressing costs more than it saves: one packet either way.
GZIP_FROM_BYTES = 1400
# Random bytes in the gzip header: what a page weighs must not tell what stands in it.
GZIP_RANDOM_BYTES = 100


@login_not_required  # it asks itself, and answers 401 where a page would be redirected
@transaction.non_atomic_requests  # ATOMIC_REQUESTS would refuse an asynchronous view
async def history(request: HttpRequest) -> HttpResponseBase:
    """`GET livefeed/history?feed=KEY&epoch=E&after=N&limit=M&lane=KEY`."""
    if request.method not in {"GET", "HEAD"}:
        return HttpResponseNotAllowed(["GET", "HEAD"])
    return await on_page_thread(request.GET.get("feed", ""), partial(_answer, request))


def _answer(request: HttpRequest) -> HttpResponseBase:
    if not request.user.is_authenticated:
        return _json({"error": "sign_in"}, 401)
    query = request.GET
    try:
        feed, epoch = query["feed"], query.get("epoch") or None
        after, limit = number(query.get("after", "0")), number(query.get("limit", str(PAGE_EVENTS)))
    except (KeyError, ValueError):
        return _json({"error": "feed, after and limit are needed; after and limit are numbers"}, 400)
    if not is_key(feed) or after < 0 or limit < 1:
        return _json({"error": "feed, after or limit is out of range"}, 400)
    if epoch is None and after:
        return _json({"error": "a cursor needs its epoch"}, 400)
    lane = query.get("lane")
    if lane is not None and not (0 < len(lane) <= MAX_LANE_CHARS and lane.isprintable()):
        return _json({"error": "lane is out of range"}, 400)
    if foreign_origin(request) or not may_read(request.user, feed):
        return _json({"error": "forbidden"}, 403)
    page = partial(_page, request, feed, epoch, after, min(limit, PAGE_EVENTS), lane)
    try:
        try:
            return page()
        except EventsPruned:  # between its look at the head and its rows: the next look shows it
            return page()
    except FeedNotFound:
        return _json({"error": "not_found"}, 404)


def _page(
    request: HttpRequest, feed: str, epoch: str | None, after: int, limit: int, lane: str | None
) -> HttpResponseBase:
    state = head(feed)
    reason = reset_reason(epoch, after, current=state.epoch, first=state.first, head=state.head)
    if reason is not None:
        cause = {"reason": reason, "epoch": state.epoch, "first": state.first, "head": state.head}
        return _json({"reset": cause}, 409)
    of_lane = "" if lane is None else f"-{quote(lane, safe='')}"
    etag = f'W/"{state.epoch}-{after}-{limit}{of_lane}"'
    unchanged = get_conditional_response(request, etag=etag)
    if unchanged is not None:
        return _kept(unchanged, etag)
    to, groups = _groups(state, after, limit, lane)
    fields = {"feed": feed, "epoch": state.epoch, "first": state.first, "head": state.head}
    fields |= {"prev": after, "to": to, "closed": state.closed}
    response = _text(request, f'{encode(fields)[:-1]},"g":[{groups}]}}')
    # Without an ETag where more may come: the page is still growing.
    return response if to == state.head else _kept(response, etag)


def _groups(state: FeedState, after: int, limit: int, lane: str | None) -> tuple[int, str]:
    """(the seq up to which the page goes, its groups as JSON texts with commas between)."""
    if lane is not None:
        to, groups = lane_groups(state, after, limit, lane)
        return to, encode(groups)[1:-1]
    frames = stored_frames(state, after, limit)
    return frames[-1].to if frames else after, ",".join(frame.text[1:-1] for frame in frames)


def _kept(response: HttpResponseBase, etag: str) -> HttpResponseBase:
    response["ETag"] = etag
    response["Cache-Control"] = "private, no-cache"
    patch_vary_headers(response, ("Accept-Encoding", "Cookie"))
    return response


def _text(request: HttpRequest, text: str) -> HttpResponse:
    body = text.encode()
    packed = len(body) >= GZIP_FROM_BYTES and "gzip" in request.headers.get("Accept-Encoding", "")
    if packed:
        body = compress_string(body, max_random_bytes=GZIP_RANDOM_BYTES)
    response = HttpResponse(body, content_type="application/json")
    if packed:
        response["Content-Encoding"] = "gzip"
    response["Cache-Control"] = "private, no-cache"
    patch_vary_headers(response, ("Accept-Encoding", "Cookie"))
    return response


def _json(value: JSON, status: int) -> HttpResponse:
    response = HttpResponse(encode(value), status=status, content_type="application/json")
    response["Cache-Control"] = "no-store"
    return response
