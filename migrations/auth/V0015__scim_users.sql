-- The ban that was in force when an identity provider shut an account, which holds again when it opens it; and which
-- of someone's addresses the account has.

set local role supabase_auth_admin;
set local search_path to '';

alter table auth.basalt_scim_users add column if not exists banned_before timestamptz;
alter table auth.basalt_scim_users add column if not exists email_type text not null default 'work';

comment on column auth.basalt_scim_users.banned_before is 'The ban of somebody else''s that shut_until took the place of.';
comment on column auth.basalt_scim_users.email_type is 'Which of the person''s addresses the account has.';
