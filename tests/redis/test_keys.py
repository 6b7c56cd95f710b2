"""Keys: nobody's id reaches another's data, whatever it is made of."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from itertools import combinations
from string import ascii_letters, digits
from typing import Any, Literal, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.crc import key_slot

from langchain_redis_memory.errors import ConfigError, InvalidIdError, RedisMemoryError
from langchain_redis_memory.redis.key_groups import MAX_ID_BYTES, check_id, escape, spell_namespace
from langchain_redis_memory.redis.keys import KINDS, KeySpace

ADVERSARIAL = ":/{}*?[]\\%h\n\r\t\0 ^-!~._aA0é\u0301İ\u0131ß😀\u202e"
AWKWARD = [
    *ADVERSARIAL,
    "a:b",
    "a/b",
    "%3A",
    "%253A",
    "%2F",
    "%h",
    "%25h",
    "é",
    "e\u0301",
    "Straße",
    "STRASSE",
    "straße",
    "\u212a",  # the Kelvin sign, which lower-cases to k
    "k",
    "K",
    "x" * 96,
    "x" * 97,
    "X" * 97,
    "x" * 1024,
    ":" * 32,  # 96 characters escaped
    ":" * 33,  # 99: becomes a digest
    "😀" * 8,
    "😀" * 9,
    "😀" * 256,
    "messages",
    "probe",
    "",
]
DIGESTS = [escape("x" * 97), escape("x" * 97)[1:], escape("x" * 97)[2:], escape(escape("x" * 97))]
NAMED = [text for text in [*AWKWARD, *DIGESTS] if text]

FORMS: list[Literal["NFC", "NFD", "NFKC", "NFKD"]] = ["NFC", "NFD", "NFKC", "NFKD"]
ids = st.one_of(
    st.sampled_from(NAMED),
    st.text(st.sampled_from(ADVERSARIAL), min_size=1, max_size=40),
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60),
    st.text(st.sampled_from(ADVERSARIAL), min_size=90, max_size=110),
    st.sampled_from(NAMED).map(escape),
    st.sampled_from(NAMED).map(str.swapcase).filter(lambda text: len(text.encode()) <= MAX_ID_BYTES),
    st.sampled_from(FORMS).flatmap(
        lambda form: st.sampled_from(["é", "e\u0301", "ﬁ", "Å", "한"]).map(
            lambda text: unicodedata.normalize(form, text)
        )
    ),
).filter(lambda text: 0 < len(text.encode()) <= MAX_ID_BYTES)
optional_ids = st.one_of(st.just(""), ids)


def further_keys(space: KeySpace, name: str) -> dict[str, str]:
    """The keys of what has no agent."""
    nodes, values = space.nodes((name,)), space.byte_values(name)
    found: dict[str, str] = {
        "nodes": nodes.items,
        "node_expiries": nodes.expiries,
        "byte_names": values.names,
        "byte_expiries": values.expiries,
    }
    found |= dict(zip(("files", "file_names"), space.files((name,)).all(), strict=True))
    found |= {"bytes": values.value("x"), "bytes of it": space.byte_values("x").value(name)}
    if name:
        records = space.records(name)
        found |= {"record_times": records.times, "record_groups": records.groups, "group_records": records.members}
    return found


def every_key(space: KeySpace, agent: str, name: str) -> dict[tuple[str, str, str, str], str]:
    """Every key that `name` leads to, under what it is for."""
    found = {}
    if name:
        session = space.session(name, agent)
        for kind in ("messages", "ids", "meta", "state", "data", "data_expiries"):
            found[space.tenant, agent, name, kind] = getattr(session, kind)
        found[space.tenant, agent, name, "session_users"] = space.session_users(name, agent)
        found[space.tenant, agent, name, "lease"] = space.lease("load", name, agent)
        found[space.tenant, agent, name, "another lease"] = space.lease("summary", name, agent)
    if not agent:
        found |= {(space.tenant, "", name, kind): key for kind, key in further_keys(space, name).items()}
    if name and not agent:
        found[space.tenant, "", name, "answer"] = space.answer(name)
        found[space.tenant, "", name, "profile"] = space.profile(name)
        found[space.tenant, "", name, "thread_users"] = space.thread_users(name)
    found[space.tenant, agent, "", "agent_state"] = space.agent_state(agent)
    index = space.index(agent)
    found[space.tenant, agent, "", "sessions"] = index.sessions
    found[space.tenant, agent, "", "expiries"] = index.expiries
    return found


# --- Redis' own glob, from its stringmatchlen --------------------------------------------------------------


def redis_glob(pattern: str, text: str) -> bool:
    p, t = pattern.encode(), text.encode()

    def match(i: int, j: int) -> bool:
        while i < len(p):
            char = p[i : i + 1]
            if char == b"*":
                while p[i + 1 : i + 2] == b"*":
                    i += 1
                return i + 1 == len(p) or any(match(i + 1, k) for k in range(j, len(t) + 1))
            if j >= len(t):
                return False
            if char == b"[":
                i, ok = _class(i + 1, t[j])
                if not ok:
                    return False
            else:
                if char == b"\\" and i + 1 < len(p):
                    i += 1
                    char = p[i : i + 1]
                    if char[0] != t[j]:
                        return False
                elif char not in (b"?", t[j : j + 1]):
                    return False
                i += 1
            j += 1
        return j == len(t)

    def _class(i: int, byte: int) -> tuple[int, bool]:
        negated = p[i : i + 1] == b"^"
        i += negated
        ok = False
        while i < len(p) and p[i : i + 1] != b"]":
            if p[i : i + 1] == b"\\" and i + 1 < len(p):
                i += 1
                ok |= p[i] == byte
            elif p[i + 1 : i + 2] == b"-" and i + 2 < len(p):
                low, high = sorted((p[i], p[i + 2]))
                ok |= low <= byte <= high
                i += 2
            else:
                ok |= p[i] == byte
            i += 1
        return i + 1, ok != negated

    return match(0, 0)


def test_the_glob_of_these_tests_is_that_of_a_server() -> None:
    from fakeredis import FakeRedis, FakeServer

    client = FakeRedis(server=FakeServer())
    texts = ["a", "ab", "a*b", "a?b", "a[b]", "a\\b", "lrm:{/a}", "lrm:{x/a}", "a\nb", "é", "b"]
    client.mset(dict.fromkeys(texts, "1"))
    for pattern in [
        "*",
        "a*",
        "a?b",
        "a[*?]b",
        "[^a]",
        "[a-b]",
        "a\\*b",
        "a\\\\b",
        "lrm:{/*",
        "lrm:{x/*",
        "*b",
        "a*b*",
    ]:
        theirs = {key.decode() for key in client.scan_iter(match=pattern, count=1000)}
        assert {text for text in texts if redis_glob(pattern, text)} == theirs, pattern


# --- two names, two keys -----------------------------------------------------------------------------------


@pytest.mark.slow
def test_awkward_names_all_have_keys_of_their_own() -> None:
    seen: dict[str, object] = {}
    texts = list(dict.fromkeys(["", *AWKWARD, *DIGESTS]))
    for tenant in texts:
        for name in texts:
            for what, key in every_key(KeySpace("lrm", tenant), "", name).items():
                assert seen.setdefault(key, what) == what
    for agent in texts:
        for name in texts:
            for what, key in every_key(KeySpace("lrm", ""), agent, name).items():
                assert seen.setdefault(key, what) == what


places = st.tuples(optional_ids, optional_ids, optional_ids)


@given(places, places)
def test_two_places_never_share_a_key(one: Any, two: Any) -> None:
    first = every_key(KeySpace("lrm", one[0]), one[1], one[2])
    second = every_key(KeySpace("lrm", two[0]), two[1], two[2])
    joined = {**first, **second}
    assert len(set(joined.values())) == len(joined)


@given(st.lists(ids, min_size=2, max_size=6, unique=True))
def test_different_texts_are_spelled_differently(texts: list[str]) -> None:
    assert len({escape(text) for text in texts}) == len(texts)


short_ids = st.text(st.sampled_from(ADVERSARIAL), min_size=1, max_size=40)


@given(short_ids, short_ids, short_ids)
def test_text_cannot_move_between_the_parts_of_a_key(a: str, b: str, c: str) -> None:
    for sign in (":", "/", "}:messages", "%2F", "%h"):
        moved = KeySpace("lrm", a).key("messages", b + sign + c, "x")
        assert moved != KeySpace("lrm", a + sign + b).key("messages", c, "x")
        assert moved != KeySpace("lrm", a).key("messages", b, c + sign + "x")


def test_case_and_normal_form_are_not_folded() -> None:
    for one, two in [
        ("User", "user"),
        ("é", "e\u0301"),
        ("\u212b", "\u00c5"),
        ("ﬁ", "fi"),
        ("\u212a", "K"),
        ("ß", "ss"),
    ]:
        assert one != two
        assert escape(one) != escape(two)


def test_no_id_is_spelled_like_the_digest_of_another() -> None:
    for long in ("x" * 97, "😀" * 200, ":" * 40):
        digest = escape(long)
        assert digest.startswith("%h")
        for mimic in (digest, digest[1:], digest[2:], "%25" + digest[1:], digest.upper()):
            assert escape(mimic) != digest


def test_prefixes_that_begin_alike_do_not_meet() -> None:
    spaces = [KeySpace(prefix, "t") for prefix in ("lrm", "lrm:", "lrm:a", "LRM", "lrm.a", "lrm-a")]
    keys = {space.prefix: space.session("s").messages for space in spaces}
    assert len(set(keys.values())) == len(keys)
    for one, two in combinations(keys, 2):
        assert not redis_glob(KeySpace(one, "t").tenant_pattern(), keys[two])
        assert not redis_glob(KeySpace(two, "t").tenant_pattern(), keys[one])


# --- what a key is made of ---------------------------------------------------------------------------------


@given(optional_ids, optional_ids, optional_ids)
def test_a_key_holds_nothing_but_safe_characters(tenant: str, agent: str, name: str) -> None:
    for key in every_key(KeySpace("lrm", tenant), agent, name).values():
        head, brace, rest = key.partition("{")
        tag, closing, kind = rest.partition("}")
        assert (head, brace, closing, kind[:1]) == ("lrm:", "{", "}", ":")
        assert kind[1:].partition(":")[0] in KINDS
        assert tag.count("/") == 2
        assert key.isascii()
        assert not set(key) & set("*?[]\\^ \t\r\n\0\"'")
        assert set(tag) - set("/") <= set(ascii_letters + digits + "-._~%")
        assert len(key) <= 64 + 4 * 96 + 16


@given(ids)
def test_a_key_as_a_pattern_matches_only_itself(name: str) -> None:
    key = KeySpace("lrm", name).session(name, name).messages
    assert redis_glob(key, key)
    assert not redis_glob(key, key + "x")
    assert not redis_glob(key, key[:-1])


@pytest.mark.parametrize("text", ["a", "user-42", "a.b_c~d-e", "A9"])
def test_an_ordinary_id_stays_readable(text: str) -> None:
    assert KeySpace("app", "acme").session(text, "bot").messages == f"app:{{acme/bot/{text}}}:messages"


# --- one tenant's pattern ----------------------------------------------------------------------------------


@given(places, places)
def test_a_tenants_pattern_matches_all_its_keys_and_no_other(one: Any, two: Any) -> None:
    space = KeySpace("lrm", one[0])
    other = KeySpace("lrm", two[0])
    assert all(redis_glob(space.tenant_pattern(), key) for key in every_key(space, one[1], one[2]).values())
    if one[0] != two[0]:
        assert not any(redis_glob(space.tenant_pattern(), key) for key in every_key(other, two[1], two[2]).values())
        assert not any(redis_glob(other.tenant_pattern(), key) for key in every_key(space, one[1], one[2]).values())


def test_tenants_that_extend_each_other_are_apart() -> None:
    tenants = ["", "a", "ab", "a/", "a/b", "a*", "*", "?", "[a]", "a}", "{a", "A", "%61"]
    for one in tenants:
        pattern = KeySpace("lrm", one).tenant_pattern()
        matched = [two for two in tenants if redis_glob(pattern, KeySpace("lrm", two).session("s", "b").meta)]
        assert matched == [one]


# --- one conversation, one slot ----------------------------------------------------------------------------


@given(optional_ids, optional_ids, ids)
def test_the_keys_of_one_conversation_share_a_slot(tenant: str, agent: str, session: str) -> None:
    space = KeySpace("lrm", tenant)
    keys = space.session(session, agent)
    assert len({key_slot(key.encode()) for key in keys.all()}) == 1
    assert len(set(keys.all())) == 6
    index = space.index(agent)
    assert key_slot(index.sessions.encode()) == key_slot(index.expiries.encode())


def test_the_slot_is_that_of_the_whole_tag() -> None:
    key = KeySpace("my:app", "t}x{").session("}{").messages
    tag = key[key.index("{") + 1 : key.index("}")]
    assert key_slot(key.encode()) == key_slot(tag.encode())


def test_conversations_spread_over_the_slots() -> None:
    space = KeySpace()
    assert len({key_slot(space.session(f"user-{i}").messages.encode()) for i in range(1000)}) > 900


# --- what is refused ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("char", ["a", "é", "한", "😀", "\0", "\n"])
def test_ids_up_to_1024_bytes_are_taken(char: str) -> None:
    size = len(char.encode())
    longest = char * (MAX_ID_BYTES // size) + "a" * (MAX_ID_BYTES % size)
    assert len(longest.encode()) == 1024
    assert check_id(longest) == longest
    assert KeySpace("lrm", longest).session(longest, longest)
    for refuse in (
        lambda: check_id(longest + "a"),
        lambda: KeySpace("lrm", longest + "a"),
        lambda: KeySpace().session(longest + "a"),
        lambda: KeySpace().session("s", longest + "a"),
        lambda: KeySpace().index(longest + "a"),
    ):
        with pytest.raises(InvalidIdError, match="1025 bytes long in UTF-8; at most 1024"):
            refuse()


@pytest.mark.parametrize("bad", [None, 7, b"a", 1.5, ["a"], object()])
def test_an_id_that_is_not_text_is_refused_by_its_type(bad: Any) -> None:
    with pytest.raises(InvalidIdError, match=f"session_id must be a string, not {type(bad).__name__}"):
        KeySpace().session(bad)
    with pytest.raises(InvalidIdError, match="agent must be a string"):
        KeySpace().session("s", bad)
    with pytest.raises(InvalidIdError, match="agent must be a string"):
        KeySpace().index(bad)
    with pytest.raises(InvalidIdError, match="tenant must be a string"):
        KeySpace("lrm", bad)


def test_an_empty_session_is_refused_and_an_empty_agent_or_tenant_is_the_default() -> None:
    with pytest.raises(InvalidIdError, match="session_id must not be empty"):
        KeySpace().session("")
    assert KeySpace("lrm", "").session("s", "").messages == "lrm:{//s}:messages"


def test_a_lone_surrogate_is_refused_with_its_place() -> None:
    with pytest.raises(InvalidIdError, match="lone surrogate at position 2"):
        KeySpace().session("ab\ud800")
    with pytest.raises(InvalidIdError, match="tenant holds a lone surrogate"):
        KeySpace("lrm", "\udfff")


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "a" * 65,
        "a b",
        "a*",
        "a?",
        "a[",
        "a{",
        "a}",
        "a/b",
        "a\n",
        "é",
        "a%",
        "a\\",
        "\ud800",
        None,
        5,
        b"a",
    ],
)
def test_a_prefix_that_could_be_a_glob_or_a_tag_is_refused(bad: Any) -> None:
    with pytest.raises(ConfigError, match="prefix"):
        KeySpace(bad)


@pytest.mark.parametrize("good", ["a", "a" * 64, "my-app:v1.2_x"])
def test_a_prefix_of_plain_characters_is_taken(good: str) -> None:
    assert KeySpace(good).session("s").messages.startswith(f"{good}:{{")


def test_both_refusals_are_ours_and_a_value_error() -> None:
    for refuse in (lambda: KeySpace("*"), lambda: check_id("")):
        with pytest.raises(RedisMemoryError):
            refuse()
        with pytest.raises(ValueError, match=r".+"):
            refuse()


# --- caches of nodes, stores of bytes, records -------------------------------------------------------------


@given(st.lists(optional_ids, max_size=4), st.lists(optional_ids, max_size=4))
def test_two_namespaces_never_share_a_key(one: Any, two: Any) -> None:
    space = KeySpace()
    assert (spell_namespace(one) == spell_namespace(two)) is (one == two)
    assert (space.nodes(one) == space.nodes(two)) is (one == two)


def test_labels_cannot_move_between_namespaces() -> None:
    spelled = [(), ("",), ("", ""), ("a",), ("a", ""), ("", "a"), ("a", "b"), ("a/b",), ("a/", "b"), ("a:b",), ("*",)]
    spelled += [("a%2F", "b"), ("x" * 97,), (escape("x" * 97),), ("a", "b", "c"), ("A",)]
    assert len({KeySpace().nodes(labels).items for labels in spelled}) == len(spelled)
    with pytest.raises(InvalidIdError, match="must be a tuple of strings, not str"):
        KeySpace().nodes("ab")
    with pytest.raises(InvalidIdError, match="a label must be a string, not int"):
        KeySpace().nodes((cast("Any", 7),))


@given(optional_ids, optional_ids, ids)
def test_a_unit_has_one_slot(tenant: str, namespace: str, name: str) -> None:
    space = KeySpace("lrm", tenant)
    values = space.byte_values(namespace)
    units = [
        [values.names, values.expiries, values.value(name)],
        list(vars(space.records(name)).values()),
        list(vars(space.nodes((namespace, name))).values()),
    ]
    for unit in units:
        assert len({key_slot(key.encode()) for key in unit}) == 1


@given(st.tuples(ids, ids), st.tuples(ids, ids))
def test_no_two_roots_collections_or_points_share_a_key(one: Any, two: Any) -> None:
    def keys_of(collection: str, owner: str) -> dict[Any, Sequence[str]]:
        space = KeySpace("lrm", "t")
        owned = {
            (collection, owner): [space.point("store", collection, owner), space.point("cache", collection, owner)]
        }
        kept = {collection: [*space.items(collection).all(), *space.points("store", collection).all()]}
        return owned | kept | {None: space.roots().all()}

    first, second = keys_of(*one), keys_of(*two)
    for what, keys in first.items():
        assert len(set(keys)) == len(keys)
        assert all(redis_glob(KeySpace("lrm", "t").tenant_pattern(), key) for key in keys)
        assert all(key.startswith(KeySpace("lrm", "t").tenant_prefix()) for key in keys)
        for other, others in second.items():
            assert set(keys).isdisjoint(others) or what == other
    assert len({key_slot(key.encode()) for key in KeySpace().items(one[0]).all()}) == 1
    assert len({key_slot(key.encode()) for key in KeySpace().points("store", one[0]).all()}) == 1
