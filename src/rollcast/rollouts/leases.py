"""Leases: who may act on a rollout or a target, and the number that proves it.

Station 4 of 12. The only writer of heartbeats, holders (`Rollout.conductor`, `Target.worker`) and fences.

What it promises
    1. A rollout is decided on, and a target acted on, by at most one worker *whose changes count*.
    2. Work whose holder is gone is taken over after at most LEASE_TRUST_S plus one sweep of another worker;
       by a worker on the same machine after that sweep alone.

The algorithm
    Each worker process has one row, in which it says which process it is, and writes the time into it every
    LEASE_BEAT_S. A *claim* is one transaction: rows that are not at their end and whose holder is nobody,
    somebody whose last beat is older than LEASE_TRUST_S, or a process that has surely ended (processes.py),
    get the claimer as their holder, and `fence + 1`. Every later change of state by the holder is made only
    if the row still has the fence that the holder got, in one transaction.

Why 1 is true
    Claims and changes of a row are put in one order by the database (its write lock, or the row's). After a
    claim the row's fence is one that no earlier holder knows, so a change by any of them touches no row and
    is told so (zero rows updated). Nothing here needs clocks to agree: a clock that jumps may move a lease
    too early, but it cannot make two holders' changes count.
    What the database cannot fence is a command on a host. There the holder stops by itself: `Trust` counts
    on its own monotonic clock from *before* the last successful beat was sent, and lapses one beat before
    anybody may claim. A process frozen between that look and its packet is the case left over; the runner
    answers it: each attempt's folder is taken once, and a new holder that finds an attempt `starting` seals
    it first (worker/detached.py). A process that has surely ended sends nothing more, so nothing is risked by
    not waiting until its trust has lapsed; what it sent before that is the frozen one's case again. Output
    needs no fence, as a journal's bytes at an offset are the same for everyone; it is accepted by its mark.

Why 2 is true
    A holder that is gone beats no more, so the WHERE of the next claim matches; a holder that ends in order
    gives its rows back at once (`release`).

What would break it
    A change of state that does not look at the fence in its own transaction; counting trust from after the
    beat was written; calling a process ended that is only out of sight; a worker that uses a name twice;
    setting LEASE_TRUST_S below a few beats.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from django.db import transaction
from django.db.models import F, Q, QuerySet

from rollcast.conf import option
from rollcast.engine.states import ROLLOUT_ENDS, TargetState
from rollcast.rollouts.models import Rollout, Target, Worker
from rollcast.rollouts.processes import surely_gone

# A target in one of these states needs somebody who acts on it.
WORKED_ON = [TargetState.RUNNING.value, TargetState.LOST.value, TargetState.CANCELLING.value]

# So many beats that did not come are more than a busy moment.
MISSED_BEATS = 2


@dataclass(frozen=True)
class Silent:
    """A worker that is not heard: its name and last beat (Unix time, s)."""

    name: str
    beat_at: float


@dataclass(frozen=True)
class Held:
    """A row that a worker holds: its id and the fence that proves it.

    `before`: from whom it was claimed; None where nobody held it.
    """

    id: int
    fence: int
    before: Silent | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Hold:
    """A row as somebody looking on sees it: the rollout's or a target's, and the process that holds it."""

    row: str
    fence: int
    pid: int | None  # of the worker that holds it; None = nobody does


class Trust:
    """How long a worker may still act without having renewed: its own side of the lease.

    `monotonic` is a clock in seconds that never jumps. Not thread-safe; read it on the worker's loop.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._until = float("-inf")

    def before_beat(self) -> float:
        """The moment to count from; take it before the beat is sent."""
        return self._monotonic()

    def renewed(self, counted_from: float) -> None:
        """The beat sent after `counted_from` is written: trust ends one beat before others may claim."""
        trusted_for: float = option("LEASE_TRUST_S") - option("LEASE_BEAT_S")
        self._until = counted_from + trusted_for

    def holds(self) -> bool:
        """Whether the worker may act."""
        return self._monotonic() < self._until


def register(name: str, now: float, info: dict[str, object]) -> int:
    """Make the heartbeat row of a new worker process and answer its id; IntegrityError for a name in use."""
    return Worker.objects.create(name=name, beat_at=now, started_at=now, info=info).pk


@dataclass(frozen=True)
class Refused:
    """The database takes nothing of what a worker wants to store: since when (Unix time, s), in its words."""

    since: float
    why: str


@dataclass(frozen=True)
class Signs:
    """How many workers are trusted, the newest heartbeat, and the oldest refusal that a living one tells."""

    n_alive: int
    last_beat: float | None
    refused: Refused | None


def beat(worker_id: int, now: float, refused: Refused | None = None) -> bool:
    """Write the worker's heartbeat; False when its row is gone: it must stop acting."""
    told = {} if refused is None else {"since": refused.since, "why": refused.why}
    return Worker.objects.filter(pk=worker_id).update(beat_at=now, refused=told) == 1


