"""`settings`: what a deployment has set, and the switches that count for all processes without a restart."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from langchain_redis_memory.cli.audit import audited
from langchain_redis_memory.cli.base import (
    CHANGE,
    NOT_WELL,
    Json,
    Prefix,
    Redis,
    Tenant,
    app,
    errors,
    opened,
    say,
    show_json,
)
from langchain_redis_memory.errors import ConfigError

_OF_THE_SERVER = ("enabled", "redis_url", "host", "port", "db", "username", "password", "ssl")


@app.command(rich_help_panel=CHANGE)
def settings(
    redis: Redis = None,
    tenant: Tenant = "",
    prefix: Prefix = None,
    off: Annotated[str | None, typer.Option(metavar="NAMESPACE", help="Switch off this cache.")] = None,
    on: Annotated[str | None, typer.Option(metavar="NAMESPACE", help="Switch it on again.")] = None,
    for_s: Annotated[float, typer.Option(min=1, help="For how long it is off, in seconds.")] = 3600,
    as_json: Json = False,
) -> None:
    """The settings that this environment gives a client, and a switch for caches in all processes.

    Caches are named as `status` names them: answers/exact, exact/NAME, semantic/NAME or values/NAME. `status` also
    says which are off. No password is shown. A switch is noted in the audit log.

    Exits with 3 where no cache of that name has counted anything yet: it is switched, but the name may be wrong.

    Example: langchain-redis-memory settings --off answers/exact --for-s 600
    """
    from langchain_redis_memory.operate.caches_by_name import switchable
    from langchain_redis_memory.ops import Op

    with opened(redis, prefix) as client:
        if on is not None and off is not None:
            raise ConfigError("switch one cache at a time: --on or --off")
        if (named := off if off is not None else on) is not None:
            cache = switchable(client, named, tenant)
            space = client.keys(tenant)
            known = client.run(Op((("EXISTS", space.tally(*named.split("/", 1))),), lambda replies: bool(replies[0])))
            with audited(client, tenant, "switch cache on" if off is None else "switch cache off", named) as audit_note:
                cache.switch(on=off is None, for_s=for_s)
                audit_note.note = "" if off is None else f"for {for_s:g} s"
            result: dict[str, Any] = {"namespace": named, "on": off is None, "known": known}
            if off is not None:
                result["for_s"] = for_s
            text = f"{named} is {'on' if off is None else f'off for {for_s:,.0f} s'} in all processes"
        else:
            known = True
            shown = [name for name in type(client.settings).model_fields if name not in _OF_THE_SERVER]
            result = {"server": client.url, **{name: getattr(client.settings, name) for name in shown}}
            text = "\n".join(f"{name}: {value}" for name, value in result.items())
    if as_json:
        show_json(result)
    else:
        say(text)
    if not known:
        why = f"no cache {named} has counted anything{' there' if tenant else ''} in 30 days: see the names in `status`"
        errors.print(why, markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(NOT_WELL)
