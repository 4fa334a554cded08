"""The checks of the guard, a kind of fault a file."""
