"""Faults under load: what was acknowledged and is lost, doubled or out of order, and how long the slowest call took."""
