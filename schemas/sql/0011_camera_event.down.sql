drop table camera_event;
