"""How often the classifier, the contextualiser and the caches are right, on public data that nothing was fitted on."""
