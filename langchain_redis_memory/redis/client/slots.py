"""Which node of a cluster has which slot, and how the commands of a trip are shared out among the nodes.

No input and no output: `Nodes.trip_flow` yields what each node is to be sent and receives what came of it. A node that
is silent is left alone for as long as it was waited for, and only what it would have to answer fails meanwhile. What
may be stale is sent to a replica, and to the master where the replica does not answer it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Generator, Mapping, Sequence
from random import choice, shuffle
from time import monotonic
from typing import Any, NamedTuple, TypeAlias

from langchain_redis_memory.errors import UnavailableError
from langchain_redis_memory.ops import WAITS, Call, Command, Reply, writes_once
from langchain_redis_memory.redis.client.circuit_breaker import StallGuard
from langchain_redis_memory.redis.client.errors import is_timeout, is_unknown_script
from langchain_redis_memory.redis.client.options import Address

_SLOTS = 16384
_REDIRECTIONS = 5
_SHARES = 8
_HEARD_S = 0.1
"""For so long nobody asks again where the slots are."""
_ASKING: Command = ("ASKING",)

_REST_S = 1.0
"""For at least so long a replica that failed is not asked again."""


class Replica(NamedTuple):
    """A node where it is asked for what it has copied: on connections of its own, which say so."""

    host: str
    port: int
    copies: bool = True


Node: TypeAlias = "Address | Replica"
Parts = Mapping[Node, Sequence[Command]]
"""What each node is to be sent; an empty one asks where the slots are."""
Outcomes = Mapping[Node, "list[Reply] | Exception"]
Trip: TypeAlias = "Generator[Parts, Outcomes, list[Reply]]"


class _SentOn(NamedTuple):
    """Where a node sent a command on, and whether that one takes it only when it is asked to."""

    to: Address
    asking: bool


class Nodes:
    """The nodes of a cluster, as they last described themselves; shared by all transports of a client.

    Args:
        hosts: Where to ask first.
        remap: From a node's address to the one by which it is reached from here.
        timeout_s: How long the caller of a trip waits.
    """

    def __init__(self, hosts: Sequence[Address], remap: Callable[[Address], Address] | None, timeout_s: float) -> None:
        self._hosts = tuple(hosts)
        self._remap = remap or (lambda address: address)
        self._owners: list[Address | None] = []
        self._replicas: dict[Address, list[Replica]] = {}
        self._heard = 0.0
        self._guards: defaultdict[Node, StallGuard] = defaultdict(StallGuard)
        self.failed: set[Node] = set()
        """Who failed when it was sent something last."""
        self.part_s: float = timeout_s / 2
        """How long a node may take: then there is time to ask others where a silent one's slots are."""
        self._timeout_s = timeout_s

    # --- where the slots are ------------------------------------------------------------------------------------------

    @property
    def known(self) -> set[Address]:
        """The masters."""
        return {owner for owner in self._owners if owner is not None}

    def whom_to_ask(self) -> tuple[list[Address], float]:
        """Returns whom to ask where the slots are, those that failed last, and how long each may take."""
        found = list({*self._hosts, *self.known})
        shuffle(found)
        found.sort(key=lambda address: address in self.failed)
        return found, self._timeout_s / min(len(found) + 1, _SHARES)

    def heard_lately(self) -> bool:
        """Returns whether a node has just said where the slots are."""
        return monotonic() - self._heard < _HEARD_S

    def learn(self, reply: Reply, asked: Address) -> None:
        """Takes over what a node said to CLUSTER SLOTS."""
        owners: list[Address | None] = [None] * _SLOTS
        replicas: dict[Address, list[Replica]] = {}
        for first, last, master, *others in reply:
            owner = self._address(master[0], master[1], asked)
            replicas[owner] = [Replica(*self._address(one[0], one[1], asked)) for one in others]
            owners[int(first) : int(last) + 1] = [owner] * (int(last) - int(first) + 1)
        self._owners, self._replicas, self._heard = owners, replicas, monotonic()
        self.failed.discard(asked)

    def heard(self, failed: Exception | None) -> Outcomes:
        """Raises why nobody said where the slots are, where that is not known either from before."""
        if failed is not None and not self._owners:
            raise failed
        return {}

    def rests(self, now: float) -> bool:
        """Returns whether a node is left alone for a while, since it has just failed to answer."""
        return any(guard.rests(now) for at, guard in list(self._guards.items()) if not isinstance(at, Replica))

    def owner(self, command: Command) -> Address | None:
        """Returns the node that has a command's key; None where it has none, or nobody knows."""
        from redis.crc import key_slot

        if isinstance(command, Call):
            key: Any = command.keys[0]
        elif command[0] in _EVALS:
            key = command[3]
        elif len(command) > 1 and command[0] not in _KEYLESS:
            key = command[1]
        else:
            return None
        slot = key_slot(key if isinstance(key, bytes) else str(key).encode())
        return self._owners[slot] if self._owners else None

    def _replica(self, command: Command) -> Replica | None:
        """Returns a replica that may answer a command; None where its node has none that is within reach."""
        owner, now = self.owner(command), monotonic()
        found = [one for one in self._replicas.get(owner, ()) if not self._guards[one].rests(now)] if owner else []
        return choice(found) if found else None

    def _address(self, host: Any, port: Any, asked: Address) -> Address:
        name = host.decode() if isinstance(host, bytes) else host
        return self._remap((name or asked[0], int(port)))

    # --- a trip -------------------------------------------------------------------------------------------------------

    def trip_flow(self, commands: Sequence[Command], *, stale: bool = False) -> Trip:
        """Shares out the commands of a trip.

        Yields:
            What each node is to be sent; nobody anything, to ask where the slots are.

        Returns:
            The replies in the commands' order; what a node did not answer is the exception that it failed with.

        Raises:
            Exception: No node answered.
        """
        replies: list[Reply] = [None] * len(commands)
        sent_on: dict[int, _SentOn] = {}
        todo = list(range(len(commands)))
        if not self._owners:
            yield {}
        heard = False
        for _ in range(_REDIRECTIONS):
            parts = self._parts(commands, todo, sent_on, stale)
            if not heard and any(self._is_back(address) for address in parts):
                heard = True
                yield {}
                parts = self._parts(commands, todo, sent_on, stale)
            began = monotonic()
            resting = {address: self._silent(address) for address in parts if not self._may_try(address, began)}
            sent = {
                address: [one for i in places for one in _spelled(commands[i], i in sent_on and sent_on[i].asking)]
                for address, places in parts.items()
                if address not in resting
            }
            outcomes = (yield sent) if sent else {}
            self._note(outcomes, began)
            for address, outcome in {**outcomes, **resting}.items():
                _put(replies, commands, parts[address], outcome, sent_on)
            ends = {**outcomes, **resting}
            if all(isinstance(end, Exception) and not isinstance(at, Replica) for at, end in ends.items()):
                raise next(iter(ends.values()))  # type: ignore[misc]
            todo = self._redirected(commands, replies, parts, sent_on)
            if not todo:
                break
        return replies

    def _parts(
        self, commands: Sequence[Command], todo: list[int], sent_on: Mapping[int, _SentOn], stale: bool
    ) -> dict[Node, list[int]]:
        """Returns which commands go to which node; what waits for writes goes behind each node's."""
        parts: dict[Node, list[int]] = {}
        last: Node | None = None
        for i in todo:
            if commands[i][0] in WAITS:
                for places in parts.values():
                    if any(writes_once(commands[j]) for j in places):
                        places.append(i)
                continue
            if i in sent_on:
                last = sent_on[i].to
            else:
                copy = self._replica(commands[i]) if stale else None
                last = copy or self.owner(commands[i]) or last or self._anyone()
            parts.setdefault(last, []).append(i)
        return parts

    def _anyone(self) -> Address:
        return self.whom_to_ask()[0][0]

    def _is_back(self, address: Node) -> bool:
        guard = self._guards[address]
        return not guard.closed and not guard.rests(monotonic())

    def _may_try(self, address: Node, now: float) -> bool:
        guard = self._guards[address]
        return guard.closed or guard.tries(now, self.part_s)

    def _silent(self, address: Node) -> UnavailableError:
        return UnavailableError(f"{address[0]}:{address[1]} has just failed to answer and is not asked for a moment")

    def _note(self, outcomes: Outcomes, began: float) -> None:
        now = monotonic()
        for address, outcome in outcomes.items():
            if isinstance(outcome, Exception):
                self.failed.add(address)
                if isinstance(address, Replica):
                    self._guards[address].failed(began, max(now, began + _REST_S))
                    continue
                # One that refuses or resets a connection is no silent one: the call itself asks it again.
                if is_timeout(outcome) or now - began > self.part_s / 2 or not self._guards[address].closed:
                    self._guards[address].failed(began, now)
            else:
                self.failed.discard(address)
                self._guards[address].worked(now)

    def _redirected(
        self,
        commands: Sequence[Command],
        replies: list[Reply],
        parts: Mapping[Node, list[int]],
        sent_on: dict[int, _SentOn],
    ) -> list[int]:
        """Returns the places of what another node has to be sent, and what waits for it; learns where that is."""
        from redis.exceptions import AskError, MovedError

        again = []
        sent_on.clear()
        for address, places in parts.items():
            for i in places:
                reply = replies[i]
                if not isinstance(reply, AskError):  # MovedError is one of them
                    failed = isinstance(reply, Exception) and not is_unknown_script(commands[i], reply)
                    if failed and isinstance(address, Replica):
                        again.append(i)
                        sent_on[i] = _SentOn(self.owner(commands[i]) or self._anyone(), asking=False)
                    continue
                moved = isinstance(reply, MovedError)
                target = self._address(reply.host, reply.port, (address[0], address[1]))
                again.append(i)
                sent_on[i] = _SentOn(target, asking=not moved)
                if moved and self._owners:
                    self._owners[int(reply.slot_id)] = target
        waits = [i for i, command in enumerate(commands) if command[0] in WAITS]
        return [*sorted(again), *waits] if again else []


