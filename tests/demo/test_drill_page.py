"""The page of the drill: shut like all others, a button that asks once, and what it says of a drill."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from pytest_django.fixtures import Settings

from rollcast.demo import asking

CLOSED = {
    "targets": {"failed": 2, "succeeded": 6},
    "lines": {"written": 812, "stored": 812, "received": 812},
    "bytes_same": True,
    "lost": 0,
    "repeated": 0,
    "disordered": 0,
    "closed": True,
}


def state(**more: Any) -> dict[str, Any]:
    """A drill that has just begun."""
    begun = {"seconds": 60, "began_ms": round(time.time() * 1000), "running": True, "rollout": 7}
    return begun | {"faults": [], "took": [], "account": None, "remarks": []} | more


@pytest.fixture
def home(settings: Settings, tmp_path: Path) -> Path:
    """The demo's console, without its processes."""
    settings.ROLLCAST = {**settings.ROLLCAST, "HOME": tmp_path}
    settings.ROOT_URLCONF = "rollcast.demo.urls"
    settings.INSTALLED_APPS = ["rollcast.demo", *settings.INSTALLED_APPS]
    settings.TEMPLATES = [dict(engine) for engine in settings.TEMPLATES]  # else the old folders are searched
    return tmp_path


@pytest.fixture
def client(home: Path, db: None) -> Client:
    """The browser of somebody who may operate."""
    user = User.objects.create_user("olga", password="x", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="operate"))
    browser = Client()
    browser.force_login(user)
    return browser


def test_the_page_has_a_place_in_the_navigation_and_a_button(client: Client) -> None:
    page = client.get("/drill/").content.decode()
    assert '<a href="/drill/" aria-current="page">' in page
    assert "Start the drill" in page
    assert '<a href="/drill/">' in client.get("/").content.decode()


def test_two_clicks_ask_for_one_drill(client: Client, home: Path) -> None:
    assert client.post("/drill/start", {"seconds": "30"}).status_code == 302
    assert asking.asked(home) == 30
    page = client.post("/drill/start", {"seconds": "180"}, follow=True).content.decode()
    assert "A drill is under way" in page
    assert "Start the drill" not in page
    assert asking.asked(home) == 30


def test_a_length_that_is_not_offered_is_the_usual_one(client: Client, home: Path) -> None:
    client.post("/drill/start", {"seconds": "86400"})
    assert asking.asked(home) == 60


def test_while_it_runs_the_page_looks_again_and_nobody_starts_another(client: Client, home: Path) -> None:
    fault = {"at_s": 2.1, "fault": "sshd_restart", "hit": ["eu-01"]}
    asking.say(home, state(faults=[fault, {"at_s": 4.0, "fault": "console_kill", "hit": ["console"]}]))
    page = client.get("/drill/").content.decode()
    assert 'hx-trigger="every 1s"' in page
    assert "SSH server killed and restarted" in page
    assert "Web and worker killed" in page
    assert '<a class="mono small" href="/fleet/eu-01/">' in page
    assert '<a class="mono small" href="/fleet/console/">' not in page
    assert 'href="/rollouts/7/"' in page
    client.post("/drill/start", {"seconds": "30"})
    assert asking.asked(home) is None


def test_at_the_end_it_shows_the_account(client: Client, home: Path) -> None:
    asking.say(home, state(running=False, account=CLOSED, took=[0.4, 3.2]))
    page = client.get("/drill/").content.decode()
    assert "The account is closed" in page
    assert "812" in page
    assert "the longest took 3.2 s" in page
    assert "hx-get" not in page
    assert "Start the drill" in page


def test_an_open_account_and_a_broken_drill_do_not_look_like_a_closed_one(client: Client, home: Path) -> None:
    asking.say(home, state(running=False, account=CLOSED | {"closed": False}, remarks=["eu-01 is lost"]))
    page = client.get("/drill/").content.decode()
    assert "The account is open" in page
    assert "eu-01 is lost" in page
    asking.say(home, state(running=False, remarks=["no answer"]))
    page = client.get("/drill/").content.decode()
    assert "The drill broke off" in page
    assert "no answer" in page


def test_a_drill_of_a_killed_demo_is_not_under_way_at_the_next_start(client: Client, home: Path) -> None:
    asking.ask(home, 60)
    asking.say(home, state())
    asking.forget_unfinished(home)
    page = client.get("/drill/").content.decode()
    assert "Start the drill" in page
    assert "hx-get" not in page


def test_only_an_operator_by_post_with_a_token_starts_a_drill(home: Path, client: Client) -> None:
    assert Client().get("/drill/").headers["Location"].startswith("/sign-in/")
    assert Client().post("/drill/start").headers["Location"].startswith("/sign-in/")
    powerless = Client()
    powerless.force_login(User.objects.create_user("paul", password="x"))
    assert powerless.get("/drill/").status_code == 403
    assert powerless.post("/drill/start").status_code == 403
    assert client.get("/drill/start").status_code == 405
    careless = Client(enforce_csrf_checks=True)
    careless.force_login(User.objects.get(username="olga"))
    assert careless.post("/drill/start", {"seconds": "30"}).status_code == 403
    assert asking.asked(home) is None
