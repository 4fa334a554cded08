"""How well a learner would do on other patients."""