_EVALS = frozenset(("EVAL", "EVALSHA"))
_KEYLESS = frozenset(("INFO", "HELLO", "PING", "TIME", "COMMAND", "CLUSTER", "SCRIPT", "DBSIZE", "ACL", *WAITS))


def _spelled(command: Command, asking: bool) -> tuple[Command, ...]:
    return (_ASKING, command) if asking else (command,)


def _put(
    replies: list[Reply],
    commands: Sequence[Command],
    places: Sequence[int],
    outcome: list[Reply] | Exception,
    sent_on: Mapping[int, _SentOn],
) -> None:
    """Puts what a node replied in place; of what several nodes were told to wait for, the one that is behind counts."""
    found = iter([] if isinstance(outcome, Exception) else outcome)
    for i in places:
        if i in sent_on and sent_on[i].asking and not isinstance(outcome, Exception):
            next(found)
        reply = outcome if isinstance(outcome, Exception) else next(found)
        waited = commands[i][0] in WAITS and replies[i] is not None
        replies[i] = _behind(replies[i], reply) if waited else reply


def _behind(one: Reply, two: Reply) -> Reply:
    if isinstance(one, Exception) or isinstance(two, Exception):
        return one if isinstance(one, Exception) else two
    return [min(pair) for pair in zip(one, two, strict=True)] if isinstance(one, list) else min(one, two)
