-- Listing by folders. A folder is nothing but a part that names share; these functions jump from one to the next by the
-- index instead of reading what lies in it. They run with the caller's rights: rows that his policies hide make no folder.
set local role supabase_storage_admin;
set local search_path to '';

-- The name up to the first delimiter behind the prefix; null if there is none.
create or replace function storage.get_common_prefix(p_key text, p_prefix text, p_delimiter text) returns text
language sql immutable as $$
  select left(p_key, length(p_prefix) + nullif(strpos(substr(p_key, length(p_prefix) + 1), p_delimiter), 0)
                     + length(p_delimiter) - 1)
$$;

-- The first listing of the API: what lies immediately in the folder `prefix` and begins with `search`, in any case of letters. Names
-- are relative to the folder. `levels` says nothing any more.
create or replace function storage.search(
  prefix text, bucketname text, limits int default 100, levels int default 1, offsets int default 0,
  search text default '', sortcolumn text default 'name', sortorder text default 'asc')
returns table (name text, id uuid, updated_at timestamptz, created_at timestamptz, last_accessed_at timestamptz, metadata jsonb)
language plpgsql stable as $$
declare
  -- No name is beyond this character in the order of bytes.
  last_char constant text := chr(1114111);
  folder constant text := coalesce(prefix, '');
  whole constant text := folder || coalesce(search, '');
  low constant text := lower(whole);
  beyond constant text := low || last_char;
  descending constant boolean := lower(coalesce(sortorder, 'asc')) = 'desc';
  remaining int := least(coalesce(limits, 100), 1500);
  skipped bigint := 0;
  ahead bigint;
  batch int := least(remaining * 2 + 50, 1000);
  -- The place behind which the next batch begins: lower case first, then the name itself. The conditions below spell that so that
  -- the index finds it and few rows need a second look.
  at_low text := case when descending then beyond else low end;
  at_name text := case when descending then last_char else '' end;
  found_any boolean;
  base text;
  r record;
