"""The commands that scripts call most, done on fakeredis' values themselves.

fakeredis reads a command by its signature, wraps its keys and looks for listeners, which costs it five times what the
command does. Here each form that scripts use is a few lines; whatever else a command may say, of another kind of value
or with an error, is `Unusual` and left to fakeredis. A property compares both with a real server.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from fakeredis._core import Item
from fakeredis._helpers import OK
from fakeredis.model import Hash, ZSet

Answer = Any
"""Bytes, an int, None or a list of these."""


class Unusual(Exception):
    """What is left to fakeredis, before anything was changed."""


def quick(db: Any, name: bytes, args: list[bytes]) -> Answer:
    """Runs a command, named in capitals, under the lock of fakeredis's database, which the caller holds.

    Returns the reply as a script receives it, before it is made Lua's. Raises `Unusual`: it has to be asked of
    fakeredis.
    """
    known = _COMMANDS.get(name)
    if known is None or len(args) < known[1] or (len(args) > known[1] and not known[2]):
        raise Unusual
    return known[0](db, *args)


def _item(db: Any, key: bytes) -> Any:
    item = db._dict.get(key)
    if item is not None and item.expireat is not None and item.expireat < db.time:
        del db._dict[key]
        return None
    return item


def _value(db: Any, key: bytes, kind: type) -> Any:
    item = _item(db, key)
    if item is None:
        return None
    if item.value.__class__ is not kind:
        raise Unusual
    return item.value


def _made(db: Any, key: bytes, kind: type) -> Any:
    value = _value(db, key, kind)
    if value is None:
        db._dict[key] = Item(value := kind())
    return value


def _left(db: Any, key: bytes, value: Any) -> None:
    """Notes that a value lost something; an empty one goes."""
    if not len(value):
        del db._dict[key]
    db.notify_watch(key)


def _whole(text: bytes) -> int:
    try:
        number = int(text)
    except ValueError:
        raise Unusual from None
    if b"%d" % number != text or abs(number) >= 1 << 62:
        raise Unusual
    return number


def _number(text: bytes) -> float:
    if text in _ENDLESS:
        return float(text)
    if not text or not _PLAIN.issuperset(text) or len(text) > 17:
        raise Unusual
    try:
        return 0.0 + float(text)
    except ValueError:
        raise Unusual from None


_ENDLESS = frozenset((b"inf", b"+inf", b"-inf"))
_PLAIN = frozenset(b"0123456789.-")


def _spelled(number: float) -> bytes:
    return f"{number:.17g}".encode()


def _span(start: bytes, stop: bytes, size: int) -> tuple[int, int]:
    first, last = _whole(start), _whole(stop)
    return max(0, first + size if first < 0 else first), (last + size if last < 0 else min(last, size - 1)) + 1


def _time(_db: Any) -> Answer:
    seconds, micros = divmod(round(time.time() * 1_000_000), 1_000_000)
    return [b"%d" % seconds, b"%d" % micros]


def _there(db: Any, key: bytes) -> Any:
    item = _item(db, key)
    if item is not None and item.value.__class__ is Hash and not len(item.value):  # its last field has expired
        raise Unusual
    return item


def _exists(db: Any, *keys: bytes) -> Answer:
    return sum([_there(db, key) is not None for key in keys])


def _del(db: Any, *keys: bytes) -> Answer:
    there = [key for key in dict.fromkeys(keys) if _there(db, key) is not None]
    for key in there:
        del db._dict[key]
        db.notify_watch(key)
    return len(there)


def _pttl(db: Any, key: bytes) -> Answer:
    item = _there(db, key)
    if item is None:
        return -2
    return -1 if item.expireat is None else round((item.expireat - db.time) * 1000.0)


def _expire_at(db: Any, key: bytes, at: float) -> Answer:
    if at <= db.time:
        raise Unusual
    if (item := _there(db, key)) is None:
        return 0
    item.expireat = at
    db.schedule_expiry(key, at)
    db.notify_watch(key)
    return 1


def _pexpireat(db: Any, key: bytes, at_ms: bytes) -> Answer:
    return _expire_at(db, key, _whole(at_ms) / 1000.0)


def _pexpire(db: Any, key: bytes, ms: bytes) -> Answer:
    return _expire_at(db, key, db.time + _whole(ms) / 1000.0)


def _expire(db: Any, key: bytes, seconds: bytes) -> Answer:
    return _expire_at(db, key, db.time + _whole(seconds))


def _persist(db: Any, key: bytes) -> Answer:
    item = _there(db, key)
    if item is None or item.expireat is None:
        return 0
    item.expireat = None
    db.notify_watch(key)
    return 1


def _get(db: Any, key: bytes) -> Answer:
    return _value(db, key, bytes)


def _set(db: Any, key: bytes, value: bytes, *lifetime: bytes) -> Answer:
    item = Item(value)
    if lifetime:
        if len(lifetime) != 2 or lifetime[0] != b"PX" or (ms := _whole(lifetime[1])) <= 0:
            raise Unusual
        item.expireat = db.time + ms / 1000.0
    db[key] = item
    db.notify_watch(key)
    return OK


def _hget(db: Any, key: bytes, field: bytes) -> Answer:
    table = _value(db, key, Hash)
    return None if table is None else table.get(field)


def _hmget(db: Any, key: bytes, *fields: bytes) -> Answer:
    table = _value(db, key, Hash)
    return [None if table is None else table.get(field) for field in fields]


def _hstrlen(db: Any, key: bytes, field: bytes) -> Answer:
    return len(_hget(db, key, field) or b"")


def _hlen(db: Any, key: bytes) -> Answer:
    table = _value(db, key, Hash)
    return 0 if table is None else len(table)


def _hset(db: Any, key: bytes, *pairs: bytes) -> Answer:
    if len(pairs) % 2:
        raise Unusual
    table = _made(db, key, Hash)
    before = len(table)
    table.update(dict(zip(pairs[::2], pairs[1::2], strict=True)), clear_expiration=True)
    db.notify_watch(key)
    return len(table) - before


def _hsetnx(db: Any, key: bytes, field: bytes, value: bytes) -> Answer:
    table = _value(db, key, Hash)
    return 0 if table is not None and field in table else _hset(db, key, field, value)


def _hincrby(db: Any, key: bytes, field: bytes, more: bytes) -> Answer:
    table = _value(db, key, Hash)
    total = _whole(more) + _whole(b"0" if table is None else table.get(field, b"0"))
    _made(db, key, Hash).update({field: b"%d" % total}, clear_expiration=False)
    db.notify_watch(key)
    return total


def _hdel(db: Any, key: bytes, *fields: bytes) -> Answer:
    table = _value(db, key, Hash)
    gone = [] if table is None else [field for field in dict.fromkeys(fields) if field in table]
    for field in gone:
        del table[field]
    if gone:
        _left(db, key, table)
    return len(gone)


def _llen(db: Any, key: bytes) -> Answer:
    return len(_value(db, key, list) or ())


def _lindex(db: Any, key: bytes, place: bytes) -> Answer:
    items, at = _value(db, key, list) or (), _whole(place)
    return items[at] if -len(items) <= at < len(items) else None


def _lrange(db: Any, key: bytes, start: bytes, stop: bytes) -> Answer:
    items = _value(db, key, list) or []
    first, end = _span(start, stop, len(items))
    return items[first:end] if end > 0 else []


def _rpush(db: Any, key: bytes, *values: bytes) -> Answer:
    items = _made(db, key, list)
    items.extend(values)
    db.notify_watch(key)
    return len(items)


def _lset(db: Any, key: bytes, place: bytes, value: bytes) -> Answer:
    items, at = _value(db, key, list) or [], _whole(place)
    if not -len(items) <= at < len(items):
        raise Unusual
    items[at] = value
    db.notify_watch(key)
    return OK


def _zadd(db: Any, key: bytes, *pairs: bytes) -> Answer:
    if len(pairs) % 2:
        raise Unusual
    scores = [_number(score) for score in pairs[::2]]
    members = _made(db, key, ZSet)
    before = len(members)
    for score, member in zip(scores, pairs[1::2], strict=True):
        members.add(member, score)
    db.notify_watch(key)
    return len(members) - before


def _zrem(db: Any, key: bytes, *members: bytes) -> Answer:
    scores = _value(db, key, ZSet)
    if scores is None:
        return 0
    before = len(scores)
    for member in members:
        scores.discard(member)
    if gone := before - len(scores):
        _left(db, key, scores)
    return gone


def _zcard(db: Any, key: bytes) -> Answer:
    return len(_value(db, key, ZSet) or ())


def _zscore(db: Any, key: bytes, member: bytes) -> Answer:
    scores = _value(db, key, ZSet)
    score = None if scores is None else scores.get(member)
    return None if score is None else _spelled(score)


def _zrank(db: Any, key: bytes, member: bytes) -> Answer:
    scores = _value(db, key, ZSet)
    return scores.rank(member)[0] if scores is not None and member in scores else None


def _zrange(db: Any, key: bytes, start: bytes, stop: bytes, *scores: bytes) -> Answer:
    if scores and scores != (b"WITHSCORES",):
        raise Unusual
    members = _value(db, key, ZSet)
    if members is None:
        return []
    first, end = _span(start, stop, len(members))
    pairs = list(members.islice_score(first, end)) if end > first else []
    if scores:
        return [each for score, member in pairs for each in (member, _spelled(score))]
    return [member for _, member in pairs]


def _zrangebyscore(db: Any, key: bytes, least: bytes, most: bytes, *limit: bytes) -> Answer:
    """Answers where nothing is as low: most scripts ask for what has expired."""
    scores, highest = _value(db, key, ZSet), _number(most)
    if least != b"-inf" or (_limited(limit) and scores and scores._byscore[0][0] <= highest):
        raise Unusual
    return []


def _zrangebylex(db: Any, key: bytes, least: bytes, most: bytes, *limit: bytes) -> Answer:
    """Answers where all scores are equal, which such a range is for."""
    scores = _value(db, key, ZSet)
    pairs: Any = () if scores is None else scores._byscore
    skipped, count = _limited(limit)
    score = pairs[0][0] if pairs else 0.0
    if pairs and score != pairs[-1][0]:
        raise Unusual
    first, end = _lexical(pairs, score, least, b"-"), _lexical(pairs, score, most, b"+")
    first, end = first + skipped, min(end, first + skipped + count)
    return [member for _, member in pairs.islice(first, end)] if end > first else []


def _lexical(pairs: Any, score: float, bound: bytes, endless: bytes) -> int:
    """Counts the pairs before a lower bound, or up to an upper one."""
    lower = endless == b"-"
    if bound == endless or not pairs:
        if bound != endless and bound[:1] not in {b"(", b"["}:
            raise Unusual
        return 0 if lower else len(pairs)
    if bound[:1] not in {b"(", b"["}:
        raise Unusual
    place: int = (pairs.bisect_left if (bound[:1] == b"[") is lower else pairs.bisect_right)((score, bound[1:]))
    return place


def _limited(limit: tuple[bytes, ...]) -> tuple[int, int]:
    if not limit:
        return 0, 1 << 62
    if len(limit) != 3 or limit[0] != b"LIMIT":
        raise Unusual
    skipped, count = _whole(limit[1]), _whole(limit[2])
    if min(skipped, count) < 0:
        raise Unusual
    return skipped, count


_COMMANDS: dict[bytes, tuple[Callable[..., Answer], int, bool]] = {
    b"TIME": (_time, 0, False),
    b"EXISTS": (_exists, 1, True),
    b"DEL": (_del, 1, True),
    b"UNLINK": (_del, 1, True),
    b"PTTL": (_pttl, 1, False),
    b"PEXPIRE": (_pexpire, 2, False),
    b"EXPIRE": (_expire, 2, False),
    b"PEXPIREAT": (_pexpireat, 2, False),
    b"PERSIST": (_persist, 1, False),
    b"GET": (_get, 1, False),
    b"SET": (_set, 2, True),
    b"HGET": (_hget, 2, False),
    b"HMGET": (_hmget, 2, True),
    b"HSTRLEN": (_hstrlen, 2, False),
    b"HLEN": (_hlen, 1, False),
    b"HSET": (_hset, 3, True),
    b"HSETNX": (_hsetnx, 3, False),
    b"HINCRBY": (_hincrby, 3, False),
    b"HDEL": (_hdel, 2, True),
    b"LLEN": (_llen, 1, False),
    b"LINDEX": (_lindex, 2, False),
    b"LRANGE": (_lrange, 3, False),
    b"LSET": (_lset, 3, False),
    b"RPUSH": (_rpush, 2, True),
    b"ZADD": (_zadd, 3, True),
    b"ZREM": (_zrem, 2, True),
    b"ZCARD": (_zcard, 1, False),
    b"ZSCORE": (_zscore, 2, False),
    b"ZRANK": (_zrank, 2, False),
    b"ZRANGE": (_zrange, 3, True),
    b"ZRANGEBYSCORE": (_zrangebyscore, 3, True),
    b"ZRANGEBYLEX": (_zrangebylex, 3, True),
}
"""The function, how many arguments it takes, and whether it takes more."""
