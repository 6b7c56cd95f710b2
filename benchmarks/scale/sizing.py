"""Bytes of real conversations, and the calculator of `size` against a cluster that really holds them.

python -m benchmarks.scale.sizing --data DIR [--share 0.01] [--write FILE]

DIR holds `conversation_turns.jsonl`: the turns of CANARD (aagohary/canard, CC BY-SA 4.0) with their answers, and those
of TREC CAsT (daltonj/treccastweb, MIT), which has none. Only figures leave this: no text of the data is stored. The
share is of a million users with twenty turns a day, kept for 30 days; a cluster of six nodes is filled with it, and the
calculator's bytes stand beside those of the servers. What sixty conversations, fifty answers and a profile take is
stored by the classes, the rest are copies of their bytes.
"""

from __future__ import annotations

import argparse
import json
import time
from binascii import unhexlify
from collections.abc import Callable
from hashlib import sha1
from itertools import count, cycle, islice
from pathlib import Path
from statistics import mean
from typing import Any
from uuid import uuid4

import redis
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import AIMessage, HumanMessage
from langgraph.graph import START, MessagesState, StateGraph
from redis.crc import key_slot

from benchmarks.scale.loader import Copier
from benchmarks.scale.width import cluster
from benchmarks.speed.harness import PATIENCE_S, bytes_of_keys, connected, server
from langchain_redis_memory import Client, ConversationMemory, RedisChatMessageHistory, RedisSaver, UserProfile
from langchain_redis_memory.operate.sizing import Load, size

USERS, TURNS_PER_DAY, DAYS, NODES = 1e6, 20, 30, 6
TEMPLATES, ANSWERS = 60, 50
"""Conversations and answers that are stored by the classes; the others are copies."""
JOINED = (1, 4, 14)
"""How many answers make one, for turns of three lengths."""
ABOUT = {"finish_reason": "stop", "model_name": "gpt-5", "token_usage": {"prompt_tokens": 120, "total_tokens": 220}}
Talk = list[tuple[str, str]]
"""Questions and their answers."""


def talks(data: Path) -> list[Talk]:
    """The conversations of CANARD, each turn with its answer."""
    found: dict[str, Talk] = {}
    for line in (data / "conversation_turns.jsonl").read_text("utf-8").splitlines():
        turn = json.loads(line)
        if turn["source"].startswith("canard"):
            said = [text for _, text in turn["history"]]
            pairs = list(zip(said[::2], said[1::2], strict=False))
            if len(pairs) > len(found.get(turn["conv"], [])):
                found[turn["conv"]] = pairs
    return [talk for talk in found.values() if len(talk) >= 4]


def cast(data: Path) -> list[list[str]]:
    """The questions of CAsT's conversations."""
    found: dict[str, list[str]] = {}
    for line in (data / "conversation_turns.jsonl").read_text("utf-8").splitlines():
        turn = json.loads(line)
        if turn["source"].startswith("cast"):
            found.setdefault(f"{turn['source']} {turn['conv']}", []).append(turn["question"])
    return list(found.values())


def messages(talk: Talk) -> list[Any]:
    """A conversation as messages; an answer has what LangChain and a provider give it, a question what we give it."""
    return [
        message
        for question, answer in talk
        for message in (
            HumanMessage(question),
            AIMessage(answer, id=f"lc_run--{uuid4()}", response_metadata=ABOUT),
        )
    ]


def characters(turns: Talk) -> float:
    """Characters of a turn."""
    return mean(len(question) + len(answer) for question, answer in turns)


# --- bytes of one more --------------------------------------------------------------------------------------------


Fill = Callable[[Client, int], float]
PREFIXES = count()
FEW, MANY = (10, 60), (550, 1100)
"""Numbers between which one more is measured; of answers so many that their index is no packed list any more, and twice
as many, as its tables double."""


def each(port: int, fill: Fill, sizes_filled: tuple[int, int] = FEW) -> float:
    """What one more takes: fills with few and with many, and divides by how many more there are."""
    sizes, counts = [], []
    for many in sizes_filled:
        prefix = f"each{next(PREFIXES)}"
        with connected(f"redis://127.0.0.1:{port}/0", prefix=prefix) as client:
            counts.append(fill(client, many))
            client.settle()
        sizes.append(bytes_of_keys(port, f"{prefix}:*"))
    return (sizes[1] - sizes[0]) / (counts[1] - counts[0])


