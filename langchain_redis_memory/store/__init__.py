"""LangGraph's store, and LangChain's byte store and record manager."""
