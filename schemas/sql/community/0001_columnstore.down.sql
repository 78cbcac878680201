call remove_columnstore_policy('position', if_exists => true);
select decompress_chunk(chunk, if_compressed => true) from show_chunks('position') as chunk;
alter table position set (timescaledb.enable_columnstore = false);
