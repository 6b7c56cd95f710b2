"""Vector search on any server, and the embeddings that it needs."""
