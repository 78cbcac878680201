-- What tells of acts and lists, and grew for ever, goes at the end of a term; what goes by its age is found by it.

-- Keys of acts may go, by one way: in a transaction that says how long they are kept, and none that is younger.
create function key_is_kept() returns trigger language plpgsql as $$
declare
    days integer := nullif(current_setting('curbwatch.keys_days', true), '')::integer;
begin
    if tg_op = 'DELETE' and days >= 1 then
        if tg_level = 'STATEMENT' then
            return null;
        end if;
        if old.at < now() - make_interval(days => days) then
            return old;
        end if;
    end if;
    raise exception 'the record is only added to: % of % is refused', lower(tg_op), tg_table_name;
end
$$;
drop trigger kept on action_key;
create trigger kept before update or delete or truncate on action_key for each statement execute function key_is_kept();
create trigger kept_young before delete on action_key for each row execute function key_is_kept();
grant delete on action_key to current_user;

-- Retention asks for the oldest of each. Of 600 000 entries of the queue it read all, 0.3 s for each hour of rows.
create index action_key_at on action_key (at);
create index sweep_entry_at on sweep_entry (at);
create index job_escalation_at on job_escalation (at);
create index outbox_sent_at on outbox (sent_at) where sent_at is not null;
create index outlet_message_sent_at on outlet_message (sent_at) where sent_at is not null;
