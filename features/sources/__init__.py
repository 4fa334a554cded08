"""Where a patient table comes from, until it has one row a patient."""
