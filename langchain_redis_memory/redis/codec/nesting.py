"""Bounds how deeply MessagePack is nested, before it is decoded: crafted bytes must not end the process.

The decoder itself stops at 1,024 containers, but what an extension holds is decoded by a call inside of the one that
decodes the extension, so a few kilobytes would overflow the stack of C. Extensions that hold little more than each
other, such as tuples in tuples, may be nested as deeply as Python's own recursion allows.
"""

from __future__ import annotations

from functools import partial

import ormsgpack

_HEADS = bytes([*range(0xC7, 0xCA), *range(0xD4, 0xD9)])
"""How extensions begin."""
_DEPTH = 1_024
"""The decoder's own limit for one call."""
_STEPS = (8, 64, _DEPTH)
_MOST = 4 * _DEPTH


def check_nesting(data: bytes) -> None:
    """Refuses MessagePack whose extensions are nested so deeply that to decode them could overflow the stack.

    Raises `ValueError`: they are, or it is no MessagePack.
    """
    if len(data.translate(None, _HEADS)) < len(data):  # else there is no extension in them
        _check(_MOST, 0, data)


def _check(left: int, _code: int, data: bytes) -> None:
    """Takes off what is left as many containers as these bytes may nest, then looks into their extensions."""
    depth = next((depth for depth in _STEPS if depth == _DEPTH or _is_within(data, depth)), _DEPTH)
    if depth > left:
        raise ValueError("its extensions are nested too deeply")
    ormsgpack.unpackb(data, ext_hook=partial(_check, left - depth), option=ormsgpack.OPT_NON_STR_KEYS)


def _is_within(data: bytes, depth: int) -> bool:
    """Returns whether bytes nest no more containers than that: with so many lists around them they can be decoded."""
    try:
        ormsgpack.unpackb(b"\x91" * (_DEPTH - depth) + data, ext_hook=_nothing, option=ormsgpack.OPT_NON_STR_KEYS)
    except ValueError:
        return False
    return True


def _nothing(_code: int, _data: bytes) -> None:
    """Stands for what an extension holds."""
