"""From a configuration to a checked cohort."""
