"""Query rewriting: a dependent turn as a self-contained question."""
