"""Which category, how sure: calibrated probabilities and a prediction set, from plain arrays."""
