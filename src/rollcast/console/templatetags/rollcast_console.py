"""Tags of the console's templates: icons, states, times, progress and problems."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import lucide
from django import template
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext, ngettext

from rollcast.access.permissions import may_operate as user_may_operate
from rollcast.conf import option
from rollcast.console import words
from rollcast.engine.states import TARGET_ENDS, WAITING_REASONS

register = template.Library()

ICON_PX: Final = 16
SHOWN_PARAMS: Final = 2

# From left to right in every progress bar: done well, done badly, under way, the rest.
ENDED: Final = tuple(end.value for end in TARGET_ENDS)
BAR_ORDER: Final = ("succeeded", "failed", "skipped", "cancelled", "running", "cancelling", "lost", "pending")


@register.simple_tag
def icon(name: str, size: int = ICON_PX) -> SafeString:
    """A Lucide icon as inline SVG, hidden from screen readers: words stand beside it."""
    svg: str = lucide._render_icon(name, size, aria_hidden="true", focusable="false")
    return mark_safe(svg)  # noqa: S308 (the package's own file; `name` comes from our templates and words)


@register.simple_tag
def state(value: object, note: str = "", kind: str = "") -> SafeString:
    """Glyph and word of a state; `kind="chip"` gives it a ground; `note` is said after it, quietly."""
    code = str(getattr(value, "value", value))
    glyph = icon(words.ICONS.get(code, "circle-dashed"))
    said = format_html(' <span class="state-note">{}</span>', note) if note else ""
    return format_html(
        '<span class="state s-{} {}">{}<span>{}</span></span>{}',
        code,
        kind,
        glyph,
        words.state_word(code),
        said,
    )


@register.filter
def reason(code: str) -> str:
    """The sentence for a reason code."""
    return words.reason_text(code)


@register.simple_tag
def rollout_state(rollout: Mapping[str, Any]) -> SafeString:
    """State of a rollout with what qualifies it: `succeeded, 2 failed`, a reason, `pausing`."""
    failed = rollout.get("targets", {}).get("failed", 0)
    code = str(rollout["state"])
    if code == "running" and rollout["wanted"] == "pause":
        return state("pausing")
    note = reason(rollout["reason"])
    if code == "succeeded" and failed:
        note = ngettext("%(n)d failed", "%(n)d failed", failed) % {"n": failed}
    return state(code, note)


@register.simple_tag
def target_state(target: Mapping[str, Any]) -> SafeString:
    """State of a target; one that was cut off in mid-step, say, waits for a person."""
    code = str(target["state"])
    if code == "running" and target["reason"] in WAITING_REASONS:
        return state("waiting")
    return state(code, reason(target["reason"]))


@register.simple_tag
def target_counts(counts: Mapping[str, int]) -> str:
    """`22 of 24, 2 failed`: how many targets came to their end, and how many of them badly."""
    total, failed = sum(counts.values()), counts.get("failed", 0)
    ended = sum(counts.get(code, 0) for code in ENDED)
    said = gettext("%(ended)d of %(total)d") % {"ended": ended, "total": total}
    return f"{said}, " + ngettext("%(n)d failed", "%(n)d failed", failed) % {"n": failed} if failed else said


@register.filter
def actor(name: str) -> str:
    """`user:olga` as `olga`; others keep their kind: `cli:root`."""
    return name.removeprefix("user:")


@register.filter
def first_params(params: Mapping[str, str]) -> list[str]:
    """The first parameters as `version=1.42.0`, and `…` for more: enough to tell rows of a list apart."""
    texts = [f"{name}={value}" for name, value in params.items()]
    return texts if len(texts) <= SHOWN_PARAMS else [*texts[:SHOWN_PARAMS], "…"]


@register.filter
def seconds(value: float) -> str:
    """A duration as recipes write it: `90s`, `5m`, `1h 30m`."""
    whole = int(value)
    if whole != value or whole < 120 or whole % 60:
        return f"{value:g}s"
    hours, minutes = divmod(whole // 60, 60)
    return " ".join(part for part in (f"{hours}h" if hours else "", f"{minutes}m" if minutes else "") if part)


@register.filter
def parameter_type(name: str) -> str:
    """The word for a parameter's type."""
    return str(words.PARAMETER_TYPES.get(name, name))


@register.filter
def key_state_word(code: str) -> str:
    """The state of one key as `words` knows it."""
    return "unknown" if code == "pending" else code


@register.filter
def key_file_part(algorithm: str) -> str:
    """`ssh-ed25519` → `ed25519`, as OpenSSH names the host's key files."""
    name = algorithm.removeprefix("ssh-")
    return "ecdsa" if name.startswith("ecdsa") else name


@register.filter
def step_kind(kind: str) -> str:
    """The word for a step kind."""
    return str(words.STEP_KINDS.get(kind, kind))


@register.filter
def rerun(value: object) -> str:
    """What happens to a step that was cut off."""
    code = str(getattr(value, "value", value))
    return str(words.RERUNS.get(code, code))


@register.simple_tag
def moment(value: datetime | float | int | None) -> SafeString | str:
    """A moment (aware datetime or Unix milliseconds); app.js shows it in the reader's own time zone."""
    if value is None:
        return ""
    at = value if isinstance(value, datetime) else datetime.fromtimestamp(value / 1000, UTC)
    return format_html(
        '<time datetime="{}" data-local>{} UTC</time>',
        at.isoformat(),
        date_format(at.astimezone(UTC), "Y-m-d H:i"),
    )


@register.simple_tag
def progress_bar(counts: Mapping[str, int]) -> SafeString:
    """A bar of the targets' states. SVG attributes carry the widths: the policy forbids inline styles."""
    total = sum(counts.values()) or 1
    parts, x = [], 0.0
    for code in BAR_ORDER:
        width = 100 * counts.get(code, 0) / total
        if width and code != "pending":
            parts.append(
                format_html(
                    '<rect class="s-{}" x="{}" y="0" width="{}" height="8"/>',
                    code,
                    f"{x:.3f}",
                    f"{width:.3f}",
                )
            )
        x += width
    rects = mark_safe("".join(parts))  # noqa: S308 (joined from format_html results)
    svg = format_html('<svg viewBox="0 0 100 8" preserveAspectRatio="none">{}</svg>', rects)
    return format_html('<span class="bar" aria-hidden="true">{}</span>', svg)


@register.inclusion_tag("console/parts/problems.html")
def problems(found: Any) -> dict[str, Any]:
    """A list of problems: where, what, cure."""
    return {"problems": found}


@register.simple_tag(takes_context=True)
def may_operate(context: template.Context) -> bool:
    """Whether the person who looks may operate: without it the frame shows no navigation."""
    request = context.get("request")
    return request is not None and user_may_operate(request.user)


@register.simple_tag
def base_template() -> str:
    """The template that all pages extend."""
    return str(option("BASE_TEMPLATE"))
