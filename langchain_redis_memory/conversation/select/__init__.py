"""The messages of a conversation that a model is shown."""
