-- The files of each city pack that was put to use, so that the version in a record names rules that can be shown.
create table pack_file (
    sha256 text primary key,
    content bytea not null,
    check (sha256 = encode(sha256(content), 'hex'))
);
create table city_pack (
    version text primary key,                           -- digest of names, lengths and bytes, in this order
    files jsonb not null,                               -- [name, sha256] of each
    first_used timestamptz not null default clock_timestamp()
);
create trigger kept before update or delete or truncate on pack_file for each statement execute function record_is_kept();
create trigger kept before update or delete or truncate on city_pack for each statement execute function record_is_kept();
revoke update, delete, truncate on pack_file, city_pack from current_user, public;
