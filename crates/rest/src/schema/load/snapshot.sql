-- The name under which another transaction can see what this one sees.
select pg_export_snapshot()
