"""Rollcast beside what one would write without it, measured side by side: docs/performance.md."""
