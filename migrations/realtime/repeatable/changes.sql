-- What SQL sees of subscriptions to row changes. The server does not need these functions; tools and people do.
set local role supabase_realtime_admin;
set local search_path to '';

create or replace function realtime.cast(val text, type_ regtype) returns jsonb
  language plpgsql immutable set search_path to '' as $$
declare
  result jsonb;
begin
  if type_ = 'pg_catalog.bytea'::regtype then
    return pg_catalog.to_jsonb(val);
  end if;
  execute pg_catalog.format('select pg_catalog.to_jsonb(%L::%s)', val, type_) into result;
  return result;
end $$;

-- Null where the comparison is, so that nobody sees a row because of a value that is not there.
create or replace function realtime.check_equality_op(op realtime.equality_op, type_ regtype, val_1 text, val_2 text)
  returns boolean language plpgsql immutable set search_path to '' as $$
declare
  symbol text := case op::text
    when 'eq' then '=' when 'neq' then '<>' when 'lt' then '<' when 'lte' then '<=' when 'gt' then '>'
    when 'gte' then '>=' when 'like' then '~~' when 'ilike' then '~~*' when 'match' then '~' when 'imatch' then '~*' end;
  result boolean;
begin
  if op::text = 'in' then
    execute pg_catalog.format('select %L::%s = any (%L::%s[])', val_1, type_, val_2, type_) into result;
  elsif op::text = 'isdistinct' then
    execute pg_catalog.format('select %L::%s is distinct from %L::%s', val_1, type_, val_2, type_) into result;
  elsif op::text = 'is' then
    if val_2 not in ('null', 'true', 'false', 'unknown') then
      raise exception 'invalid value for is filter: must be null, true, false, or unknown';
    end if;
    execute pg_catalog.format('select %L::%s is %s', val_1, type_, val_2) into result;
  elsif op::text in ('like', 'ilike', 'match', 'imatch') then
    execute pg_catalog.format('select %L::%s operator(pg_catalog.%s) %L', val_1, type_, symbol, val_2) into result;
  else
    execute pg_catalog.format('select %L::%s %s %L::%s', val_1, type_, symbol, val_2, type_) into result;
  end if;
  return result;
end $$;

create or replace function realtime.check_equality_op(
  op realtime.equality_op, type_ regtype, val_1 text, val_2 text, negate boolean)
  returns boolean language sql immutable set search_path to ''
  return case when coalesce(negate, false) then not realtime.check_equality_op(op, type_, val_1, val_2)
              else realtime.check_equality_op(op, type_, val_1, val_2) end;

