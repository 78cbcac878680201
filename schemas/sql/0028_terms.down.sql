drop index action_key_at, sweep_entry_at, job_escalation_at, outbox_sent_at, outlet_message_sent_at;
revoke delete on action_key from current_user;
drop trigger kept_young on action_key;
drop trigger kept on action_key;
create trigger kept before update or delete or truncate on action_key for each statement execute function record_is_kept();
drop function key_is_kept();
