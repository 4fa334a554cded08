"""What each covariate adds to a prediction: SHAP values."""
