"""Fit, calibrate and measure models; needs scikit-learn, which tagging itself does not."""
