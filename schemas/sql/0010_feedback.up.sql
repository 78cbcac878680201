-- What entered the cameras' backgrounds, and what people order about it.

create table vision_adoption (
    row_id bigint generated always as identity primary key,
    camera_id text not null,
    adoption_id bigint not null,         -- the detector's number, unique within the camera while its state is kept
    captured_at timestamptz not null,    -- of the frame in which it was adopted
    reason text not null,                -- schemas.feedback.REASONS
    box_px real[] not null check (cardinality(box_px) = 4),
    undoable boolean not null,           -- whether its pixels were kept then; the latest of a camera still are
    written_at timestamptz not null default now()
);
create index vision_adoption_camera on vision_adoption (camera_id, row_id desc);
create index vision_adoption_written on vision_adoption (written_at);

create table vision_order (
    order_id bigint generated always as identity primary key,
    camera_id text not null,
    action text not null check (action in ('undo', 'ignore', 'fixture')),
    detail jsonb not null,               -- {adoption_id}, {box_px, track_id}, {box_px, until_ns}
    person text not null,
    ordered_at timestamptz not null default now(),
    applied_at timestamptz,              -- null: waits for the camera's next frame
    outcome text not null default ''     -- 'done', or why it could not be done
);
create index vision_order_waiting on vision_order (order_id) where applied_at is null;
create index vision_order_camera on vision_order (camera_id, order_id desc);

create function notify_feedback() returns trigger language plpgsql as $$
begin
    perform pg_notify('curbwatch_feedback', '');
    return null;
end $$;
create trigger vision_order_given after insert on vision_order
    for each statement execute function notify_feedback();
