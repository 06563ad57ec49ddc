"""The classic Channels tutorial beside livefeed: `make example` runs it, docs/ver-update.md explains it."""
