"""The JSON API of sessions, for an application and its users."""
