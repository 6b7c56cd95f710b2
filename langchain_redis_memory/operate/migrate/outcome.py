"""What becomes of a record."""

from __future__ import annotations

from typing import Literal, TypeAlias

Outcome: TypeAlias = Literal["moved", "there", "kept", "refused"]
"""Stored now, found equal, left as it is at the target, or not stored because it may not be served there."""
