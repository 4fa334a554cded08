"""The commands: simulate, train, predict."""
