"""Cohorts of no real patients: a known truth, or a published study rebuilt."""

from features.simulated.reference_study import read_reference_study, rebuild_reference_study
from features.simulated.scenario import (
    Scenario,
    SimulatedCohort,
    read_scenario,
    scenario_names,
    simulate_cohort,
)

__all__ = [
    "Scenario",
    "SimulatedCohort",
    "read_reference_study",
    "read_scenario",
    "rebuild_reference_study",
    "scenario_names",
    "simulate_cohort",
]
