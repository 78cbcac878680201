-- The same key with other content is another word: it is refused, not answered with what was done before.
alter table action_key add column content text not null default '';  -- digest of what was said; empty: not kept then
