"""Encryption at rest: what is stored under a key, encrypted with the key's name."""
