"""What PostgreSQL's catalogue says of a schema, without its name, so that two can be compared."""

import json
from typing import Any

from django.db import connection

QUERIES = {
    "relations": """
        SELECT relname, relkind, relpersistence, relispartition, reloptions, relrowsecurity, relreplident,
               pg_get_expr(relpartbound, oid), pg_get_partkeydef(oid), obj_description(oid)
        FROM pg_class WHERE relnamespace = {schema}::regnamespace AND relkind <> 't'
    """,
    "columns": """
        SELECT c.relname, a.attname, a.attnum, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity,
               a.attgenerated, a.attstorage, a.attcollation::regcollation, pg_get_expr(d.adbin, d.adrelid)
        FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
        LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
        WHERE c.relnamespace = {schema}::regnamespace AND c.relkind <> 't' AND a.attnum > 0
    """,
    "constraints": """
        SELECT conrelid::regclass, conname, contype, convalidated, condeferrable, condeferred,
               pg_get_constraintdef(oid)
        FROM pg_constraint WHERE connamespace = {schema}::regnamespace
    """,
    "indexes": """
        SELECT pg_get_indexdef(i.indexrelid), i.indisvalid, i.indisprimary, i.indisunique, i.indisclustered
        FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
        WHERE c.relnamespace = {schema}::regnamespace AND c.relkind <> 't'
          AND i.indrelid NOT IN (SELECT oid FROM pg_class WHERE relkind = 't')
    """,
    "sequences": """
        SELECT sequencename, data_type, start_value, min_value, max_value, increment_by, cycle, cache_size, last_value
        FROM pg_sequences WHERE schemaname = {schema}
    """,
    "owners of sequences": """
        SELECT s.relname, t.relname, a.attname, d.deptype
        FROM pg_class s JOIN pg_depend d ON d.objid = s.oid AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i')
        JOIN pg_class t ON t.oid = d.refobjid JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid
        WHERE s.relkind = 'S' AND s.relnamespace = {schema}::regnamespace
    """,
    "triggers": """
        SELECT pg_get_triggerdef(g.oid) FROM pg_trigger g JOIN pg_class c ON c.oid = g.tgrelid
        WHERE c.relnamespace = {schema}::regnamespace AND NOT g.tgisinternal
    """,
    "functions": """
        SELECT pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = {schema}::regnamespace
    """,
    "types": """
        SELECT typname, typtype, array(SELECT enumlabel FROM pg_enum WHERE enumtypid = t.oid ORDER BY enumsortorder)
        FROM pg_type t WHERE typnamespace = {schema}::regnamespace
    """,
}
TIMES = {"applied", "created_at", "updated_at"}


def described(schema: str) -> dict[str, list[str]]:
    """Everything a schema consists of but its rows, as sorted text."""
    found = {}
    with connection.cursor() as cursor:
        for what, query in QUERIES.items():
            cursor.execute(query.format(schema=f"'{schema}'"))
            found[what] = sorted(str(row).replace(f"{schema}.", "") for row in cursor.fetchall())
    return found


def rows(schema: str) -> dict[str, list[dict[str, Any]]]:
    """The rows of every table that has any, without the times at which they were made."""
    found = {}
    with connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", [schema])
        for (table,) in cursor.fetchall():
            cursor.execute(f"SELECT to_jsonb(t) FROM {schema}.{table} t ORDER BY t")
            read = [json.loads(row) for (row,) in cursor.fetchall()]
            found[table] = [{name: value for name, value in row.items() if name not in TIMES} for row in read]
    return {table: read for table, read in found.items() if read}
