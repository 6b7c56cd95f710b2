"""What `demo`, `chat` and `replay` run: a small retrieval chain on text that every machine has."""
