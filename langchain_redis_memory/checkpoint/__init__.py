"""LangGraph's checkpointer and all that belongs to a thread."""
