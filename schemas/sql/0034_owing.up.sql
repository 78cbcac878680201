-- Deleted pictures that a backup still holds because it could not be changed: they go once it can.
create table backup_owing (
    folder text not null references backup_made (folder) on delete cascade,
    sha256 text not null,
    since timestamptz not null default now(),
    primary key (folder, sha256)
);
