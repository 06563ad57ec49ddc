"""The rules of a rollout: pure functions of their arguments, standard library only, no clock, no I/O."""
