"""Pictures of predictions beside what happened."""
