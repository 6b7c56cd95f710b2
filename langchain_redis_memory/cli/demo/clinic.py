"""The assistant of `demo`: a clinic's desk that quotes its leaflets, knows appointments and books them.

It stands for a chain with a model, so that the demo needs no key and anybody can see which answer is right.
"""

from __future__ import annotations

from typing import Any

from langchain_core.documents import Document
from langchain_core.messages import HumanMessage
from langchain_core.runnables import RunnableConfig

from langchain_redis_memory.language.bm25 import search

LEAFLETS = (
    "Throat cancer is treatable, with surgery, radiation or chemotherapy.",
    "Asthma is treatable: an inhaler keeps it in check, though nothing cures it for good.",
    "The opening hours of the clinic are 8 to 18, Monday to Friday.",
    "Throat cancer is a malignant growth in the throat.",
    "Asthma is an inflammation of the airways.",
)
"""Ordered so that among equals the definition is found: the last one wins."""
APPOINTMENTS = {"ana": "3 March at 10:00", "ben": "9 April at 14:30"}


def find(query: str) -> list[Document]:
    """Finds the leaflet's sentence that shares most with the query, by BM25.

    Returns one document; none if nothing is shared.
    """
    return [Document(LEAFLETS[match.place]) for match in search(query, LEAFLETS)[:1]]


class Clinic:
    """Answers, and keeps count of what it did."""

    def __init__(self) -> None:
        self.booked: list[str] = []

    def answer(self, given: dict[str, Any], config: RunnableConfig) -> str:
        """Answers one question from what a wrapped chain gets; the config's metadata names the user."""
        user, question = config["metadata"]["user_id"], str(given["question"]).lower()
        if "book me" in question:
            self.booked.append(user)
            return f"Booked for {user}: Monday at 9:00."
        if "my next appointment" in question:
            return f"{user.capitalize()}, it is on {APPOINTMENTS[user]}."
        if "ask first" in question:
            asked = [str(message.text) for message in given["history"] if isinstance(message, HumanMessage)]
            return f"You asked first: {asked[0]}"
        return str(given["documents"][0].page_content) if given["documents"] else "The leaflets do not say."
