"""Writes many copies of what the package stored once: the same keys under other names, through pipelines.

A copy is exact but for its id: keys that carry the id in their name are restored under the name with the other id, and
in the sorted sets of all (which thread, which session there is) a member is added. Ids must be of one length.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

import redis

PIPELINE = 500


def copies(admin: redis.Redis, template: str, ids: Iterable[str]) -> int:
    """Copies everything that names the template.

    Args:
        admin: A client of the server.
        template: The id that is there.
        ids: The ids of the copies.

    Returns:
        How many were made.
    """
    known, dumps, members = template.encode(), [], []
    for key in list(admin.scan_iter("*", count=1000)):
        if b":trip:" in key:
            continue
        if known in key:
            dumps.append((key, max(admin.pttl(key), 0), admin.dump(key) or b""))
        elif admin.type(key) == b"zset":
            found = admin.zscan_iter(key, match=f"*{template}*", count=1000)
            members += [(key, member, score) for member, score in found]
    if not dumps:
        msg = f"nothing is stored of {template}"
        raise ValueError(msg)
    made, left = 0, iter(ids)
    while some := [name.encode() for name in islice(left, PIPELINE)]:
        pipe = admin.pipeline(transaction=False)
        for name in some:
            for key, ttl_ms, dump in dumps:
                pipe.restore(key.replace(known, name), ttl_ms, dump, replace=True)
            for key, member, score in members:
                pipe.zadd(key, {member.replace(known, name): score})
        pipe.execute()
        made += len(some)
    return made
