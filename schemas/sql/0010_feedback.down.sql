drop table vision_order;
drop function notify_feedback();
drop table vision_adoption;
