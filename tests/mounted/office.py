"""The back office of the project beside this file, set up for a test."""

from __future__ import annotations

from pathlib import Path

from tests.foreign import ForeignProject

HERE = Path(__file__).parent
PASSWORD = "long and secret"
PEOPLE = f"""
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission

people = get_user_model().objects
olga = people.create_user("olga@office.test", {PASSWORD!r}, is_staff=True)
olga.user_permissions.add(
    Permission.objects.get(content_type__app_label="rollcast_rollouts", codename="operate")
)
people.create_user("paul@office.test", {PASSWORD!r}, is_staff=True)
people.create_user("boss@office.test", {PASSWORD!r}, is_staff=True, is_superuser=True)
"""
RECIPE = """\
name: greet
title: Greet the players
parameters:
  word: {type: string, default: hello}
steps:
  - name: greet
    run: for i in $(seq 100); do echo "$WORD $i 你好"; done
  - name: wait for the test
    run: until [ -e "$HOME/go" ]; do sleep 0.1; done
  - name: leave
    run: echo gone
"""
# What `rollcast up` is made of: a project of somebody else's has none of it.
BARRED = ("rollcast.config", "rollcast.cli", "rollcast.demo")


def office_in(home: Path) -> ForeignProject:
    """The back office with its data in this folder."""
    return ForeignProject(HERE, "backoffice", home, BARRED)


def open_office(home: Path) -> ForeignProject:
    """A back office with its tables, its people, and a recipe."""
    office = office_in(home)
    office.manage("migrate", "--verbosity", "0")
    office.manage("shell", "--verbosity", "0", "--command", PEOPLE)
    recipes = home / "rollcast" / "recipes"
    recipes.mkdir(parents=True)
    (recipes / "greet.yml").write_text(RECIPE, "utf-8")
    return office
