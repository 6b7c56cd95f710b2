"""Chat message history: the messages of a conversation, and the index of conversations."""
