"""`rollcast rollout start | list | show | watch | pause | resume | cancel | accept | retry`."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping
from typing import Any

from rollcast.cli.arguments import Commands, add_home, add_json
from rollcast.cli.installation import actor, open_installation
from rollcast.cli.said import BAD_INPUT, OK, print_json, print_table, problem_json, say
from rollcast.cli.showing import print_rollout


def add_to(commands: Commands) -> None:
    """Add the commands."""
    verbs = commands.add_parser("rollout", help="start, follow and steer").add_subparsers(
        metavar="VERB", required=True
    )
    _add_start(verbs)
    listing = _add(verbs, "list", "show the rollouts, newest first", list_rollouts)
    listing.add_argument("--page", type=int, default=1)
    _add(verbs, "show", "show one rollout, host by host", show, numbered=True)
    _add(
        verbs,
        "watch",
        "follow its output until it ends; exit code 0 if it succeeded (failures within its budget)",
        watch,
        numbered=True,
    )
    for verb, text in (
        ("pause", "start no further step; what runs ends"),
        ("resume", "go on after a pause"),
        (
            "cancel",
            "end what runs on the hosts, start nothing more; again: ask hosts that did not confirm it",
        ),
    ):
        _add(verbs, verb, text, ask, numbered=True).set_defaults(verb=verb)
    _add_accept(verbs)
    retry = _add(verbs, "retry", "failed hosts again, from the failed step", ask, numbered=True)
    retry.add_argument(
        "hosts", nargs="*", metavar="HOST", help="only these (default: all that failed or wait)"
    )
    retry.set_defaults(verb="retry")


def _add(
    verbs: Commands,
    verb: str,
    text: str,
    act: Callable[[argparse.Namespace], int],
    *,
    numbered: bool = False,
) -> argparse.ArgumentParser:
    parser = verbs.add_parser(verb, help=text)
    if numbered:
        parser.add_argument("id", type=int, metavar="ID")
    add_json(parser)
    add_home(parser)
    parser.set_defaults(act=act)
    return parser


def _add_accept(verbs: Commands) -> None:
    text = "let hosts that did not confirm their cancel count as cancelled"
    parser = _add(verbs, "accept", text, ask, numbered=True)
    parser.add_argument(
        "--host", action="append", default=[], dest="hosts", metavar="NAME", help="may be repeated"
    )
    parser.add_argument("--reason", default="", help="why that is safe; it is kept with your name")
    parser.set_defaults(verb="accept")


def _add_start(verbs: Commands) -> None:
    parser = _add(verbs, "start", "start a recipe on the hosts that a selector names", start)
    parser.add_argument("recipe", metavar="RECIPE", help="its name")
    parser.add_argument("--param", action="append", default=[], metavar="NAME=VALUE", help="may be repeated")
    parser.add_argument("--selector", default="", help="such as 'zone=eu,us tag!=maint name~bj-*'; '*' = all")
    parser.add_argument("--waves", default="", help="such as '1, 25%%, rest'")
    parser.add_argument("--parallel", type=int, help="hosts at a time")
    parser.add_argument("--failure-budget", default="", help="failures that are accepted: a number or N%%")
    parser.add_argument("--key", help="a start with the same key again is the same rollout")
    parser.add_argument("--preview", action="store_true", help="only show which hosts go in which wave")
    parser.add_argument("--watch", action="store_true", help="follow it until it ends")


def start(given: argparse.Namespace) -> int:
    """Start a rollout, or show what a start would do."""
    if any("=" not in item for item in given.param):
        say("--param wants NAME=VALUE", "Example: --param version=1.42.0")
        return BAD_INPUT
    open_installation(given.home)
    from rollcast.rollouts import actions, leases

    request = actions.StartRequest(
        recipe=given.recipe,
        params=dict(item.split("=", 1) for item in given.param),
        selector=given.selector,
        waves=given.waves,
        parallel=given.parallel,
        failure_budget=given.failure_budget,
        idempotency_key=given.key,
    )
    if given.preview:
        return _preview(actions.preview_rollout(request), as_json=given.json)
    rollout_id = actions.start_rollout(request, actor())
    print_json({"id": rollout_id}) if given.json else print(f"rollout {rollout_id} started", flush=True)
    if not given.json and not given.watch and not leases.n_alive(time.time()):
        say("no worker is running, so nothing happens yet", "Start one: rollcast up, or rollcast worker.")
    return follow(rollout_id, as_json=given.json) if given.watch else OK


def _preview(preview: Any, *, as_json: bool) -> int:
    waves = [list(names) for names in preview.waves]
    if as_json:
        print_json(
            {
                "recipe": preview.recipe,
                "params": dict(preview.params),
                "waves": waves,
                "parallel": preview.parallel,
                "failure_limit": preview.failure_limit,
            }
        )
        return OK
    for number, names in enumerate(waves, 1):
        print(f"wave {number}: {', '.join(names)}")
    print(f"{preview.parallel} at a time; once more than {preview.failure_limit} failed, nothing more starts")
    return OK


def list_rollouts(given: argparse.Namespace) -> int:
    """Print one page of the rollouts."""
    open_installation(given.home)
    from rollcast.rollouts.queries import rollout_list

    found = rollout_list(given.page)
    if given.json:
        print_json(found)
        return OK
    print_table(
        ("ID", "TITLE", "STATE", "HOSTS", "BY"),
        (
            (row["id"], row["title"], row["state"], _counts(row), row["created_by"])
            for row in found["rollouts"]
        ),
    )
    if found["pages"] > 1:
        print(f"page {found['page']} of {found['pages']}")
    return OK


def _counts(row: Mapping[str, Any]) -> str:
    return ", ".join(f"{number} {state}" for state, number in row["targets"].items())


def show(given: argparse.Namespace) -> int:
    """Print one rollout with its targets."""
    open_installation(given.home)
    from rollcast.rollouts.queries import rollout_page
    from rollcast.rollouts.troubles import trouble_of

    page = rollout_page(given.id)
    troubles = {target["name"]: trouble_of(target) for target in page["targets"]}
    if given.json:
        for target in page["targets"]:
            trouble = troubles[target["name"]]
            target["problem"] = problem_json(trouble) if trouble else None
        print_json(page)
        return OK
    print_rollout(page, troubles)
    return OK


def watch(given: argparse.Namespace) -> int:
    """Follow a rollout."""
    open_installation(given.home)
    return follow(given.id, as_json=given.json)


def follow(rollout_id: int, *, as_json: bool) -> int:
    """Print the feed until the rollout ends; OK if it succeeded."""
    from rollcast.cli.watching import follow_feed

    return follow_feed(rollout_id, as_json=as_json)


def ask(given: argparse.Namespace) -> int:
    """Write down what a person wants of a rollout; a worker obeys."""
    open_installation(given.home)
    from rollcast.rollouts import actions

    if given.verb == "retry":
        actions.retry_rollout(given.id, actor(), given.hosts or None)
    elif given.verb == "accept":
        actions.accept_rollout(given.id, actor(), given.hosts, given.reason)
    else:
        asked = {
            "pause": actions.pause_rollout,
            "resume": actions.resume_rollout,
            "cancel": actions.cancel_rollout,
        }
        asked[given.verb](given.id, actor())
    said = {"id": given.id, "asked": given.verb}
    print_json(said) if given.json else print(f"rollout {given.id}: {given.verb} is asked for")
    return OK
