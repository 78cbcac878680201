-- Whether something still stands where a crew is on its way to.

-- Captured time at which the last object of an open incident left while a crew held its job; null: something stands.
alter table incident add column left_at timestamptz;
