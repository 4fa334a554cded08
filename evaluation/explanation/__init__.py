"""What each covariate adds to a prediction: SHAP values."""

from evaluation.explanation.contributions import (
    Background,
    explain_curve,
    explain_event_probability,
    outputs_under,
    step_times,
)
from evaluation.explanation.trees import interventional_shap
from evaluation.explanation.values import CurveOutputs, Sides

__all__ = [
    "Background",
    "CurveOutputs",
    "Sides",
    "explain_curve",
    "explain_event_probability",
    "interventional_shap",
    "outputs_under",
    "step_times",
]
