"""Several rows, or several tables, made one row a patient."""