begin
  if lower(coalesce(sortcolumn, 'name')) in ('updated_at', 'created_at', 'last_accessed_at') then
    return query execute format(
      $query$
        with inside as (
          select o.*, storage.get_common_prefix(o.name, $2, '/') as base
            from storage.objects o
           where o.bucket_id = $1 and o.archived_at is null
             and o.name ilike replace(replace(replace($2, '\', '\\'), '%%', '\%%'), '_', '\_') || '%%'),
        folders as (
          select distinct substr(left(base, -1), length($3) + 1) as name from inside where base is not null)
        select * from (
          (select f.name, null::uuid, null::timestamptz, null::timestamptz, null::timestamptz, null::jsonb
             from folders f order by f.name collate "C" %1$s)
          union all
          (select substr(i.name, length($3) + 1), i.id, i.updated_at, i.created_at, i.last_accessed_at, i.metadata
             from inside i where i.base is null order by i.%2$I %1$s, i.name collate "C" %1$s)) as listed
         limit $4 offset $5
      $query$, case when descending then 'desc' else 'asc' end, lower(sortcolumn))
      using bucketname, whole, folder, remaining, coalesce(offsets, 0);
    return;
  end if;
  -- What is passed over is only counted, up to the next folder at a time.
  while skipped < coalesce(offsets, 0) loop
    ahead := offsets - skipped;
    if descending then
      select b.n, b.lowered, b.name, b.base into r
        from (select a.*, row_number() over () as n, storage.get_common_prefix(a.name, whole, '/') as base
                from (select o.name, lower(o.name) collate "C" as lowered
                        from storage.objects o
                       where o.bucket_id = bucketname and o.archived_at is null
                         and lower(o.name) collate "C" <= at_low and lower(o.name) collate "C" >= low
                         and (o.name collate "C" < at_name or lower(o.name) collate "C" < at_low)
                       order by lower(o.name) collate "C" desc, o.name collate "C" desc
                       limit ahead) as a) as b
       where b.base is not null or b.n = ahead
       limit 1;
    else
      select b.n, b.lowered, b.name, b.base into r
        from (select a.*, row_number() over () as n, storage.get_common_prefix(a.name, whole, '/') as base
                from (select o.name, lower(o.name) collate "C" as lowered
                        from storage.objects o
                       where o.bucket_id = bucketname and o.archived_at is null
                         and lower(o.name) collate "C" >= at_low and lower(o.name) collate "C" < beyond
                         and (o.name collate "C" > at_name or lower(o.name) collate "C" > at_low)
                       order by lower(o.name) collate "C", o.name collate "C"
                       limit ahead) as a) as b
       where b.base is not null or b.n = ahead
       limit 1;
    end if;
    if not found then
      return;
    end if;
    skipped := skipped + r.n;
    at_name := case when r.base is null then r.name else '' end;
    at_low := case when r.base is null then r.lowered
                   when descending then lower(r.base)
                   else lower(left(r.base, -1)) || '0' end;
  end loop;
  while remaining > 0 loop
    found_any := false;
    for r in
      select o.name, o.id, o.updated_at, o.created_at, o.last_accessed_at, o.metadata, lower(o.name) collate "C" as lowered
        from storage.objects o
       where not descending and o.bucket_id = bucketname and o.archived_at is null
         and lower(o.name) collate "C" >= at_low and lower(o.name) collate "C" < beyond
         and (o.name collate "C" > at_name or lower(o.name) collate "C" > at_low)
       order by lower(o.name) collate "C", o.name collate "C"
       limit case when descending then 0 else batch end
    loop
      found_any := true;
      base := storage.get_common_prefix(r.name, whole, '/');
      name := substr(coalesce(left(base, -1), r.name), length(folder) + 1);
      if base is null then
        id := r.id; updated_at := r.updated_at; created_at := r.created_at;
        last_accessed_at := r.last_accessed_at; metadata := r.metadata;
      else
        id := null; updated_at := null; created_at := null; last_accessed_at := null; metadata := null;
      end if;
      return next;
      remaining := remaining - 1;
      -- Behind a folder comes the first name whose slash is a greater character.
      at_low := case when base is null then r.lowered else lower(left(base, -1)) || '0' end;
      at_name := case when base is null then r.name else '' end;
      exit when base is not null or remaining = 0;
    end loop;
    if not descending then
      exit when not found_any;
      continue;
    end if;
    for r in
      select o.name, o.id, o.updated_at, o.created_at, o.last_accessed_at, o.metadata, lower(o.name) collate "C" as lowered
        from storage.objects o
       where o.bucket_id = bucketname and o.archived_at is null
         and lower(o.name) collate "C" <= at_low and lower(o.name) collate "C" >= low
         and (o.name collate "C" < at_name or lower(o.name) collate "C" < at_low)
       order by lower(o.name) collate "C" desc, o.name collate "C" desc
       limit batch
    loop
      found_any := true;
      base := storage.get_common_prefix(r.name, whole, '/');
      name := substr(coalesce(left(base, -1), r.name), length(folder) + 1);
      if base is null then
        id := r.id; updated_at := r.updated_at; created_at := r.created_at;
        last_accessed_at := r.last_accessed_at; metadata := r.metadata;
      else
        id := null; updated_at := null; created_at := null; last_accessed_at := null; metadata := null;
      end if;
      return next;
      remaining := remaining - 1;
      at_low := case when base is null then r.lowered else lower(base) end;
      at_name := case when base is null then r.name else '' end;
      exit when base is not null or remaining = 0;
    end loop;
    exit when not found_any;
  end loop;
end $$;

-- Keys and common prefixes in the order of bytes, after `start_after` or, if it is given, `next_token`. Both may be a common prefix:
-- then all that lies in it is passed over. Common prefixes keep their delimiter and have no id.
create or replace function storage.list_objects_with_delimiter(
  _bucket_id text, prefix_param text, delimiter_param text, max_keys int default 100,
  start_after text default '', next_token text default '', sort_order text default 'asc')
returns table (name text, id uuid, metadata jsonb, updated_at timestamptz, created_at timestamptz, last_accessed_at timestamptz)
language plpgsql stable as $$
declare
  last_char constant text := chr(1114111);
  whole constant text := coalesce(prefix_param, '');
  beyond constant text := whole || last_char;
  descending constant boolean := lower(coalesce(sort_order, 'asc')) = 'desc';
  after constant text := coalesce(nullif(next_token, ''), start_after, '');
  remaining int := coalesce(max_keys, 100);
  batch int := least(remaining + 50, 1100);
  -- Names at this place are in (`fresh`) or out of what comes next.
  place text;
  fresh boolean := true;
  found_any boolean;
  base text;
  r record;
begin
  place := case when descending then beyond else whole end;
  if after <> '' then
    fresh := false;
    place := after;
    if storage.get_common_prefix(after, whole, delimiter_param) = after then
      place := case when descending then after else after || last_char end;
    end if;
    if not descending then
      place := greatest(place collate "C", whole collate "C");
      fresh := place = whole and after <> whole;
    end if;
  end if;
  while remaining > 0 loop
    found_any := false;
    for r in
      select o.name, o.id, o.metadata, o.updated_at, o.created_at, o.last_accessed_at
        from storage.objects o
       where not descending and o.bucket_id = _bucket_id and o.archived_at is null
         and o.name collate "C" >= place and o.name collate "C" < beyond and (fresh or o.name <> place)
       order by o.name collate "C"
       limit case when descending then 0 else batch end
    loop
      found_any := true;
      base := storage.get_common_prefix(r.name, whole, delimiter_param);
      name := coalesce(base, r.name);
      if base is null then
        id := r.id; metadata := r.metadata; updated_at := r.updated_at; created_at := r.created_at;
        last_accessed_at := r.last_accessed_at;
      else
        id := null; metadata := null; updated_at := null; created_at := null; last_accessed_at := null;
      end if;
      return next;
      remaining := remaining - 1;
      fresh := false;
      place := case when base is null then r.name else base || last_char end;
      exit when base is not null or remaining = 0;
    end loop;
    if not descending then
      exit when not found_any;
      continue;
    end if;
    for r in
      select o.name, o.id, o.metadata, o.updated_at, o.created_at, o.last_accessed_at
        from storage.objects o
       where o.bucket_id = _bucket_id and o.archived_at is null
         and o.name collate "C" < place and o.name collate "C" >= whole
       order by o.name collate "C" desc
       limit batch
    loop
      found_any := true;
      base := storage.get_common_prefix(r.name, whole, delimiter_param);
      name := coalesce(base, r.name);
      if base is null then
        id := r.id; metadata := r.metadata; updated_at := r.updated_at; created_at := r.created_at;
        last_accessed_at := r.last_accessed_at;
      else
        id := null; metadata := null; updated_at := null; created_at := null; last_accessed_at := null;
      end if;
      return next;
      remaining := remaining - 1;
      place := coalesce(base, r.name);
      exit when base is not null or remaining = 0;
    end loop;
    exit when not found_any;
  end loop;
end $$;

-- In the order of a timestamp, then of names. A folder is as old as the oldest that lies in it, and its name has no slash at the end.
create or replace function storage.search_by_timestamp(
  p_prefix text, p_bucket_id text, p_limit int, p_level int, p_start_after text,
  p_sort_order text, p_sort_column text, p_sort_column_after text)
returns table (key text, name text, id uuid, updated_at timestamptz, created_at timestamptz, last_accessed_at timestamptz, metadata jsonb)
language plpgsql stable as $$
declare
  way constant text := case when lower(coalesce(p_sort_order, 'asc')) = 'desc' then 'desc' else 'asc' end;
  sort_column constant text := case when lower(p_sort_column) = 'updated_at' then 'updated_at' else 'created_at' end;
begin
  return query execute format(
    $query$
      with inside as (
        select o.*, storage.get_common_prefix(o.name, $1, '/') as base
          from storage.objects o
         where o.bucket_id = $2 and o.archived_at is null
           and o.name collate "C" >= $1 and o.name collate "C" < $1 || chr(1114111)),
      listed as (
        select i.name, i.id, i.updated_at, i.created_at, i.last_accessed_at, i.metadata
          from inside i where i.base is null
         union all
        select left(i.base, -1), null, min(i.created_at), min(i.created_at), null, null
          from inside i where i.base is not null group by i.base)
      select split_part(l.name, '/', cardinality(string_to_array($1 || '.', '/'))), l.name, l.id, l.updated_at, l.created_at,
             l.last_accessed_at, l.metadata
        from listed l
       where $4 = '' or (date_trunc('milliseconds', l.%1$I), l.name collate "C") %2$s ($4::timestamptz, $5)
       order by date_trunc('milliseconds', l.%1$I) %3$s, l.name collate "C" %3$s
       limit $3
    $query$, sort_column, case way when 'asc' then '>' else '<' end, way)
    using coalesce(p_prefix, ''), p_bucket_id, p_limit, coalesce(p_sort_column_after, ''), coalesce(p_start_after, '');
end $$;

-- The second listing of the API, with folders. `levels` says nothing any more.
create or replace function storage.search_v2(
  prefix text, bucket_name text, limits int default 100, levels int default 1, start_after text default '',
  sort_order text default 'asc', sort_column text default 'name', sort_column_after text default '')
returns table (key text, name text, id uuid, updated_at timestamptz, created_at timestamptz, last_accessed_at timestamptz, metadata jsonb)
language plpgsql stable as $$
begin
  if lower(coalesce(sort_column, 'name')) in ('created_at', 'updated_at') then
    return query
      select * from storage.search_by_timestamp(
        prefix, bucket_name, limits, levels, start_after, sort_order, sort_column, sort_column_after);
  else
    return query
      select split_part(l.name, '/', cardinality(string_to_array(coalesce(prefix, '') || '.', '/'))),
             case when l.id is null then left(l.name, -1) else l.name end,
             l.id, l.updated_at, l.created_at, l.last_accessed_at, l.metadata
        from storage.list_objects_with_delimiter(bucket_name, prefix, '/', limits, start_after, '', sort_order) l;
  end if;
end $$;

-- Uploads in parts that are under way, by key and age; keys that share a part up to the delimiter are one.
create or replace function storage.list_multipart_uploads_with_delimiter(
  bucket_id text, prefix_param text, delimiter_param text, max_keys int default 100,
  next_key_token text default '', next_upload_token text default '')
returns table (key text, id text, created_at timestamptz)
language plpgsql stable as $$
begin
  return query
    select distinct on (listed.key collate "C") listed.key, listed.id, listed.created_at
      from (
        select coalesce(storage.get_common_prefix(u.key, prefix_param, delimiter_param), u.key) as key, u.id, u.created_at
          from storage.s3_multipart_uploads u
         where u.bucket_id = list_multipart_uploads_with_delimiter.bucket_id
           and u.key >= coalesce(prefix_param, '') and u.key < coalesce(prefix_param, '') || chr(1114111)
           and (coalesce(next_upload_token, '') = '' or u.id collate "C" > next_upload_token)) as listed
     where coalesce(next_key_token, '') = '' or coalesce(next_upload_token, '') <> '' or listed.key collate "C" > next_key_token
     order by listed.key collate "C", listed.created_at
     limit max_keys;
end $$;

grant execute on all functions in schema storage to anon, authenticated, service_role;
