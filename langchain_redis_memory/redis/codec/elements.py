"""Bounds how many elements a stored value has, before it is decoded: crafted bytes must not fill the memory.

An empty map is one byte of MessagePack and 72 bytes of Python, so what `most_bytes` lets through could take seventy
times as much. A value may have one element for each 16 bytes of that bound. Small numbers up to 127, which cost a
reference only, do not count; an extension, which stands for an object, counts eight times. A value that has not so many
bytes is not looked at, and of larger ones most are let through by how many of their bytes could begin an element.
"""

from __future__ import annotations

from langchain_redis_memory.errors import CorruptDataError
from langchain_redis_memory.redis.codec import compression
from langchain_redis_memory.redis.codec.version import VERSION

_BYTES_EACH = 16
SMALL_BYTES = 1024 * 1024 // _BYTES_EACH
"""What has no more bytes need not be checked: it is within the least bound that can be set."""
_BEGIN = bytes(range(0x80, 0x100))
_BEGIN_EXTENSION = bytes((*range(0xC7, 0xCA), *range(0xD4, 0xD9)))
_EXTENSION = 8
"""So many elements an extension counts for: a message takes 1.6 KB."""
_FIXED = {
    **dict.fromkeys((0xC0, 0xC1, 0xC2, 0xC3), 1),
    **dict.fromkeys((0xCC, 0xD0), 2),
    **dict.fromkeys((0xCD, 0xD1, 0xDC, 0xDE), 3),
    **dict.fromkeys((0xCA, 0xCE, 0xD2, 0xDD, 0xDF), 5),
    **dict.fromkeys((0xCB, 0xCF, 0xD3), 9),
}
"""Numbers, and the heads of lists and maps, by their first byte: how many bytes they have."""
_SIZED = {0xC4: 1, 0xC5: 2, 0xC6: 4, 0xD9: 1, 0xDA: 2, 0xDB: 4}
"""Bytes and texts: how many bytes tell their size."""
_EXTENSIONS = {0xC7: 1, 0xC8: 2, 0xC9: 4, **dict.fromkeys(range(0xD4, 0xD9), 0)}


def most_elements() -> int:
    """Returns how many elements a value may have."""
    return compression.most_bytes() // _BYTES_EACH


def check_elements(data: bytes) -> None:
    """Refuses MessagePack of more elements than a value may have.

    Raises:
        CorruptDataError: It has more.
    """
    most = max(most_elements(), SMALL_BYTES)
    if len(data) <= most:
        return
    could = len(data) - len(data.translate(None, _BEGIN))
    could += (_EXTENSION - 1) * (len(data) - len(data.translate(None, _BEGIN_EXTENSION)))
    if could > most and _is_over(data, most):
        raise CorruptDataError(_refusal())


def check_json(data: bytes | str) -> None:
    """Refuses JSON that could have more elements than a value may have; separators within texts count as well.

    Raises:
        CorruptDataError: It could have more.
    """
    if len(data) <= SMALL_BYTES:
        return
    raw = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
    if raw.count(b",") + raw.count(b"[") + raw.count(b"{") > most_elements():
        raise CorruptDataError(_refusal())


def _refusal() -> str:
    return f"a value has more than {most_elements()} elements: it is crafted, or {compression.VARIABLE} must be larger"


def _is_over(data: bytes, most: int) -> bool:
    """Counts, from one element to the next: how they are nested makes no difference."""
    at, end, found = 0, len(data), 0
    ends: list[int] = []  # of the extensions around
    while found <= most:
        if at >= end:
            if not ends:
                return False
            at, end = end, ends.pop()
            continue
        head = data[at]
        if head < 0x80:
            at += 1
            continue
        found += 1
        if head < 0xA0 or head >= 0xE0:
            at += 1
        elif head < 0xC0:
            at += head - 0x9F
        elif head in _FIXED:
            at += _FIXED[head]
        elif head in _SIZED:
            at, size = _sized(data, at, _SIZED[head])
            if ends and data[at : at + 1] == VERSION and data[at + 2 : at + 4] == b"0|":  # a message: see `messages`
                ends.append(end)
                at, end = at + 4, min(at + size, end)
            else:
                at += size
        else:
            found += _EXTENSION - 1
            width = _EXTENSIONS[head]
            at, size = _sized(data, at, width) if width else (at + 1, 1 << (head - 0xD4))
            ends.append(end)
            at, end = at + 1, min(at + 1 + size, end)
    return True


def _sized(data: bytes, at: int, width: int) -> tuple[int, int]:
    """Returns where something begins whose size is told in front, and its size."""
    begin = at + 1 + width
    return begin, int.from_bytes(data[at + 1 : begin], "big")
