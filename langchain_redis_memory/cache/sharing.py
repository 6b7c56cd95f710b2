"""The law of sharing: which other runs may be served the answer of this one.

An answer may be served in another run only if everything that the chain could have used is the same there, or is known
not to matter, and only if serving it leaves out no effect. What a chain is shown is part of every key. This module adds
what a chain can see besides: who asks, when, and what it does to the world. A prompt and a model see none of that; a
function, a tool or an agent (an *opaque* chain) may see all of it, so there the words of the question decide.

`docs/law-of-sharing.md` has the whole table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from langchain_redis_memory.errors import ConfigError
from langchain_redis_memory.language.audience import AudienceVerdict

Share = Literal["auto", "user", "tenant", "none"]
"""With whom a chain's answers are shared: as the words and the chain tell, with the same user only, with everybody of
the tenant, with nobody. A question that asks for an effect, or whose answer changes by itself, is shared with nobody,
whatever is chosen."""

Grounding = Literal["check", "trust"]
"""When an answer made from documents is served: `check` runs the retriever as for this asker and serves the answer only
if it finds the very documents that the answer was made from; `trust` serves it without a search."""


@dataclass(frozen=True)
class Asker:
    """Who asks.

    Args:
        user: The user's id, "" where nobody says it.
        session: The conversation's id.
    """

    user: str
    session: str

    @property
    def name(self) -> str:
        """Names the asker in keys: the user where there is one, else the conversation."""
        return f"user:{self.user}" if self.user else f"session:{self.session}"


def user_of(config: Mapping[str, Any]) -> str:
    """Finds the user in a config, where LangChain and LangGraph applications put it.

    Args:
        config: A `RunnableConfig`.

    Returns:
        The first of `metadata.user_id`, `configurable.user_id`, `configurable.langgraph_auth_user_id` and the identity
        of `configurable.langgraph_auth_user`; "" where there is none.
    """
    configurable = config.get("configurable") or {}
    auth = configurable.get("langgraph_auth_user")
    identity = auth.get("identity") if isinstance(auth, Mapping) else getattr(auth, "identity", None)
    metadata = config.get("metadata") or {}
    for found in (
        metadata.get("user_id"),
        configurable.get("user_id"),
        configurable.get("langgraph_auth_user_id"),
        identity,
    ):
        if found is not None and found != "":
            return str(found)
    return ""


_PLACES = frozenset({"session_id", "agent", "tenant", "thread_id", "user_id"})
_OF_LANGGRAPH = ("checkpoint_", "__", "langgraph_")


def settings_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """Picks the settings of a config that may decide an answer.

    Args:
        config: A `RunnableConfig`.

    Returns:
        What is `configurable`, without what names the conversation and the asker (see `Asker`) and without what
        LangGraph adds for itself.
    """
    configurable = config.get("configurable") or {}
    return {
        name: value
        for name, value in configurable.items()
        if name not in _PLACES and not name.startswith(_OF_LANGGRAPH)
    }


def audience_key(share: Share, asker: Asker, words: AudienceVerdict, *, opaque: bool, dependent: bool) -> str | None:
    """Decides for whom an answer may be kept, as a part of its key.

    Args:
        share: What the application chose for the chain.
        asker: Who asks.
        words: What the question's words say of its audience.
        opaque: Whether the chain may see who asks (it holds a function, a tool, an agent).
        dependent: Whether the question leans on its conversation: whose "it" is cannot be told from its own words.

    Returns:
        "" for everybody of the tenant, the asker's name for the asker alone, None for nobody.
    """
    if share == "none" or words.volatile or words.vary or words.effect:
        return None
    if share == "user":
        return asker.name
    if share == "tenant" or not opaque:
        return ""
    if words.audience == "nobody":
        return None
    if words.audience == "session":
        return f"session:{asker.session}"
    return "" if words.audience == "everyone" and not dependent else asker.name


def check_share(share: Any, grounding: Any) -> None:
    """Refuses a choice that does not exist.

    Args:
        share: See `Share`.
        grounding: See `Grounding`.

    Raises:
        ConfigError: It is none of the words.
    """
    for name, value, words in (("share", share, get_args(Share)), ("grounding", grounding, get_args(Grounding))):
        if value not in words:
            msg = f"{name} is one of {', '.join(map(repr, words))}, not {value!r}"
            raise ConfigError(msg)
