"""What somebody who loads as ``tlc`` could try against the ledger, whoever administers the server."""

from __future__ import annotations

LEDGER_ROW = """insert into tlc.loads (dataset, month, target, source_url, rows_read, rows_loaded, rows_rejected,
    rejected_by_rule, rows_flagged, flagged_by_rule, bytes_read, seconds, status, content_key, conform_version,
    started_at)
values ('green', '2020-12', 'postgres', 'url', 7, 7, 0, '{}', 0, '{}', 1, 1, 'loaded', 'key', '1', now())"""

# Each is refused for want of a privilege.
ATTACKS = [
    "update tlc.loads set rows_read = 0",
    "delete from tlc.loads",
    "truncate tlc.loads",
    "select * from tlc.loads for update",
    "alter table tlc.loads disable trigger all",
    "alter table tlc.loads disable trigger keep_ledger",
    "alter table tlc.loads alter rows_read type bigint using 0",
    "alter table tlc.loads drop column rows_read",
    "alter table tlc.loads rename to mine",
    "alter table tlc.loads set schema tlc_marts",
    "alter table tlc.loads owner to tlc",
    "alter table tlc.loads enable row level security",
    "create rule hidden as on select to tlc.loads do instead select 1",
    "create trigger later before insert on tlc.loads execute function suppress_redundant_updates_trigger()",
    "create table tlc.child () inherits (tlc.loads)",
    "drop trigger keep_ledger on tlc.loads",
    "drop table tlc.loads cascade",
    "drop schema tlc cascade",
    "alter schema tlc rename to old",
    "drop function tlc.keep_ledger cascade",
    "alter function tlc.keep_ledger rename to other",
    "create or replace function tlc.keep_ledger() returns trigger language plpgsql as 'begin return new; end'",
    "set session_replication_role = replica",
    "copy tlc.loads to program 'cat'",
    "copy tlc_marts.daily_trips from program 'echo 1'",
    "copy tlc_marts.daily_trips from '/etc/passwd'",
    "create extension file_fdw",
    "create function public.mine() returns int language sql as 'select 1'",
    "create event trigger mine on sql_drop execute function suppress_redundant_updates_trigger()",
    "create role mine superuser",
    "alter role tlc superuser",
    "alter role postgres password 'mine'",
    "grant postgres to tlc",
    "set role postgres",
    "set session authorization postgres",
    "update pg_catalog.pg_class set relowner = 'tlc'::regrole where relname = 'loads'",
    "alter database tlc owner to tlc",
]
