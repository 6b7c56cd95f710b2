"""The process's clocks: the monotonic one for what is served without a round trip, the wall clock to compare servers'.

Everything else asks for `Now` in a flow, or the server for its time.
"""

from time import monotonic
from time import time as wall

__all__ = ["monotonic", "wall"]
