-- A person's word that a case goes on counts as a look at its thing: from then on it is asked how long nobody saw it.
alter table incident add column reopened_at timestamptz;  -- by a person, the last time; null: none did
