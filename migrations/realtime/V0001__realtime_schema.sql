-- The tables of channels and row changes, as Supabase Realtime has them at its migration 20260709120000.
--
-- Every statement tolerates a database that an older version of Supabase Realtime has already migrated. Functions are
-- in the repeatable files. The last statement records that all of upstream's migrations are done, so that one can
-- go back to it. Everything belongs to supabase_realtime_admin.

set local role supabase_realtime_admin;
set local search_path to '';

-- Types ------------------------------------------------------------------------------------------

do $$
begin
  if to_regtype('realtime.action') is null then
    create type realtime.action as enum ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'ERROR');
  end if;
  if to_regtype('realtime.equality_op') is null then
    create type realtime.equality_op as enum ('eq', 'neq', 'lt', 'lte', 'gt', 'gte', 'in');
  end if;
  if to_regtype('realtime.user_defined_filter') is null then
    create type realtime.user_defined_filter as (column_name text, op realtime.equality_op, value text);
  end if;
  if to_regtype('realtime.wal_column') is null then
    create type realtime.wal_column as (
      name text, type_name text, type_oid oid, value jsonb, is_pkey boolean, is_selectable boolean);
  end if;
  if to_regtype('realtime.wal_rls') is null then
    create type realtime.wal_rls as (wal jsonb, is_rls_enabled boolean, subscription_ids uuid[], errors text[]);
  end if;
  if not exists (select from pg_catalog.pg_attribute
                  where attrelid = 'realtime.user_defined_filter'::regclass and attname = 'negate') then
    alter type realtime.user_defined_filter add attribute negate boolean cascade;
  end if;
end $$;

alter type realtime.equality_op add value if not exists 'like';
alter type realtime.equality_op add value if not exists 'ilike';
alter type realtime.equality_op add value if not exists 'is';
alter type realtime.equality_op add value if not exists 'match';
alter type realtime.equality_op add value if not exists 'imatch';
alter type realtime.equality_op add value if not exists 'isdistinct';

-- Messages: one partition for each day, made and dropped by the server ----------------------------

create table if not exists realtime.messages (
  topic text not null,
  extension text not null,
  payload jsonb,
  event text,
  private boolean default false,
  updated_at timestamp without time zone not null default now(),
  inserted_at timestamp without time zone not null default now(),
  id uuid not null default gen_random_uuid(),
  primary key (id, inserted_at)
) partition by range (inserted_at);

alter table realtime.messages add column if not exists binary_payload bytea;
alter table realtime.messages enable row level security;

do $$
begin
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'realtime.messages'::regclass
                    and conname = 'messages_payload_exclusive') then
    alter table realtime.messages add constraint messages_payload_exclusive
      check (payload is null or binary_payload is null) not valid;
  end if;
end $$;

create index if not exists messages_inserted_at_topic_index on realtime.messages (inserted_at desc, topic)
  where extension = 'broadcast' and private is true;

-- Subscriptions to row changes -------------------------------------------------------------------

create or replace function realtime.to_regrole(role_name text) returns regrole
  language sql immutable set search_path to ''
  return role_name::regrole;

create table if not exists realtime.subscription (
  id bigint generated always as identity constraint pk_subscription primary key,
  subscription_id uuid not null,
  entity regclass not null,
  filters realtime.user_defined_filter[] not null default '{}',
  claims jsonb not null,
  claims_role regrole not null generated always as (realtime.to_regrole(claims ->> 'role')) stored,
  created_at timestamp without time zone not null default timezone('utc', now())
);

alter table realtime.subscription add column if not exists action_filter text default '*';
alter table realtime.subscription add column if not exists selected_columns text[];

do $$
begin
  if not exists (select from pg_catalog.pg_constraint where conrelid = 'realtime.subscription'::regclass
                    and conname = 'subscription_action_filter_check') then
    alter table realtime.subscription add constraint subscription_action_filter_check
      check (action_filter in ('*', 'INSERT', 'UPDATE', 'DELETE'));
  end if;
end $$;

create index if not exists ix_realtime_subscription_entity on realtime.subscription (entity);
drop index if exists realtime.subscription_subscription_id_entity_filters_key;
drop index if exists realtime.subscription_subscription_id_entity_filters_action_filter_key;
create unique index if not exists subscription_subscription_id_entity_filters_action_columns_key
  on realtime.subscription (subscription_id, entity, filters, action_filter, coalesce(selected_columns, '{}'));

-- What upstream has applied ------------------------------------------------------------------------

create table if not exists realtime.schema_migrations (
  version bigint primary key,
  inserted_at timestamp(0) without time zone
);

insert into realtime.schema_migrations (version, inserted_at)
select version, now() from (values
  (20211116024918), (20211116045059), (20211116050929), (20211116051442), (20211116212300), (20211116213355)
  , (20211116213934), (20211116214523), (20211122062447), (20211124070109), (20211202204204), (20211202204605)
  , (20211210212804), (20211228014915), (20220107221237), (20220228202821), (20220312004840), (20220603231003)
  , (20220603232444), (20220615214548), (20220712093339), (20220908172859), (20220916233421), (20230119133233)
  , (20230128025114), (20230128025212), (20230227211149), (20230228184745), (20230308225145), (20230328144023)
  , (20231018144023), (20231204144023), (20231204144024), (20231204144025), (20240108234812), (20240109165339)
  , (20240227174441), (20240311171622), (20240321100241), (20240401105812), (20240418121054), (20240523004032)
  , (20240618124746), (20240801235015), (20240805133720), (20240827160934), (20240919163303), (20240919163305)
  , (20241019105805), (20241030150047), (20241108114728), (20241121104152), (20241130184212), (20241220035512)
  , (20241220123912), (20241224161212), (20250107150512), (20250110162412), (20250123174212), (20250128220012)
  , (20250506224012), (20250523164012), (20250714121412), (20250905041441), (20251103001201), (20251120212548)
  , (20251120215549), (20260218120000), (20260326120000), (20260514120000), (20260527120000), (20260528120000)
  , (20260603120000), (20260605120000), (20260606110000), (20260616120000), (20260624120000), (20260626120000)
  , (20260706120000), (20260707120000), (20260709120000)
) upstream(version)
on conflict do nothing;
