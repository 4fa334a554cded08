"""The MLflow store, and what a reviewer sees in it."""
