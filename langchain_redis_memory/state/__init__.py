"""What is kept about a conversation, a session, an agent and a user besides the messages."""
