"""`ConversationMemory`: a user turn, from the question to what is stored."""
