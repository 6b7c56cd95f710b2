"""Training of the small encoder that reads pairs of questions and turns behind their conversation."""
