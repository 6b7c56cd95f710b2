"""Caches of model answers, search results, vectors and nodes."""
