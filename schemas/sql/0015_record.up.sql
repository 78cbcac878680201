-- The record as a chain that is only added to; salts of pictures; who may act, by the file they hold.

alter table incident_event add column proved boolean not null default false;  -- a token file showed who it is
-- Rows from before the chain stay as they are, and `audit verify` counts them.
alter table incident_event add constraint incident_event_chained check (
    seq is not null and octet_length(prev_hash) = 32 and octet_length(hash) = 32) not valid;

-- With the picture's row goes what its digest in the record could be guessed by.
alter table evidence add column salt bytea not null default uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid());

-- Checking a reference locks the row that is referred to, and for that even its owner must be allowed to update it.
alter table seal_entry drop constraint seal_entry_seal_id_fkey;

create function record_is_kept() returns trigger language plpgsql as $$
begin
    raise exception 'the record is only added to: % of % is refused', lower(tg_op), tg_table_name;
end
$$;
create trigger kept before update or delete or truncate on incident_event for each statement execute function record_is_kept();
create trigger kept before update or delete or truncate on seal for each statement execute function record_is_kept();
create trigger kept before update or delete or truncate on seal_entry for each statement execute function record_is_kept();
create trigger kept before update or delete or truncate on action_key for each statement execute function record_is_kept();
revoke update, delete, truncate on incident_event, seal, seal_entry, action_key from current_user, public;

-- What shows who somebody is: the digest of a file that only they have.
create table person_token (
    token_sha256 bytea primary key check (octet_length(token_sha256) = 32),
    person_id text not null,
    made_at timestamptz not null default now(),
    made_by text not null,
    ended_at timestamptz                                -- null: it counts
);
create index person_token_person on person_token (person_id) where ended_at is null;

-- Every time somebody could not show who they are.
create table token_refusal (
    refusal_id bigint generated always as identity primary key,
    at timestamptz not null default now(),
    person text not null,                               -- who they said they are
    reason text not null
);
create index token_refusal_at on token_refusal (at);
