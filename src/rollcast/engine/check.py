"""The shell loop of a `check` step: one detached script on the host that repeats a command until it exits 0.

The loop runs on the host, so a cut connection does not stop it. It counts time by /proc/uptime, which no
clock jump moves. The command is handed over as one quoted word and run by `eval` in a subshell of its own:
whatever it says (`exit`, an unbalanced bracket) stays one failed try.
"""

from __future__ import annotations

import shlex
from typing import Final

from rollcast.engine.recipe_model import Step

_LOOP: Final = """\
rollcast_command={command}
rollcast_try=0
rollcast_now() {{ read -r rollcast_up rollcast_idle </proc/uptime; echo "${{rollcast_up%%.*}}"; }}
rollcast_began=$(rollcast_now)
while :; do
  rollcast_try=$((rollcast_try + 1))
  ( eval "$rollcast_command" )
  rollcast_code=$?
  rollcast_spent=$(( $(rollcast_now) - rollcast_began ))
  if [ "$rollcast_code" -eq 0 ]; then
    echo "check: passed at try $rollcast_try after $rollcast_spent s"
    exit 0
  fi
  if [ "$rollcast_spent" -ge {deadline} ]; then
    echo "check: deadline of {deadline_text} s reached at try $rollcast_try (exit $rollcast_code), {outcome}"
    exit {exit_code}
  fi
  echo "check: try $rollcast_try exited $rollcast_code, again in {every} s"
  sleep {every}
done
"""


def check_script(step: Step) -> str:
    """The POSIX sh text that a worker starts for a step of kind `check`.

    It exits 0 when the command did, or at the deadline with `on_deadline: go_on`; else 1 at the deadline. A
    try that hangs is ended by the step's timeout, by default one minute after the deadline.
    """
    goes_on = step.on_deadline == "go_on"
    return _LOOP.format(
        command=shlex.quote(step.script),
        deadline=-int(-step.deadline_s // 1),
        deadline_text=f"{step.deadline_s:g}",
        every=f"{step.every_s:.3f}".rstrip("0").rstrip("."),
        outcome="going on as the recipe says" if goes_on else "giving up",
        exit_code=0 if goes_on else 1,
    )