def n_alive(now: float) -> int:
    """How many workers have renewed recently enough to be trusted."""
    return Worker.objects.filter(beat_at__gte=now - option("LEASE_TRUST_S")).count()


def signs_of_life(now: float) -> Signs:
    """What the heartbeats say."""
    rows = list(Worker.objects.values_list("beat_at", "refused"))
    alive = [refused for beat_at, refused in rows if beat_at >= now - option("LEASE_TRUST_S")]
    told = sorted((refused["since"], refused["why"]) for refused in alive if refused)
    return Signs(
        n_alive=len(alive),
        last_beat=max((beat_at for beat_at, _ in rows), default=None),
        refused=Refused(*told[0]) if told else None,
    )


def silent_holder(now: float) -> Silent | None:
    """The worker that holds targets and has been silent for longest; None while all of them are heard."""
    late = now - MISSED_BEATS * option("LEASE_BEAT_S")
    held = Worker.objects.filter(beat_at__lt=late, targets__state__in=WORKED_ON).order_by("beat_at")
    found = held.values_list("name", "beat_at").first()
    return None if found is None else Silent(*found)


def claim_rollouts(worker_id: int, now: float, limit: int) -> list[Held]:
    """Take up to `limit` unfinished rollouts that nobody conducts; answers what was taken."""
    open_ones = Rollout.objects.exclude(state__in=[state.value for state in ROLLOUT_ENDS])
    return _claim(open_ones, "conductor", worker_id, now, limit)


def claim_targets(worker_id: int, now: float, limit: int) -> list[Held]:
    """Take up to `limit` targets under way on which nobody acts; answers what was taken."""
    return _claim(Target.objects.filter(state__in=WORKED_ON), "worker", worker_id, now, limit)


def held_rollouts(worker_id: int) -> list[Held]:
    """The unfinished rollouts that the worker conducts, oldest first."""
    rows = Rollout.objects.filter(conductor=worker_id).exclude(
        state__in=[state.value for state in ROLLOUT_ENDS]
    )
    return [Held(pk, fence) for pk, fence in rows.order_by("pk").values_list("pk", "fence")]


def holds(rollout_id: int) -> list[Hold]:
    """Who holds what of the rollout that is under way: itself first, then its targets."""
    rollouts = Rollout.objects.filter(pk=rollout_id).exclude(state__in=[end.value for end in ROLLOUT_ENDS])
    targets = Target.objects.filter(rollout=rollout_id, state__in=WORKED_ON).order_by("pk")
    return [
        *(Hold("rollout", *row) for row in rollouts.values_list("fence", "conductor__info__pid")),
        *(Hold(f"t{pk}", *row) for pk, *row in targets.values_list("pk", "fence", "worker__info__pid")),
    ]


def release(worker_id: int) -> None:
    """Give everything back and take the heartbeat row away: the orderly end of a worker."""
    with transaction.atomic():
        Rollout.objects.filter(conductor=worker_id).update(conductor=None)
        Target.objects.filter(worker=worker_id).update(worker=None)
        Worker.objects.filter(pk=worker_id).delete()


def forget_gone(now: float) -> int:
    """Remove heartbeat rows that hold nothing and have been silent for an hour; answers how many."""
    silent = Worker.objects.filter(beat_at__lt=now - 3600)
    return silent.filter(conducts=None, targets=None).delete()[0]


def _claim(
    rows: QuerySet[Rollout] | QuerySet[Target], holder: str, worker_id: int, now: float, limit: int
) -> list[Held]:
    """Look and take in one transaction; the ids found before only bound its size."""
    if limit <= 0:
        return []
    trusted_since = now - option("LEASE_TRUST_S")
    gone = Q(**{f"{holder}__isnull": True}) | Q(**{f"{holder}__beat_at__lt": trusted_since})
    free = rows.filter(gone | Q(**{f"{holder}__in": _ended_processes(worker_id, trusted_since)}))
    ids = list(free.order_by("pk").values_list("pk", flat=True)[:limit])
    if not ids:
        return []
    with transaction.atomic():
        # Under a lock where the database has row locks: two claimers must not both see a row as free.
        locked = free.select_for_update(of=("self",), skip_locked=True)
        columns = ("pk", "fence", f"{holder}__name", f"{holder}__beat_at")
        taken = list(locked.filter(pk__in=ids).order_by("pk").values_list(*columns))
        rows.model._default_manager.filter(pk__in=[pk for pk, *_ in taken]).update(
            **{holder: worker_id, "fence": F("fence") + 1}
        )
    return [
        Held(pk, fence + 1, None if name is None else Silent(name, beat_at))
        for pk, fence, name, beat_at in taken
    ]


def _ended_processes(asking: int, trusted_since: float) -> list[int]:
    """The workers that would still be trusted, had their processes not ended on this very machine."""
    trusted = Worker.objects.filter(beat_at__gte=trusted_since).exclude(pk=asking)
    return [pk for pk, info in trusted.values_list("pk", "info") if surely_gone(info)]
