"""Models in files and in the MLflow registry, without pickle."""
