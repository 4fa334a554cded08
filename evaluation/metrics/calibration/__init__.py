"""Whether predicted risks are as large as observed ones."""
