"""Answer caches of a conversation's turns."""
