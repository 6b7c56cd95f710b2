"""The client: the only room that talks to a server, waits, or reads a clock."""
