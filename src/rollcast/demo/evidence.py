"""Where the account's sides are read: the journal files on the hosts, the stored feed, the rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from rollcast.demo.account import Account, Event, Journal, close_account
from rollcast.demo.receiving import events_of

_STORED_PAGE: Final = 5000


def account_of(host_folders: Path, page: dict[str, Any], received: list[Event]) -> Account:
    """The account of the rollout of which `page` is the API's answer, as of now."""
    from rollcast.engine.states import TARGET_ENDS

    return close_account(
        journals=read_journals(host_folders, page["rollout"]["id"]),
        stored=_stored(page["feed"]["key"]),
        received=received,
        target_states=[target["state"] for target in page["targets"]],
        end_states=frozenset(state.value for state in TARGET_ENDS),
    )


def read_journals(host_folders: Path, rollout_id: int) -> list[Journal]:
    """All journal files of the rollout, each with what was stored about it, in the order of the steps."""
    from livefeed import instance_epoch
    from rollcast.remote.connector import step_directory
    from rollcast.rollouts.queries import journal_account

    epoch = instance_epoch()
    journals = []
    known = set()
    for run in journal_account(rollout_id):
        directory = step_directory(epoch, rollout_id, run["target"], run["step"], run["attempt"])
        file = host_folders / run["name"] / directory / "run" / "journal"
        if not file.exists() and run["journal_bytes"] is None:
            continue  # a step without output: an upload, a wait
        known.add(file)
        journals.append(
            Journal(
                lane=f"t{run['target']}",
                origin=run["origin"],
                content=file.read_bytes() if file.exists() else b"",
                stored_bytes=run["journal_bytes"],
                stored_sha256=run["journal_sha256"],
            )
        )
    unknown = set(host_folders.glob(f"*/.rollcast/*/r{rollout_id}/*/*/*/run/journal")) - known
    return journals + [Journal("?", str(file), file.read_bytes(), None, "") for file in sorted(unknown)]


def _stored(key: str) -> list[Event]:
    import livefeed

    events: list[Event] = []
    after = 0
    while True:
        page = livefeed.read(key, after=after, limit=_STORED_PAGE)
        events.extend(events_of(page.groups))
        if page.to >= page.head:
            return events
        after = page.to
