"""`rollout watch`: the feed in a terminal, by a cursor of its own, until the feed is closed."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from rollcast.cli.said import FAILED, OK, print_json, result, say, shown, time_of_day

# Reading a head costs a millisecond; a person does not see a delay below this.
POLL_S: Final = 0.2
# So often it is asked what keeps everything from going on, as on the rollout's page.
ASK_S: Final = 5.0
_NEVER_SET: Final = threading.Event()


def follow_feed(rollout_id: int, *, as_json: bool) -> int:
    """Print everything from the rollout's beginning to its end; LookupError if there is none.

    What keeps everything from going on is said on stderr. Exit code OK if it succeeded, FAILED otherwise.
    """
    from rollcast.rollouts.queries import rollout_page

    page = rollout_page(rollout_id)
    screen = Screen(
        names={target["lane"]: target["name"] for target in page["targets"]},
        steps=[step["name"] for step in page["steps"]],
        colour=sys.stdout.isatty(),
    )
    for group in groups_of(page["feed"]["key"], Standstills().look):
        show(group, screen, as_json=as_json)
    page = rollout_page(rollout_id)
    state = page["rollout"]["state"]
    if not as_json:
        print(f"rollout {rollout_id} {result(state, (target['state'] for target in page['targets']))}")
    return OK if state == "succeeded" else FAILED


@dataclass(frozen=True)
class Hole:
    """So many events before seq `first` are no longer kept."""

    lost: int
    first: int


class Standstills:
    """Says once what keeps everything from going on, since when and the cure; and when it is over."""

    def __init__(self, every_s: float = ASK_S) -> None:
        self._every_s = every_s
        self._next = 0.0
        self._said: str | None = None

    def look(self) -> None:
        """Look again, if it is time; for whoever waits."""
        from rollcast.rollouts.standstill import standstill

        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + self._every_s
        found = standstill(time.time())
        code = found.problem.code if found else None
        if found and code != self._said:
            since = f" (since {time_of_day(round(found.since * 1000))})" if found.since else ""
            say(found.problem.message + since, found.problem.cure_text)
        elif self._said and not found:
            say("It goes on.")
        self._said = code


def groups_of(key: str, idle: Callable[[], None] = lambda: None) -> Iterator[Any]:
    """The feed's groups and Holes in order, waiting for more until it is closed and read to its head.

    `idle` is called while there is nothing new.
    """
    import livefeed

    after = 0
    while True:
        try:
            page = livefeed.read(key, after=after)
        except livefeed.EventsPruned as pruned:
            yield Hole(pruned.first - 1 - after, pruned.first)
            after = pruned.first - 1
            continue
        yield from page.groups
        after = page.to
        if after < page.head:
            continue
        if page.closed:
            return
        idle()
        _NEVER_SET.wait(POLL_S)


def show(group: Any, screen: Screen, *, as_json: bool) -> None:
    """Print a group or a Hole, as lines of a terminal or as JSON."""
    if as_json and isinstance(group, Hole):
        print_json({"pruned": group.lost, "first": group.first})
    elif as_json:
        _print_group(group, screen.names)
    else:
        for line in screen.hole(group) if isinstance(group, Hole) else screen.lines(group):
            print(line, flush=True)


def _print_group(group: Any, names: dict[str, str]) -> None:
    lane, kind, origin, at, first, items = group
    for number, data in enumerate(items):
        print_json(
            {
                "seq": first + number,
                "at": at,
                "host": names.get(lane),
                "kind": kind,
                "origin": origin,
                "data": data,
            }
        )


@dataclass
class Screen:
    """Turns events into lines of a terminal; pieces of a line wait for its end."""

    names: dict[str, str]
    steps: list[str]
    colour: bool
    _unfinished: dict[str, tuple[str | None, str]] = field(default_factory=dict)

    def lines(self, group: Any) -> Iterator[str]:
        """The finished lines of one group."""
        lane, kind, origin, _at, _first, items = group
        name = self.names.get(lane, lane)
        for data in items:
            if kind in ("line", "cont"):
                yield from self._output(lane, name, kind, origin, data)
            elif kind == "step.state" and data["state"] not in ("pending", "starting"):
                yield f"{name} · {self._step(data['step'])} {data['state']}{_why(data)}"
            elif kind == "target.state" and data["reason"]:
                yield f"{name} · {data['state']}{_why(data)}"
            elif kind == "rollout.state":
                yield f"rollout · {data['state']}{_why(data)}"
            elif kind == "rollout.accepted":
                hosts = ", ".join(data["targets"])
                said = f"{hosts} accepted as unconfirmed by {data['by']}: {data['reason']}"
                yield f"rollout · {shown(said, colour=False)}"
            elif kind == "target.taken_over":
                silent = time_of_day(data["silent_since_ms"])
                yield f"{name} · worker {data['before']} was silent since {silent}; {data['by']} goes on"

    def _output(self, lane: str, name: str, kind: str, origin: str | None, data: Any) -> Iterator[str]:
        text = str(data["text"]) if isinstance(data, dict) else str(data)
        of, begun = self._unfinished.pop(lane, (origin, ""))
        if of != origin:
            yield f"{name} | {shown(begun, colour=self.colour)}"
            begun = ""
        if kind == "cont":
            self._unfinished[lane] = (origin, begun + text)
        else:
            yield f"{name} | {shown(begun + text, colour=self.colour)}"

    def hole(self, hole: Hole) -> Iterator[str]:
        """What is missing, after the lines whose end will not come any more."""
        while self._unfinished:
            lane, (_, begun) = self._unfinished.popitem()
            yield f"{self.names.get(lane, lane)} | {shown(begun, colour=self.colour)}"
        yield f"rollout · {hole.lost} older {'event is' if hole.lost == 1 else 'events are'} no longer kept"

    def _step(self, index: int) -> str:
        return f"{index + 1} {self.steps[index]}" if index < len(self.steps) else str(index + 1)


def _why(data: dict[str, Any]) -> str:
    code = data.get("exit_code")
    parts = [
        f"exit {code}" if code else "",
        *(data.get(name, "") for name in ("reason", "stop_evidence", "detail")),
        f"since {time_of_day(data['since_ms'])}" if data["state"] == "lost" else "",
    ]
    said = shown(", ".join(part for part in parts if part), colour=False)
    return f" ({said})" if said else ""
