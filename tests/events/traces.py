"""What is stored of somebody anywhere: asking for it, having it erased, looking for what is left."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from django.db import connection

from events import tasks
from recomengine.lib import redis
from tests.api import Answer, Api


def erase(api: Api, identifier: str) -> Answer:
    return api.call("DELETE", f"visitors/{identifier}")


def erased(api: Api, identifier: str) -> Any:
    """Erase, and have the worker do its part; how it ended."""
    answer = erase(api, identifier)
    assert answer.status == 202, answer.body
    tasks.tend_erasures()
    return api.get(f"erasures/{answer.json['id']}").json


def exported(api: Api, identifier: str) -> Any:
    answer = api.get(f"visitors/{identifier}/export")
    assert answer.status == 200, answer.body
    return answer.json


def texts(files: Path) -> Iterator[tuple[str, str]]:
    """Everything that is stored anywhere: each table's rows, Redis' keys and values, the archive's files."""
    connection.set_schema_to_public()
    with connection.cursor() as cursor:
        cursor.execute("SELECT schemaname, tablename FROM pg_tables WHERE schemaname IN ('public', 't_shop_a')")
        for schema, name in cursor.fetchall():
            cursor.execute(f'SELECT each::text FROM "{schema}"."{name}" AS each')
            yield from ((f"{schema}.{name}", row) for (row,) in cursor.fetchall())
    client: Any = redis.client()
    for key in client.scan_iter():
        yield "key", key.decode()
        kind = client.type(key).decode()
        read = {"hash": "hgetall", "set": "smembers"}.get(kind)
        value = getattr(client, read)(key) if read else client.xrange(key) if kind == "stream" else None
        if value is None:
            assert kind in {"string", "list", "zset"}, key
            value = client.get(key) if kind == "string" else getattr(client, f"{kind[0]}range")(key, 0, -1)
        yield key.decode(), repr(value)
    for path in files.rglob("*"):
        if path.is_file():
            assert path.suffix == ".parquet"
            yield from ((str(path), repr(row)) for row in pq.read_table(path).to_pylist())
            assert "unused" not in str(path)


def places(files: Path, text: str) -> set[str]:
    """Where a text occurs."""
    return {where for where, each in texts(files) if text in each or text in where}


def recently(found: Any) -> dict[str, Any]:
    """What an export says of Redis, oldest first, without the times."""
    return {name: value if isinstance(value, str) else list(value) for name, value in found["recent"].items()}
