"""`Visit`: one request to the admin page: who asks, for which tenant, and what of it may be shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import urlencode

from fastapi import HTTPException
from langgraph.checkpoint.serde.base import SerializerProtocol

from langchain_redis_memory.admin.access import Access, Role
from langchain_redis_memory.admin.survey import Survey, TenantSurvey, survey_flow
from langchain_redis_memory.cache import decision_log
from langchain_redis_memory.cache.answers.desk import AnswerDesk
from langchain_redis_memory.cache.decision_log import Decision
from langchain_redis_memory.cache.stats import Prices
from langchain_redis_memory.cache.switchable import Switchable
from langchain_redis_memory.checkpoint.saver import RedisSaver
from langchain_redis_memory.errors import InvalidInputError
from langchain_redis_memory.operate.caches_by_name import answer_caches_flow, desk_of, switchable
from langchain_redis_memory.operate.users import RedisUsers
from langchain_redis_memory.ops import Flow, Now, Op, ask
from langchain_redis_memory.redis.client.client import Client
from langchain_redis_memory.redis.keys import KeySpace

T = TypeVar("T")


_FRESH_S = 5.0
_MOST_LINES = 10_000


@dataclass
class Backend:
    """The server and the caches that the pages show.

    Args:
        client: The server's client.
        answers: Desks of caches of answers, in place of those that are found by their names.
        serde: Reads the values of threads; None for LangGraph's own, with none but its types.
        prices: What tokens cost.
        users: Makes what erases users of a tenant; None for what knows no store.
    """

    client: Client
    answers: Sequence[AnswerDesk] = ()
    serde: SerializerProtocol | None = None
    users: Callable[[str], RedisUsers] | None = None
    prices: Prices | None = None
    _surveys: dict[str, tuple[float, Survey]] = field(default_factory=dict)

    async def survey(self, space: KeySpace, pattern: str) -> Survey:
        """Reads the names of keys, or gives those that were read a moment ago. **Keys:** the names of all.

        **Trips:** 1, and 1 for each 1,000 keys of the server.
        """
        return await self.client.adrive(self._survey_flow(space, pattern))

    def _survey_flow(self, space: KeySpace, pattern: str) -> Flow[Survey]:
        now: float = yield Now()
        made, survey = self._surveys.get(pattern, (float("-inf"), None))
        if survey is None or now - made > _FRESH_S:
            survey = yield from survey_flow(space, pattern)
            self._surveys.clear()  # of all tenants at most one is remembered
            self._surveys[pattern] = (now, survey)
        return survey

    def forget(self) -> None:
        """Forgets what was found: something has been changed."""
        self._surveys.clear()


@dataclass
class Visit:
    """One request.

    Args:
        backend: What the pages look at.
        access: Who asks.
        tenant: For which tenant.
        query: What else the address says, or the form.
    """

    backend: Backend
    access: Access
    tenant: str
    query: Mapping[str, str]

    @property
    def client(self) -> Client:
        """The server's client."""
        return self.backend.client

    @property
    def space(self) -> KeySpace:
        """The tenant's key builder."""
        return self.client.keys(self.tenant)

    def asked(self, name: str) -> str:
        """Reads what the address must say. Raises `HTTPException` (404): it does not."""
        value = self.query.get(name, "")
        if not value:
            raise HTTPException(404, f"the address does not say which {name}")
        return value

    def check_tenant(self) -> None:
        """Refuses a tenant that is not visible, as one that does not exist. Raises `HTTPException` (404)."""
        if not self.access.sees(self.tenant):
            raise HTTPException(404, "there is no such tenant")

    def needs(self, role: Role) -> None:
        """Refuses a person who lacks a role. Raises `HTTPException` (403)."""
        if not self.may(role):
            raise HTTPException(403, f"this needs the role {role}")

    def confirms(self, name: str) -> None:
        """Refuses a form in which the name was not typed again. Raises `HTTPException` (400)."""
        if self.query.get("confirm", "").strip() != name:
            raise HTTPException(400, f"nothing was erased: to confirm, type {name}")

    def number(self, name: str, default: int = 0) -> int:
        """Reads a number of the address; the default where there is none."""
        value = self.query.get(name, "")
        return int(value) if value.isascii() and value.isdigit() and len(value) < 16 else default

    def may(self, role: Role) -> bool:
        """Returns whether who asks has a role."""
        return self.access.may(role)

    def words(self, text: object) -> str | None:
        """Returns what somebody said, None where who asks may not read it."""
        return str(text) if self.may("read_content") else None

    def link(self, page: str, **parts: object) -> str:
        """Spells the address of a page, for this tenant unless it says another one."""
        query = {"tenant": self.tenant, **parts}
        said = {name: str(value) for name, value in query.items() if value not in {"", None}}
        return (page or "./") + ("?" + urlencode(said) if said else "")

    async def run(self, op: Op[T]) -> T:
        """Runs an op. **Keys:** those of the op. **Trips:** 1."""
        return await self.client.arun(op)

    async def drive(self, flow: Flow[T]) -> T:
        """Runs a flow. **Keys:** those of the flow. **Trips:** those of the flow."""
        return await self.client.adrive(flow)

    async def survey(self) -> TenantSurvey:
        """Reads the names of the tenant's data. **Keys:** the names of all.

        **Trips:** 1, and 1 for each 1,000 keys of the server.
        """
        survey = await self.backend.survey(self.space, self.space.tenant_pattern())
        return survey.tenants.get(self.tenant, TenantSurvey())

    async def decisions(self) -> list[Decision]:
        """Reads the log of the tenant's turns, the newest first. **Keys:** `decisions`. **Trips:** 1."""
        return await self.drive(ask(decision_log.read(self.space.decisions(), _MOST_LINES)))

    def desk(self, name: str) -> AnswerDesk:
        """Returns the desk of a cache of answers, by its name in the log.

        Raises `HTTPException` (404): there can be no such cache.
        """
        for desk in self.backend.answers:
            if desk.name == name:
                return desk.bind(tenant=self.tenant)
        try:
            return desk_of(self.client, name, self.tenant)
        except InvalidInputError as error:
            raise HTTPException(404, str(error)) from None

    def saver(self) -> RedisSaver:
        """Returns what reads the tenant's threads."""
        return RedisSaver(self.client, tenant=self.tenant, serde=self.backend.serde)

    async def users(self) -> RedisUsers:
        """Returns what erases a user, with the answers of all caches that the tenant's log and statistics name.

        **Keys:** `tally` of each cache, `decisions`.
        **Trips:** 2, and 1 for each 1,000 keys of the server.
        """
        if self.backend.users is not None:
            return self.backend.users(self.tenant)
        known = await self.drive(answer_caches_flow(self.space))
        return RedisUsers(self.client, tenant=self.tenant, answers=[self.desk(name) for name in known])

    def switchable(self, namespace: str) -> Switchable:
        """Finds what switches a cache off and on. Raises `HTTPException` (404): there can be no such cache."""
        use, _, name = namespace.partition("/")
        if use in {"answers", "semantic"}:
            return self.desk(name if use == "answers" else namespace)
        try:
            return switchable(self.client, namespace, self.tenant)
        except InvalidInputError as error:
            raise HTTPException(404, str(error)) from None
