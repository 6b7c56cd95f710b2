"""The cache tiers of a RAG pipeline: vectors, search results, answers."""
