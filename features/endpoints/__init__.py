"""From columns or dates to what happened to each patient, and when."""
