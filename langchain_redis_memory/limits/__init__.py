"""Limits: how many requests, tokens and concurrent calls a user, a tenant or everybody together may make."""
