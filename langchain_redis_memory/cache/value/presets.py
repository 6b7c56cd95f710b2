"""Lifetimes of what is often cached."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

PresetName = Literal[
    "personalities", "preferences", "profiles", "greetings", "memory_search", "session_state", "configuration"
]
PRESETS: Mapping[PresetName, tuple[float, float]] = {
    "personalities": (86_400, 5),
    "preferences": (300, 0),
    "profiles": (3_600, 0),
    "greetings": (120, 0),
    "memory_search": (300, 0),
    "session_state": (3_600, 0),
    "configuration": (3_600, 5),
}
"""What is often cached -> its lifetime, and how long a process may serve its own copy, in seconds."""
