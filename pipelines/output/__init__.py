"""Files, folders and the terminal."""
