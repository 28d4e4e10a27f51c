-- Who may use what. Row security decides about messages; functions that are for everybody keep Postgres' default.
set local role supabase_realtime_admin;
set local search_path to '';

grant select, insert, update on realtime.messages to anon, authenticated, service_role;
grant all on realtime.messages to postgres, dashboard_user;
grant select on realtime.subscription to anon, authenticated, service_role;
grant all on realtime.subscription to postgres, dashboard_user;
grant usage on sequence realtime.subscription_id_seq to anon, authenticated, service_role;
grant all on sequence realtime.subscription_id_seq to postgres, dashboard_user;
grant all on realtime.schema_migrations to postgres, dashboard_user;

grant execute on function
  realtime.cast(text, regtype),
  realtime.check_equality_op(realtime.equality_op, regtype, text, text),
  realtime.check_equality_op(realtime.equality_op, regtype, text, text, boolean),
  realtime.is_visible_through_filters(realtime.wal_column[], realtime.user_defined_filter[]),
  realtime.build_prepared_statement_sql(text, regclass, realtime.wal_column[]),
  realtime.quote_wal2json(regclass),
  realtime.subscription_check_filters(),
  realtime.to_regrole(text),
  realtime.apply_rls(jsonb, integer)
to anon, authenticated, service_role;
