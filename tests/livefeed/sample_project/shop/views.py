"""Two ways to do the same long task, and one page that shows either.

`run_sync` works within its request, as views do that have grown: a proxy's time-out or a closed tab ends the
request, not the work, and the page does not need the answer. `run_async` answers at once and works on as a
task. What the page shows comes from the feed alone.
"""

from __future__ import annotations

import asyncio
import os
import socket
from typing import Final

from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import aget_object_or_404, get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_POST

import livefeed
from livefeed import Chunk

from .models import Import, Product

SUPPLIER: Final = ("127.0.0.1", int(os.environ["SUPPLIER_PORT"]))  # sends the list, row by row
# The loop keeps weak references only: a task that nobody holds may vanish.
_tasks: Final[set[asyncio.Task[None]]] = set()


@login_required
def home(request: HttpRequest) -> HttpResponse:
    """Choose how; POST makes an import and its feed."""
    if request.method != "POST":
        return render(request, "shop/home.html")
    with transaction.atomic():
        begun = Import.objects.create(owner_id=request.user.pk, kind=request.POST["kind"])
        livefeed.append(begun.feed, [Chunk("import", "asked", [None])])
    return HttpResponseRedirect(f"/imports/{begun.pk}/")


@login_required
def progress(request: HttpRequest, number: int) -> HttpResponse:
    """The bar and the rows."""
    shown = get_object_or_404(Import, pk=number, owner=request.user.pk)
    return render(request, "shop/progress.html", {"import": shown})


@login_required
@require_POST
def run_sync(request: HttpRequest, number: int) -> HttpResponse:
    """Do it here and now."""
    running = get_object_or_404(Import, pk=number, owner=request.user.pk)
    if not _begin(running):
        return HttpResponse("It runs already.", status=409)
    with socket.create_connection(SUPPLIER) as supplier, supplier.makefile(encoding="utf-8") as rows:
        livefeed.append(running.feed, [Chunk("import", "total", [int(next(rows))])])
        for row in rows:
            sku, price = row.split()
            with transaction.atomic():  # the product and the line that says so: both or neither
                Product.objects.update_or_create(sku=sku, defaults={"price": price})
                livefeed.append(running.feed, [Chunk("import", "row", [sku])])
    livefeed.close(running.feed)
    return HttpResponse("done")


@login_required
@require_POST
async def run_async(request: HttpRequest, number: int) -> HttpResponse:
    """Start it and answer."""
    user = await request.auser()
    running = await aget_object_or_404(Import, pk=number, owner=user.pk)
    if not await Import.objects.filter(pk=running.pk, begun_at=None).aupdate(begun_at=timezone.now()):
        return HttpResponse("It runs already.", status=409)
    task = asyncio.create_task(_work(running.feed))
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)
    return HttpResponse("begun", status=202)


def _begin(running: Import) -> bool:
    return Import.objects.filter(pk=running.pk, begun_at=None).update(begun_at=timezone.now()) == 1


async def _work(feed: str) -> None:
    rows, supplier = await asyncio.open_connection(*SUPPLIER)
    await livefeed.aappend(feed, [Chunk("import", "total", [int(await rows.readline())])])
    async for row in rows:
        sku, price = row.decode().split()
        await Product.objects.aupdate_or_create(sku=sku, defaults={"price": price})
        await livefeed.aappend(feed, [Chunk("import", "row", [sku])])
    supplier.close()
    await livefeed.aclose(feed)
