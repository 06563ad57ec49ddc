"""The three doors behind one face. What a door says comes back as text, as a person would read it."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import pytest
from django.test import Client

from rollcast.cli import main


class Door(Protocol):
    """What the table tests ask of a door; each raises AssertionError where the door did not refuse."""

    def start(self, asked: Mapping[str, Any]) -> str:
        """Start a rollout that must be refused: what was said, beginning with the place."""

    def check_recipe(self, file: Path) -> str:
        """Look at a recipe file that is wrong: what was said."""

    def show(self, rollout_id: int) -> str:
        """Look at a rollout: what is said about it."""

    def accept(self, rollout_id: int, host: str, reason: str) -> str:
        """Accept that the host did not confirm its cancel: "" if that was done, else what was said."""


class PageDoor:
    """The pages, as a browser gets them."""

    def __init__(self, browser: Client) -> None:
        self._browser = browser

    def start(self, asked: Mapping[str, Any]) -> str:
        """By the form: what stands beside each field."""
        typed = {key: str(value) for key, value in asked.items() if key not in ("recipe", "params")}
        typed |= {f"parameters.{key}": str(value) for key, value in asked["params"].items()}
        response = self._browser.post(f"/rollouts/new/?recipe={asked['recipe']}", typed)
        assert response.status_code in (422, 404), response
        beside = r'id="field-([\w-]+)-said"[^>]*>\s*<ul class="problems">(.*?)</ul>'
        found = re.findall(beside, response.content.decode(), re.DOTALL)
        return "\n".join(f"{place.replace('-', '.', 1)} {_text(said)}" for place, said in found)

    def check_recipe(self, file: Path) -> str:
        """By the recipe's page."""
        return _text(self._browser.get(f"/recipes/{file.stem}/").content.decode())

    def show(self, rollout_id: int) -> str:
        """By the rollout's page: its modules write name, reason and cure beside each host that failed."""
        page = self._browser.get(f"/rollouts/{rollout_id}/").content.decode()
        snapshot, cures = (_island(page, name) for name in ("rollout-snapshot", "rollout-cures"))
        return "\n".join(
            f"{target['name']} {target['address']} {target['reason']} "
            + cures[target["reason"] or _evidence(target)].replace("%(host)s", target["name"])
            for target in snapshot["targets"]
        )

    def accept(self, rollout_id: int, host: str, reason: str) -> str:
        """By the address that the page's button posts to."""
        page = self._browser.get(f"/rollouts/{rollout_id}/").content.decode()
        (address,) = re.findall(r'data-accept-url="([^"]+)"', page)
        return _accepted(self._browser, address, host, reason)


class ApiDoor:
    """The JSON API."""

    def __init__(self, browser: Client) -> None:
        self._browser = browser

    def start(self, asked: Mapping[str, Any]) -> str:
        """By POST; every problem on a line."""
        answer = self._browser.post("/api/rollouts", asked, content_type="application/json")
        assert answer.status_code == 422, answer
        return _lines(answer.json()["problems"])

    def check_recipe(self, file: Path) -> str:
        """By validation of the text."""
        body = {"text": file.read_text("utf-8"), "filename": file.name}
        answer = self._browser.post("/api/recipes/validate", body, content_type="application/json")
        return _lines(answer.json()["problems"])

    def show(self, rollout_id: int) -> str:
        """By GET; the problem of each target."""
        page = self._browser.get(f"/api/rollouts/{rollout_id}").json()
        return _lines(target["problem"] for target in page["targets"])

    def accept(self, rollout_id: int, host: str, reason: str) -> str:
        """By POST."""
        return _accepted(self._browser, f"/api/rollouts/{rollout_id}/accept", host, reason)


class CliDoor:
    """`rollcast …` in this process."""

    def __init__(self, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._home, self._capsys = home, capsys

    def start(self, asked: Mapping[str, Any]) -> str:
        """By `rollout start`; what stderr says, and nothing on stdout."""
        words = ["rollout", "start", str(asked["recipe"])]
        for name, value in asked["params"].items():
            words += ["--param", f"{name}={value}"]
        for name in asked.keys() - {"recipe", "params"}:
            words += [f"--{name.replace('_', '-')}", str(asked[name])]
        code, out, err = self._run(*words, "--home", str(self._home))
        assert (code, out) == (2, "")
        assert "Traceback" not in err
        return err.removeprefix("rollcast: ")

    def check_recipe(self, file: Path) -> str:
        """By `recipe validate`."""
        code, _, err = self._run("recipe", "validate", str(file))
        assert code == 2
        return err

    def show(self, rollout_id: int) -> str:
        """By `rollout show`."""
        code, out, err = self._run("rollout", "show", str(rollout_id), "--home", str(self._home))
        assert (code, err) == (0, "")
        _, as_json, _ = self._run("rollout", "show", str(rollout_id), "--json", "--home", str(self._home))
        for target in json.loads(as_json)["targets"]:
            assert f"{target['problem']['message']} {target['problem']['cure']}" in out
        return out

    def accept(self, rollout_id: int, host: str, reason: str) -> str:
        """By `rollout accept`."""
        words = ("rollout", "accept", str(rollout_id), "--host", host, "--reason", reason)
        code, out, err = self._run(*words, "--home", str(self._home))
        assert (code, bool(out)) == ((2, False) if err else (0, True))
        return err

    def _run(self, *words: str) -> tuple[int, str, str]:
        code = main(list(words))
        captured = self._capsys.readouterr()
        return code, captured.out, captured.err


def _evidence(target: Mapping[str, Any]) -> str:
    return str(target["steps"][-1]["stop_evidence"])


def _accepted(browser: Client, address: str, host: str, reason: str) -> str:
    answer = browser.post(address, {"targets": [host], "reason": reason}, content_type="application/json")
    if answer.status_code == 202:
        return ""
    assert answer.status_code == 422, answer
    return _lines(answer.json()["problems"])


def _lines(problems: Any) -> str:
    return "\n".join(
        " ".join(str(problem[key]) for key in ("file", "line", "field", "message", "cure") if problem[key])
        for problem in problems
    )


def _text(markup: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", markup)).split())


def _island(page: str, name: str) -> Any:
    found = re.search(rf'<script id="{name}" type="application/json">(.*?)</script>', page, re.DOTALL)
    assert found, name
    return json.loads(found[1])
