"""The client: the only place that talks to a server, waits, or reads a clock."""