def joined(known: list[Talk], times: int) -> list[tuple[str, str]]:
    """Turns whose answers are so many of the conversation's answers joined: longer turns, real ones still."""
    made = []
    for talk in known:
        for at in range(0, len(talk), times):
            some = talk[at : at + times]
            made.append((some[0][0], " ".join(answer for _, answer in some)))
    return made


def conversations(turns: list[tuple[str, str]], length: int) -> Fill:
    """Conversations of so many turns."""

    def fill(client: Client, many: int) -> float:
        left = cycle(turns)
        for at in range(many):
            history = RedisChatMessageHistory(f"session-{at:08}", client, user=f"user-{at % 10}")
            history.add_messages(messages(list(islice(left, length))))
        return many

    return fill


def questions(asked_for: list[list[str]], length: int) -> Fill:
    """Conversations of so many questions."""

    def fill(client: Client, many: int) -> float:
        left = cycle(question for some in asked_for for question in some)
        for at in range(many):
            history = RedisChatMessageHistory(f"session-{at:08}", client, user=f"user-{at % 10}")
            history.add_messages([HumanMessage(question) for question in islice(left, length)])
        return many

    return fill


def answers(turns: list[tuple[str, str]]) -> Fill:
    """Answers of conversations' cache, whose conversations are gone."""
    return lambda client, many: len(asked(client, [answer for _, answer in islice(cycle(turns), many)]))


def asked(client: Client, texts: list[str]) -> list[str]:
    """Stores answers, asking for each in a conversation of its own that is erased again.

    Returns:
        The ids of what is stored.
    """
    memory = ConversationMemory(client)
    chat = memory.wrap(FakeListChatModel(responses=texts), scope="s")
    for at in range(len(texts)):
        chat.invoke(f"What does chapter {at} of the manual say?", {"configurable": {"session_id": f"extra{at}"}})
        memory.history(f"extra{at}").clear()
    client.settle()
    found: list[str] = []
    cursor = -1
    while cursor:
        page = memory.answers.entries(max(cursor, 0))
        found += [answer.entry for answer in page.answers]
        cursor = page.cursor
    assert len(found) == len(texts), "the classifier keeps some of the questions out of the cache"
    return found


def thread(known: list[Talk]) -> Fill:
    """Checkpoints of a thread."""

    def fill(client: Client, many: int) -> float:
        said = [pair for talk in islice(cycle(known), many) for pair in talk][:many]
        model = FakeListChatModel(responses=[answer for _, answer in said])
        builder = StateGraph(MessagesState)
        builder.add_node("answer", lambda state: {"messages": [model.invoke(state["messages"])]})
        saver = RedisSaver(client)
        graph = builder.add_edge(START, "answer").compile(checkpointer=saver)
        config: Any = {"configurable": {"thread_id": "t"}}
        for question, _ in said:
            graph.invoke({"messages": [HumanMessage(question)]}, config)
        return len(list(saver.list(config)))

    return fill


def rows(port: int, known: list[Talk], of_cast: list[list[str]]) -> dict[str, float]:
    """Bytes of one more of each, with turns as they are."""
    one, some = (each(port, questions(of_cast, length)) for length in (1, TURNS_PER_DAY))
    turns = joined(known, 1)
    short, long = (each(port, conversations(turns, length)) for length in (1, TURNS_PER_DAY))
    a_turn = (long - short) / (TURNS_PER_DAY - 1)
    return {
        "message": a_turn / 2,
        "question of CAsT": (some - one) / (TURNS_PER_DAY - 1),
        "turn": a_turn,
        "conversation, without its turns": short - a_turn,
        "checkpoint": each(port, thread(known)),
        "answer": each(port, answers(turns), MANY),
    }


