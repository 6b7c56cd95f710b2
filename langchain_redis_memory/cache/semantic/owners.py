"""Names of vectors: the name of the entry, and the question that they are of, encrypted where there is a cipher.

An engine keeps a vector under its owner's name and gives that name for what it finds, so the question is known without
another read, and a script finds the entry. Encrypted, equal questions have equal names, so that a vector is found again
to be replaced or removed.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error

from langchain_redis_memory.errors import DecryptionError
from langchain_redis_memory.redis.keys import EntryKeys

FORMAT = 2
"""Of these names: since 2 they begin with the entry's."""
_FIELD = "vector"
_NAME_DIGITS = 32


def owner_of(keys: EntryKeys, name: bytes, question: str) -> str:
    """Returns the name of a question's vector, for the name of its entry."""
    field = keys.items.blind(name).hex()
    if not keys.items.encrypts:
        return field + question
    spelled = question.encode("utf-8", "surrogatepass")
    return field + urlsafe_b64encode(keys.items.encrypt(spelled, _FIELD, repeatable=True)).decode()


def questions_of(keys: EntryKeys, found: list[tuple[str, float]]) -> list[tuple[str, float]]:
    """Reads the questions from the names of vectors; what cannot be read is left out."""
    opened = ((_question(keys, owner[_NAME_DIGITS:]), similarity) for owner, similarity in found)
    return [(question, similarity) for question, similarity in opened if question is not None]


def _question(keys: EntryKeys, spelled: str) -> str | None:
    if not keys.items.encrypts:
        return spelled
    try:
        return keys.items.decrypt(urlsafe_b64decode(spelled), _FIELD).decode("utf-8", "surrogatepass")
    except (DecryptionError, Base64Error, ValueError):
        return None