create or replace function realtime.is_visible_through_filters(
  columns realtime.wal_column[], filters realtime.user_defined_filter[])
  returns boolean language sql immutable set search_path to '' as $$
  select coalesce(bool_and(case when c.name is null then false else coalesce(
           realtime.check_equality_op(f.op, c.type_oid::regtype, c.value #>> '{}', f.value, f.negate), false) end), true)
    from unnest(filters) f
    left join unnest(columns) c on c.name = f.column_name
$$;

create or replace function realtime.build_prepared_statement_sql(
  prepared_statement_name text, entity regclass, columns realtime.wal_column[])
  returns text language sql stable set search_path to '' as $$
  select pg_catalog.format('prepare %s as select exists (select from %s where %s)', prepared_statement_name, entity,
           string_agg(pg_catalog.format('%I = %L::%s', c.name, c.value #>> '{}', c.type_oid::regtype), ' and '))
    from unnest(columns) c
   where c.is_pkey
$$;

create or replace function realtime.wal2json_escape_identifier(name text) returns text
  language sql immutable set search_path to ''
  return pg_catalog.regexp_replace(name, '([\\,.*() ])', '\\\1', 'g');

create or replace function realtime.quote_wal2json(entity regclass) returns text
  language sql stable set search_path to '' as $$
  select realtime.wal2json_escape_identifier(n.nspname) || '.' || realtime.wal2json_escape_identifier(c.relname)
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
   where c.oid = entity
$$;

create or replace function realtime.apply_rls(wal jsonb, max_record_bytes integer default 1048576)
  returns setof realtime.wal_rls language plpgsql volatile set search_path to '' as $$
begin
  raise exception 'row changes are checked by the server, not by this function' using errcode = 'feature_not_supported';
end $$;

create or replace function realtime.list_changes(publication name, slot_name name, max_changes integer, max_record_bytes integer)
  returns table (wal jsonb, is_rls_enabled boolean, subscription_ids uuid[], errors text[], slot_changes_count bigint)
  language plpgsql volatile set search_path to '' as $$
begin
  raise exception 'row changes are streamed by the server, not by this function' using errcode = 'feature_not_supported';
end $$;

-- Who subscribes may have types of its own, in schemas that the owner of this function cannot look into: what is cast
-- is cast as the subscriber.
create or replace function realtime.subscription_check_filters() returns trigger
  language plpgsql set search_path to '' as $$
declare
  subscriber text := new.claims ->> 'role';
  before text := pg_catalog.current_setting('role');
  filter realtime.user_defined_filter;
  selected text;
  type_ regtype;
  items int;
begin
  foreach filter in array new.filters loop
    select a.atttypid::regtype into type_
      from pg_catalog.pg_attribute a
     where a.attrelid = new.entity and a.attname = filter.column_name and a.attnum > 0 and not a.attisdropped
       and pg_catalog.has_column_privilege(subscriber, new.entity, a.attnum, 'SELECT');
    if not found then
      raise exception 'invalid column for filter %', filter.column_name;
    end if;
    -- Each fails here rather than at the first change.
    if filter.op::text = 'is' then
      if filter.value not in ('null', 'true', 'false', 'unknown') then
        raise exception 'invalid value for is filter: must be null, true, false, or unknown';
      end if;
      if filter.value <> 'null' and type_ <> 'pg_catalog.bool'::regtype then
        raise exception 'is % filter requires a boolean column, got %', filter.value, type_::text;
      end if;
    elsif filter.op::text in ('like', 'ilike') then
      if not exists (select from pg_catalog.pg_operator o where o.oprname = '~~' and o.oprleft = type_) then
        raise exception 'operator % requires a text-compatible column type, got %', filter.op, type_::text;
      end if;
    elsif filter.op::text in ('match', 'imatch') then
      if not exists (select from pg_catalog.pg_operator o
                      where o.oprname = case filter.op::text when 'match' then '~' else '~*' end
                        and o.oprleft = type_ and o.oprright = type_ and o.oprresult = 'pg_catalog.bool'::regtype) then
        raise exception 'operator % requires a text-compatible column type, got %', filter.op, type_::text;
      end if;
      begin
        perform '' operator(pg_catalog.~) filter.value;
      exception when others then
        raise exception 'invalid regular expression for % filter: %', filter.op, sqlerrm;
      end;
    else
      perform pg_catalog.set_config('role', subscriber, true);
      if filter.op::text = 'in' then
        execute pg_catalog.format('select pg_catalog.cardinality(%L::%s[])', filter.value, type_) into items;
        if items > 100 then
          raise exception 'too many values for `in` filter. Maximum 100';
        end if;
      else
        execute pg_catalog.format('select %L::%s', filter.value, type_);
      end if;
      perform pg_catalog.set_config('role', before, true);
    end if;
  end loop;
  foreach selected in array coalesce(new.selected_columns, '{}') loop
    if not exists (select from pg_catalog.pg_attribute a
                    where a.attrelid = new.entity and a.attname = selected and a.attnum > 0 and not a.attisdropped
                      and pg_catalog.has_column_privilege(subscriber, new.entity, a.attnum, 'SELECT')) then
      raise exception 'invalid column for select %', selected;
    end if;
  end loop;
  -- One spelling for one set, so that a doubled subscription is seen as one.
  new.filters := coalesce((select array_agg(f order by f.column_name, f.op, f.value, f.negate) from unnest(new.filters) f), '{}');
  new.selected_columns := (select array_agg(c order by c) from unnest(new.selected_columns) c);
  return new;
end $$;

create or replace trigger tr_check_filters before insert or update on realtime.subscription
  for each row execute function realtime.subscription_check_filters();
