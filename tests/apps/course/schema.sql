-- A chat course with invite codes. Loads as role `postgres`, which is no superuser.

create table public.signup_codes (
  id uuid primary key default gen_random_uuid(),
  code varchar not null unique,
  expires_at timestamptz,
  used_by uuid references auth.users(id) on delete set null,
  used_at timestamptz,
  created_by uuid references auth.users(id) on delete set null,
  created_at timestamptz default now(),
  is_admin boolean default false
);
create table public.conversations (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null references auth.users(id) on delete cascade,
  title varchar,
  created_at timestamptz default now(),
  updated_at timestamptz default now(),
  is_active boolean default true
);
create table public.messages (
  id uuid primary key default gen_random_uuid(),
  conversation_id uuid not null references public.conversations(id) on delete cascade,
  role varchar not null check (role in ('user', 'assistant')),
  content text not null,
  metadata jsonb,
  created_at timestamptz default now()
);
create table public.usage_logs (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null references auth.users(id) on delete cascade,
  question_text text,
  response_time_ms integer,
  tokens_used integer,
  pinecone_results jsonb,
  created_at timestamptz default now()
);
create table public.app_config (
  key varchar primary key,
  value jsonb,
  updated_at timestamptz default now(),
  updated_by uuid references auth.users(id) on delete set null
);
create index on public.conversations (user_id, updated_at desc);
create index on public.messages (conversation_id, created_at);
create index on public.usage_logs (user_id, created_at desc);
create index on public.usage_logs using brin (created_at);

create or replace function public.is_admin() returns boolean
language sql stable security definer set search_path = '' as $$
  select exists (select 1 from public.signup_codes c
                 where c.used_by = (select auth.uid()) and c.is_admin)
$$;

create or replace function public.check_signup_code(p_code text) returns boolean
language sql stable security definer set search_path = '' as $$
  select exists (select 1 from public.signup_codes c
                 where c.code = p_code and c.used_at is null
                   and (c.expires_at is null or c.expires_at > now()))
$$;

create or replace function public.redeem_signup_code() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  update public.signup_codes c
     set used_by = new.id, used_at = now()
   where c.code = new.raw_user_meta_data ->> 'signup_code'
     and c.used_at is null
     and (c.expires_at is null or c.expires_at > now());
  if not found then
    raise exception 'invalid or used signup code' using errcode = 'P0001';
  end if;
  return new;
end $$;
create trigger redeem_signup_code after insert on auth.users
  for each row execute function public.redeem_signup_code();

create or replace function public.touch_conversation() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  update public.conversations set updated_at = now() where id = new.conversation_id;
  return new;
end $$;
create trigger touch_conversation after insert on public.messages
  for each row execute function public.touch_conversation();

alter table public.signup_codes enable row level security;
alter table public.conversations enable row level security;
alter table public.messages enable row level security;
alter table public.usage_logs enable row level security;
alter table public.app_config enable row level security;

create policy codes_admin on public.signup_codes for all to authenticated
  using ((select public.is_admin())) with check ((select public.is_admin()));
create policy conversations_own on public.conversations for all to authenticated
  using (user_id = (select auth.uid())) with check (user_id = (select auth.uid()));
create policy messages_read on public.messages for select to authenticated
  using (exists (select 1 from public.conversations c
                 where c.id = conversation_id and c.user_id = (select auth.uid())));
create policy messages_add on public.messages for insert to authenticated
  with check (role = 'user' and exists (select 1 from public.conversations c
                 where c.id = conversation_id and c.user_id = (select auth.uid()) and c.is_active));
create policy usage_read on public.usage_logs for select to authenticated
  using (user_id = (select auth.uid()) or (select public.is_admin()));
create policy usage_add on public.usage_logs for insert to authenticated
  with check (user_id = (select auth.uid()));
create policy config_read on public.app_config for select to authenticated using (true);
create policy config_write on public.app_config for all to authenticated
  using ((select public.is_admin())) with check ((select public.is_admin()) and updated_by = (select auth.uid()));

alter publication supabase_realtime add table public.messages, public.conversations;
alter table public.messages replica identity full;
