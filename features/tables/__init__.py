"""One file, in whatever form, into a table of text."""
