"""The survival learners, and the list of them."""
