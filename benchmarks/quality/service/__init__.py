"""Conversations with customer service: the same need in other words must hit, a look-alike must not."""
