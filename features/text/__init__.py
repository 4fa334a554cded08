"""Text and numbers of cells: compared, shown, made harmless."""
