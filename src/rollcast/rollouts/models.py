"""The rows of a rollout: the truth that every process shares.

Read and written only by `actions` (states, events, audit), `leases` (heartbeats, holders, fences), `queries`
and `admin`; the import contract keeps it so. `version` goes up with every change of a row that a page shows,
so that a page can drop an event older than what it has. `fence` goes up with every claim, so that a worker
that lost its lease changes nothing.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from typing_extensions import override

from rollcast.engine.accept import REASON_LENGTH
from rollcast.engine.states import RolloutState, StepState, StopEvidence, TargetState, Wanted

# Room for the longest state or reason code; reasons are short words, their texts live in the pages.
CODE_LENGTH = 40
# Characters of what a host or a program said of a failure: two lines on a page, and no flood in the feed.
DETAIL_LENGTH = 300


class RecipeRevision(models.Model):
    """One text of a recipe, never changed: a rollout runs what was on the screen when it was started."""

    name = models.CharField(max_length=200)
    sha256 = models.CharField(max_length=64)
    text = models.TextField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["name", "sha256"], name="one_row_per_recipe_text"),
        ]

    @override
    def __str__(self) -> str:
        return f"{self.name} {self.sha256[:12]}"


class Artifact(models.Model):
    """A file that `upload` steps bring to hosts, as it was when a rollout was started."""

    sha256 = models.CharField(max_length=64)
    size = models.BigIntegerField()
    path = models.CharField(max_length=1000)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["sha256", "path"], name="one_row_per_artifact_and_path"),
        ]

    @override
    def __str__(self) -> str:
        return f"{self.path} {self.sha256[:12]}"


class Worker(models.Model):
    """The heartbeat of one worker process; by its age or absence the others know that it is gone."""

    name = models.CharField(max_length=200, unique=True)
    beat_at = models.FloatField()  # Unix time in seconds
    started_at = models.FloatField()
    info = models.JSONField(default=dict)
    refused = models.JSONField(default=dict)  # leases.Refused, while the database takes none of its ticks

    @override
    def __str__(self) -> str:
        return self.name


class Rollout(models.Model):
    """One change brought to many hosts."""

    revision = models.ForeignKey(RecipeRevision, on_delete=models.PROTECT, related_name="rollouts")
    title = models.CharField(max_length=300)
    params = models.JSONField(default=dict)  # name -> text, as bound by the engine
    files = models.JSONField(default=dict)  # name of an uploaded file -> id of its Artifact
    selector = models.CharField(max_length=1000, blank=True)
    waves = models.CharField(max_length=300)
    parallel = models.PositiveIntegerField()
    failure_budget = models.CharField(max_length=20)
    failure_limit = models.PositiveIntegerField()
    state = models.CharField(max_length=CODE_LENGTH, choices=[(s.value, s.value) for s in RolloutState])
    wanted = models.CharField(max_length=CODE_LENGTH, choices=[(w.value, w.value) for w in Wanted])
    reason = models.CharField(max_length=CODE_LENGTH, blank=True)
    version = models.PositiveIntegerField(default=1)
    conductor = models.ForeignKey(Worker, null=True, on_delete=models.SET_NULL, related_name="conducts")
    fence = models.PositiveIntegerField(default=0)
    idempotency_key = models.CharField(max_length=200, unique=True, null=True)
    request_sha256 = models.CharField(max_length=64, blank=True)  # of what was asked for with that key
    created_by = models.CharField(max_length=200)
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        permissions: ClassVar = [("operate", "May start, pause, resume, cancel, accept and retry rollouts")]
        indexes: ClassVar = [models.Index(fields=["state"])]

    @override
    def __str__(self) -> str:
        return f"{self.pk} {self.title}"


class Target(models.Model):
    """One host within one rollout; its name and address are copied, the host itself may go."""

    rollout = models.ForeignKey(Rollout, on_delete=models.CASCADE, related_name="targets")
    host = models.ForeignKey("rollcast_fleet.Host", null=True, on_delete=models.SET_NULL, related_name="+")
    name = models.CharField(max_length=200)
    address = models.CharField(max_length=300)
    wave = models.PositiveIntegerField()
    state = models.CharField(max_length=CODE_LENGTH, choices=[(s.value, s.value) for s in TargetState])
    since = models.DateTimeField()  # when it came into its state
    step_index = models.PositiveIntegerField(default=0)
    reason = models.CharField(max_length=CODE_LENGTH, blank=True)
    detail = models.CharField(max_length=DETAIL_LENGTH, blank=True)  # in the words of who knows more
    version = models.PositiveIntegerField(default=1)
    worker = models.ForeignKey(Worker, null=True, on_delete=models.SET_NULL, related_name="targets")
    fence = models.PositiveIntegerField(default=0)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["rollout", "name"], name="a_host_is_once_in_a_rollout"),
        ]
        indexes: ClassVar = [models.Index(fields=["state"])]

    @override
    def __str__(self) -> str:
        return f"{self.pk} {self.name} in {self.rollout_id}"


class StepRun(models.Model):
    """One execution of a step on a target. `journal_*` is the verified account of a step that ended."""

    target = models.ForeignKey(Target, on_delete=models.CASCADE, related_name="step_runs")
    step_index = models.PositiveIntegerField()
    attempt = models.PositiveIntegerField()
    state = models.CharField(max_length=CODE_LENGTH, choices=[(s.value, s.value) for s in StepState])
    exit_code = models.IntegerField(null=True)
    reason = models.CharField(max_length=CODE_LENGTH, blank=True)
    detail = models.CharField(max_length=DETAIL_LENGTH, blank=True)
    journal_bytes = models.BigIntegerField(null=True)
    journal_sha256 = models.CharField(max_length=64, blank=True)
    # What was read and stored, by whom it was read: [[from, to, sha256], …] in bytes of the journal.
    stretches = models.JSONField(default=list)
    retried = models.BooleanField(default=False)  # a person allowed one more attempt after this one
    after_end_bytes = models.BigIntegerField(default=0)
    stop_evidence = models.CharField(
        max_length=CODE_LENGTH, blank=True, choices=[(e.value, e.value) for e in StopEvidence]
    )
    # Who took it on themselves that a stop is unconfirmed, and why; empty unless somebody did.
    accepted_by = models.CharField(max_length=200, blank=True)
    accepted_reason = models.CharField(max_length=REASON_LENGTH, blank=True)
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    version = models.PositiveIntegerField(default=1)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["target", "step_index", "attempt"], name="one_row_per_attempt_of_a_step"
            ),
        ]

    @override
    def __str__(self) -> str:
        return f"t{self.target_id}/s{self.step_index}/a{self.attempt} {self.state}"
