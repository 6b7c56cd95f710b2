"""The self-contained question that a dependent turn means."""
