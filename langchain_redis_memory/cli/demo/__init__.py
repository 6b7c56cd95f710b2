"""What `demo` and `chat` run: an assistant of a clinic, and a retrieval chain on text that every machine has."""
