"""LangChain's LLM cache by meaning."""