def lengths(port: int, known: list[Talk]) -> dict[str, list[dict[str, float]]]:
    """Bytes of turns and answers of three lengths, beside what the calculator takes them to be."""
    found: dict[str, list[dict[str, float]]] = {"turn": [], "turn of a long conversation": [], "answer": []}
    for times in JOINED:
        turns = joined(known, times)
        text = characters(turns)
        for name, (first, last) in {"turn": (1, 20), "turn of a long conversation": (80, 120)}.items():
            few, many = (each(port, conversations(turns, length)) for length in (first, last))
            parts = _parts(text, last)
            found[name].append({
                "characters": text,
                "measured": (many - few) / (last - first),
                "calculated": parts["turns of conversations"],
            })  # fmt: skip
        found["answer"].append({
            "characters": text,
            "measured": each(port, answers(turns), MANY),
            "calculated": _parts(text, 20)["cached answers"],
        })  # fmt: skip
    return found


def _parts(text: float, turns: float) -> dict[str, float]:
    """The calculator's bytes of one of each."""
    made = size(Load(10_000, 1, 86_400, characters=text, turns_per_conversation=turns))
    return {part.name: part.each for part in made.parts}


# --- a real cluster -----------------------------------------------------------------------------------------------


def load(share: float, text: float) -> Load:
    """What is asked of the calculator."""
    return Load(USERS * share, TURNS_PER_DAY, DAYS * 86_400, characters=text, turns_per_conversation=TURNS_PER_DAY)


def filled(client: Client, nodes: list[redis.Redis], known: list[Talk], asked_for: Load) -> tuple[int, float]:
    """Fills a cluster with a load: a conversation of each user and day, his profile, and the answers of half a day.

    Returns:
        How many turns are stored, and what a copied conversation takes as a share of its template, in bytes.
    """
    users = round(asked_for.users)
    names = [f"u{user:06}-{day:02}" for user in range(users) for day in range(DAYS)]
    left = cycle(pair for talk in known for pair in talk)
    for name in names[:TEMPLATES]:
        history = RedisChatMessageHistory(name, client, ttl_s=DAYS * 86_400)
        history.add_messages(messages(list(islice(left, TURNS_PER_DAY))))
    profile = UserProfile("p000000", client)
    for trait, value in (("language", "de"), ("length", "short"), ("format", "list")):
        profile.set(trait, value)
    stored = asked(client, [answer for _, answer in islice(left, ANSWERS)])
    client.settle()
    copiers = [Copier(nodes, name) for name in names[:TEMPLATES]]
    answered = [Copier(nodes, name, unhexlify) for name in stored]
    Copier(nodes, "p000000").copy(f"p{user:06}" for user in range(1, users))
    for at, copier in enumerate(copiers):
        copier.copy(names[TEMPLATES + at :: TEMPLATES])
    share = asked_for.cacheable * (1 - asked_for.hit_rate) * asked_for.answers_ttl_s / 86_400
    wanted = round(users * TURNS_PER_DAY * share)
    for at, copier in enumerate(answered):
        copier.copy(sha1(f"{n}".encode()).hexdigest() for n in range(at, wanted - len(stored), len(stored)))
    same = [sum(_bytes(nodes, name) for name in some) for some in (names[:TEMPLATES], names[TEMPLATES : 2 * TEMPLATES])]
    return len(names) * TURNS_PER_DAY, same[1] / same[0]


