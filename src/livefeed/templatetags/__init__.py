"""Template tags of livefeed."""
