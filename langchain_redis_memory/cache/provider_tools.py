"""Tools that a model's provider ran by itself while it answered: a search of the web, code, a remote MCP server.

No tool of LangChain's runs then and no callback says so; only the message tells. Such an answer is as little to be
repeated as one for which a tool ran here: it may have paid something, or say what the web said that day.
"""

from __future__ import annotations

from typing import Any

from langchain_core.messages import BaseMessage

_RAN = {"server_tool_call", "server_tool_use", "mcp_tool_use"}
_OURS = {"tool_call", "function_call", "custom_tool_call", "invalid_tool_call"}
"""Calls that the application is to run: whoever runs them sees them."""


def provider_tools(message: BaseMessage) -> set[str]:
    """Names the tools that a provider ran for a message, such as "web_search": as it names them, else by their kind."""
    told = message.additional_kwargs.get("tool_outputs")
    content = message.content if isinstance(message.content, list) else []
    names = {_name(block) for block in (*content, *(told if isinstance(told, list) else ())) if isinstance(block, dict)}
    if message.response_metadata.get("grounding_metadata"):
        names.add("google_search")
    return names - {""}


def _name(block: dict[str, Any]) -> str:
    kind = str(block.get("type"))
    if kind in _RAN or (kind.endswith("_call") and kind not in _OURS):
        named = (block.get("extras") or {}).get("tool_name") or block.get("name")
        return str(named or kind.removesuffix("_call"))
    return "code_interpreter" if kind == "executable_code" else ""
