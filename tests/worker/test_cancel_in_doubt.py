"""Cancels that nobody can be sure of at once: no one is told `stopped` before the host has seen to it."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rollcast.rollouts import actions
from rollcast.rollouts.models import StepRun
from tests.missing import need
from tests.remote.hosts import openssh_host
from tests.remote.processes import is_alive, processes_of
from tests.waiting import eventually
from tests.worker.conftest import Bench, Cable
from tests.worker.test_over_ssh import SshBench

SLEEPS = "- name: sleeps\n  rerun: always\n  run: |\n    echo $$ > $HOME/pid\n    sleep 300\n"
BUILD = b"\0\1\2" * 70_000


def text_of(file: Path) -> str:
    """What stands in the file; nothing while there is none."""
    return file.read_text() if file.exists() else ""


def test_a_step_whose_folder_is_gone_is_not_believed_to_be_stopped(bench: Bench, settings: Any) -> None:
    settings.ROLLCAST = {**settings.ROLLCAST, "SILENCE_LOOK_S": 60.0}  # no look may miss it before the cancel
    bench.hosts("a")
    bench.recipe(SLEEPS)
    first = bench.worker()
    rollout = bench.start()
    bench.until_step(rollout, 0, "running")
    pid = int(eventually(lambda: text_of(bench.home / "pid")))
    (run,) = bench.run_folders(rollout)
    shutil.rmtree(run.parent)
    try:
        actions.cancel_rollout(rollout, "user:olga")
        bench.until(rollout, lambda page: page["targets"][0]["steps"][0]["stop_evidence"] == "unconfirmed")
        assert first.stop(timeout_s=20)
        StepRun.objects.update(detail="")
        bench.worker()  # meets the folder that the stop has sealed, and says it again
        bench.until(rollout, lambda page: "folder is gone" in page["targets"][0]["steps"][0]["detail"])
        (target,) = bench.page(rollout)["targets"]
        assert (target["state"], target["steps"][0]["stop_evidence"]) == ("cancelling", "unconfirmed")
        assert is_alive(pid)
        actions.accept_rollout(rollout, "user:olga", ["a"], "I have ended it by hand")
        page = bench.until_ended(rollout)
        assert page["targets"][0]["steps"][0]["stop_evidence"] == "unconfirmed"
    finally:
        os.killpg(os.getsid(pid), signal.SIGKILL)


# Hashes what comes like the host's own, but keeps the file of the test waiting for the gate `hash`.
SLOW_HASH = """#!/bin/sh
cat > "$0.$$"
if [ "$(stat -c %s "$0.$$")" = {size} ]; then
    touch {folder}/hashes
    until [ -e {folder}/hash ]; do sleep 0.05; done
fi
{sha256sum} < "$0.$$"
"""
UPLOADS = "- name: bring\n  upload: {{file: game.bin, to: {to}/game.bin}}\n"


@pytest.fixture
def slow_hash(bench: Bench, tmp_path: Path) -> Iterator[Path]:
    """The folder of a `sha256sum` that takes its time for the recipe's file, which goes to `tmp_path/to`."""
    (bench.files / "game.bin").write_bytes(BUILD)
    bench.recipe(UPLOADS.format(to=tmp_path / "to"))
    folder = tmp_path / "slow"
    folder.mkdir()
    text = SLOW_HASH.format(size=len(BUILD), folder=folder, sha256sum=need("sha256sum"))
    (folder / "sha256sum").write_text(text)
    (folder / "sha256sum").chmod(0o755)
    yield folder
    (folder / "hash").touch()


def test_an_upload_that_is_cancelled_while_the_host_checks_it_is_not_put_in_place(
    bench: Bench, slow_hash: Path, tmp_path: Path
) -> None:
    command = f'ForceCommand PATH={slow_hash}:$PATH sh -c "$SSH_ORIGINAL_COMMAND"'
    with openssh_host(tmp_path / "sshd", also=command) as host:
        SshBench(bench, host, tmp_path).import_host()
        rollout = bench.start()
        bench.worker()
        eventually((slow_hash / "hashes").exists, 20)
        actions.cancel_rollout(rollout, "user:olga")
        step = bench.until_ended(rollout)["targets"][0]["steps"][0]
        assert (step["state"], step["stop_evidence"]) == ("cancelled", "stopped")
        (slow_hash / "hash").touch()
        eventually(lambda: not processes_of(str(tmp_path / "to")), 20)
        assert list((tmp_path / "to").iterdir()) == []
        bench.stop_workers()


def test_an_upload_that_is_cancelled_without_contact_is_not_believed_to_be_over(
    bench: Bench, slow_hash: Path, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.ROLLCAST = {**settings.ROLLCAST, "CONNECT_DEADLINE_S": 60.0}  # the cancel comes before it ends
    monkeypatch.setenv("PATH", f"{slow_hash}:{os.environ['PATH']}")
    bench.hosts("a")
    cable = Cable()
    bench.worker(cable)
    rollout = bench.start()
    eventually((slow_hash / "hashes").exists, 20)
    cable.up = False
    cable.cut()
    actions.cancel_rollout(rollout, "user:olga")
    bench.until(rollout, lambda page: page["targets"][0]["steps"][0]["stop_evidence"] == "unconfirmed")
    assert bench.page(rollout)["rollout"]["state"] == "cancelling"
    cable.up = True
    page = bench.until_ended(rollout)
    assert page["targets"][0]["steps"][0]["stop_evidence"] == "stopped"
