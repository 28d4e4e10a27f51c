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
    if pg_catalog.lower(val_2) = 'null' then
      return val_1 is null;
    elsif pg_catalog.lower(val_2) not in ('true', 'false', 'unknown') or type_ <> 'pg_catalog.bool'::regtype then
      raise exception 'invalid value for is: %', val_2;
    end if;
    execute pg_catalog.format('select %L::%s is %s', val_1, type_, pg_catalog.lower(val_2)) into result;
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

create or replace function realtime.subscription_check_filters() returns trigger
  language plpgsql set search_path to '' as $$
declare
  subscriber text := new.claims ->> 'role';
  filter realtime.user_defined_filter;
  selected text;
  type_ regtype;
begin
  foreach filter in array new.filters loop
    select a.atttypid::regtype into type_
      from pg_catalog.pg_attribute a
     where a.attrelid = new.entity and a.attname = filter.column_name and a.attnum > 0 and not a.attisdropped
       and pg_catalog.has_column_privilege(subscriber, new.entity, a.attnum, 'SELECT');
    if not found then
      raise exception 'invalid column for filter %', filter.column_name;
    end if;
    -- Fails here rather than at the first change.
    perform realtime.check_equality_op(filter.op, type_, null, filter.value);
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
  return new;
end $$;

create or replace trigger tr_check_filters before insert or update on realtime.subscription
  for each row execute function realtime.subscription_check_filters();
