"""The process's monotonic clock, for what is served without a round trip; everything else asks for `Now` in a flow."""

from time import monotonic

__all__ = ["monotonic"]
