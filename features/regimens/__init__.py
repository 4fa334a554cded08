"""Which regimen each patient received."""
