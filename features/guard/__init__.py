"""What is wrong with a table or a cohort, before anybody reads a number."""