def _bytes(nodes: list[redis.Redis], name: str) -> int:
    """Bytes of a conversation's own keys, on whichever node it is."""
    keys = [f"lrm:{{//{name}}}:{kind}" for kind in ("messages", "ids", "meta")]
    node = nodes[((key_slot(keys[0].encode()) + 1) * len(nodes) - 1) // 16384]
    return sum(int(node.memory_usage(key, samples=0) or 0) for key in keys)


def checked(known: list[Talk], share: float) -> dict[str, Any]:
    """The calculator's bytes and those of a cluster."""
    asked_for = load(share, characters([pair for talk in known for pair in talk]))
    begun = time.monotonic()
    with cluster(NODES) as ports:
        admins = [redis.Redis(port=port, socket_timeout=PATIENCE_S) for port in ports]
        before = sum(admin.info("memory")["used_memory"] for admin in admins)
        with connected(f"redis+cluster://127.0.0.1:{ports[0]}") as client:
            turns, equal = filled(client, admins, known, asked_for)
        keys = [bytes_of_keys(port, "lrm:*") for port in ports]
        used = sum(admin.info("memory")["used_memory"] for admin in admins) - before
    told = size(asked_for).bytes
    return {
        "share": share,
        "users": round(asked_for.users),
        "turns": turns,
        "characters": round(asked_for.characters),
        "nodes": NODES,
        "calculated": round(told),
        "keys": sum(keys),
        "used_memory": used,
        "fullest / mean node": round(max(keys) / mean(keys), 2),
        "calculated / keys": round(told / sum(keys), 3),
        "calculated / used_memory": round(told / used, 3),
        "a copy / what the classes stored": round(equal, 4),
        "seconds": round(time.monotonic() - begun),
    }


NOTE = (
    "Turns of three lengths are CANARD's with the answers of one, up to 4 and up to 14 turns joined; an answer "
    "has an id of LangChain's and what a provider tells of its model and tokens. `used_memory` also counts the tables "
    "that keys are in, buffers and scripts. The calculator's constants were fitted to such turns."
)


def told(
    known: list[Talk], found: dict[str, int], sized: dict[str, list[dict[str, float]]], run: dict[str, Any]
) -> dict[str, Any]:
    """What the page of benchmarks is generated from."""
    text = characters([pair for talk in known for pair in talk])
    mib = 2**20
    about = (
        f"Redis 8.2, {len(known)} conversations of CANARD with turns of {text:.0f} characters on average; a "
        f"conversation has {TURNS_PER_DAY} turns. Then the calculator of `size` against a cluster of {NODES} nodes "
        f"with {run['share']:.3%} of a million users, {TURNS_PER_DAY} turns a day and {DAYS} days: {run['users']:,} "
        f"users, {run['turns']:,} turns. {TEMPLATES} conversations of it were stored by the classes; the others are "
        f"copies, which take {run['a copy / what the classes stored']:.2%} of their bytes."
    )
    rows = [[f"bytes of one more {name}", f"{size:,}"] for name, size in found.items()]
    for name, of in sized.items():
        told_of = {what: " / ".join(f"{one[what]:.0f}" for one in of) for what in of[0]}
        measured = f"{told_of['measured']} (calculated: {told_of['calculated']})"
        rows.append([f"bytes of one more {name}, of {told_of['characters']} characters", measured])
    rows += [
        ["calculated", f"{run['calculated'] / mib:,.1f} MiB"],
        ["keys of the cluster (`MEMORY USAGE`)", f"{run['keys'] / mib:,.1f} MiB"],
        ["calculated / keys", f"{run['calculated / keys']:.2f}"],
        ["growth of `used_memory` of all nodes", f"{run['used_memory'] / mib:,.1f} MiB"],
        ["calculated / growth of `used_memory`", f"{run['calculated / used_memory']:.2f}"],
        ["keys of the fullest node / of the mean one", f"{run['fullest / mean node']:.2f}"],
    ]
    return {
        "order": 10,
        "title": "Bytes of real conversations",
        "command": "python -m benchmarks.scale.sizing --data DIR",
        "about": about,
        "columns": ["", "measured"],
        "rows": rows,
        "notes": [NOTE],
        "figures": {"each": found, "lengths": sized, "cluster": run},
    }


def main() -> None:
    """Measures, prints, writes."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale.sizing", description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="where conversation_turns.jsonl is")
    parser.add_argument("--share", type=float, default=0.01, help="of a million users; 0.01 takes 2 GB")
    parser.add_argument("--write", metavar="FILE", help="also write the figures as JSON")
    options = parser.parse_args()
    known = talks(options.data)
    every = [pair for talk in known for pair in talk]
    print(f"{len(known)} conversations, {len(every)} turns of {characters(every):.0f} characters")
    with server(query_engine=False) as port:
        found = {name: round(size) for name, size in rows(port, known, cast(options.data)).items()}
        sized = lengths(port, known)
    print(json.dumps([found, sized], indent=1))
    run = checked(known, options.share)
    print(json.dumps(run, indent=1))
    if options.write:
        text = json.dumps(told(known, found, sized, run), indent=1, ensure_ascii=False)
        Path(options.write).write_text(f"{text}\n", "utf-8")


if __name__ == "__main__":
    main()
