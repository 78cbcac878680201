-- The packs go with their tables; a record's versions are then names again.
drop table city_pack, pack_file;
