//! Schema `storage` as Supabase Storage leaves it at its migration 63.

use crate::harness::Api;

/// Every table with its columns and their types; `!` marks NOT NULL, `=` a default.
const TABLES: &[(&str, &str)] = &[
    (
        "buckets",
        "id:text! name:text! owner:uuid created_at:timestamptz= updated_at:timestamptz= public:bool= \
         avif_autodetection:bool= file_size_limit:int8 allowed_mime_types:_text owner_id:text type:buckettype!= \
         versioning_status:text!=",
    ),
    (
        "objects",
        "id:uuid!= bucket_id:text name:text owner:uuid created_at:timestamptz= updated_at:timestamptz= \
         last_accessed_at:timestamptz= metadata:jsonb path_tokens:_text= version:text owner_id:text user_metadata:jsonb \
         archived_at:timestamptz is_delete_marker:bool!= is_versioned:bool!=",
    ),
    (
        "s3_multipart_uploads",
        "id:text! in_progress_size:int8!= upload_signature:text! bucket_id:text! key:text! version:text! owner_id:text \
         created_at:timestamptz!= user_metadata:jsonb metadata:jsonb",
    ),
    (
        "s3_multipart_uploads_parts",
        "id:uuid!= upload_id:text! size:int8!= part_number:int4! bucket_id:text! key:text! etag:text! owner_id:text \
         version:text! created_at:timestamptz!=",
    ),
    ("migrations", "id:int4! name:varchar! hash:varchar! executed_at:timestamp="),
    (
        "buckets_analytics",
        "name:text! type:buckettype!= format:text!= created_at:timestamptz!= updated_at:timestamptz!= id:uuid!= \
         deleted_at:timestamptz",
    ),
    (
        "iceberg_namespaces",
        "id:uuid!= bucket_name:text! name:text! created_at:timestamptz!= updated_at:timestamptz!= metadata:jsonb!= \
         catalog_id:uuid!",
    ),
    (
        "iceberg_tables",
        "id:uuid!= namespace_id:uuid! bucket_name:text! name:text! location:text! created_at:timestamptz!= \
         updated_at:timestamptz!= remote_table_id:text shard_key:text shard_id:text catalog_id:uuid!",
    ),
    ("buckets_vectors", "id:text! type:buckettype!= created_at:timestamptz!= updated_at:timestamptz!="),
    (
        "vector_indexes",
        "id:text!= name:text! bucket_id:text! data_type:text! dimension:int4! distance_metric:text! \
         metadata_configuration:jsonb created_at:timestamptz!= updated_at:timestamptz!=",
    ),
    ("basalt_removals", "id:int8! bucket_id:text! name:text! version:text due_at:timestamptz!"),
    (
        "basalt_bucket_settings",
        "bucket_id:text! keep_versions_seconds:int8 quota_bytes:int8 quota_objects:int8 used_bytes:int8!= used_objects:int8!=",
    ),
    (
        "basalt_versions",
        "id:uuid!= bucket_id:text! name:text! version:text reason:text! owner:uuid owner_id:text metadata:jsonb \
         user_metadata:jsonb created_at:timestamptz archived_at:timestamptz!= expires_at:timestamptz!",
    ),
    (
        "basalt_events",
        "id:uuid!= number:int8! type:text! payload:jsonb! created_at:timestamptz!= attempts:int4!= due_at:timestamptz!=",
    ),
];

#[actix_web::test]
async fn every_table_and_every_column() {
    let api = Api::start().await;
    for (table, expected) in TABLES {
        let columns = api
            .value(&format!(
                "select string_agg(a.attname || ':' || t.typname || case when a.attnotnull then '!' else '' end
                     || case when a.atthasdef then '=' else '' end, ' ' order by a.attnum)
                   from pg_attribute a join pg_type t on t.oid = a.atttypid
                  where a.attrelid = 'storage.{table}'::regclass and a.attnum > 0 and not a.attisdropped"
            ))
            .await;
        assert_eq!(&columns, expected, "{table}");
    }
    let tables =
        "select count(*) from pg_class where relnamespace = 'storage'::regnamespace and relkind = 'r'";
    assert_eq!(api.value(tables).await, TABLES.len().to_string());
    let lax = "select count(*) from pg_class where relnamespace = 'storage'::regnamespace and relkind = 'r'
                  and (not relrowsecurity or pg_get_userbyid(relowner) <> 'supabase_storage_admin')";
    assert_eq!(api.value(lax).await, "0");
}

/// The relationships that the founding documents draw, and ours.
#[actix_web::test]
async fn every_relationship() {
    let api = Api::start().await;
    let keys = "select string_agg(conrelid::regclass::text || '.' || a.attname || ' ' || confrelid::regclass::text, ', '
                  order by conrelid::regclass::text, a.attname)
                  from pg_constraint c join pg_attribute a on a.attrelid = c.conrelid and a.attnum = c.conkey[1]
                 where contype = 'f' and connamespace = 'storage'::regnamespace and conrelid::regclass::text !~ 'iceberg|vector'";
    assert_eq!(
        api.value(keys).await,
        "storage.basalt_bucket_settings.bucket_id storage.buckets, \
         storage.objects.bucket_id storage.buckets, storage.s3_multipart_uploads.bucket_id storage.buckets, \
         storage.s3_multipart_uploads_parts.bucket_id storage.buckets, \
         storage.s3_multipart_uploads_parts.upload_id storage.s3_multipart_uploads"
    );
    let primary = "select string_agg(conrelid::regclass::text || '.' || a.attname, ' ' order by conrelid::regclass::text)
                  from pg_constraint c join pg_attribute a on a.attrelid = c.conrelid and a.attnum = any (c.conkey)
                 where contype = 'p' and conrelid::regclass::text in ('storage.buckets', 'storage.objects', 'storage.migrations',
                       'storage.s3_multipart_uploads', 'storage.s3_multipart_uploads_parts')";
    assert_eq!(
        api.value(primary).await,
        "storage.buckets.id storage.migrations.id storage.objects.id storage.s3_multipart_uploads.id \
         storage.s3_multipart_uploads_parts.id"
    );
}

#[actix_web::test]
async fn upstream_finds_its_migrations_done() {
    let api = Api::start().await;
    assert_eq!(api.value("select count(*) || ' ' || max(id) from storage.migrations").await, "64 63");
}

#[actix_web::test]
async fn who_may_touch_what() {
    let api = Api::start().await;
    let may = async |role: &str, table: &str, right: &str| {
        api.value(&format!("select has_table_privilege('{role}', 'storage.{table}', '{right}')")).await == "t"
    };
    for role in ["anon", "authenticated", "service_role"] {
        for right in ["select", "insert", "update", "delete"] {
            assert!(may(role, "objects", right).await);
        }
        assert!(may(role, "buckets", "delete").await);
        assert!(!may(role, "migrations", "select").await);
        assert!(
            !may(role, "basalt_removals", "select").await && !may(role, "basalt_removals", "delete").await
        );
        assert_eq!(may(role, "basalt_removals", "insert").await, role == "service_role");
        assert_eq!(may(role, "s3_multipart_uploads", "insert").await, role == "service_role");
        assert!(may(role, "s3_multipart_uploads", "select").await);
    }
    assert!(may("postgres", "objects", "insert with grant option").await);
    // The login of the service is no superuser and can become none.
    let admin = "select rolsuper or pg_has_role('supabase_storage_admin', 'supabase_admin', 'member')
                   or pg_has_role('supabase_storage_admin', 'postgres', 'member')
                   or pg_has_role('supabase_storage_admin', 'supabase_auth_admin', 'member')
                   from pg_roles where rolname = 'supabase_storage_admin'";
    assert_eq!(api.value(admin).await, "f");
}

#[actix_web::test]
async fn rows_are_not_deleted_by_accident() {
    let api = Api::start().await;
    let mut session = api.database.admin().await;
    session.batch("insert into storage.buckets (id, name) values ('b', 'b')").await.unwrap();
    let refused = session.batch("delete from storage.buckets").await;
    assert_eq!(testkit::code(refused), "42501");
    session.batch("set storage.allow_delete_query = 'true'; delete from storage.buckets").await.unwrap();
    let long = session.batch("insert into storage.buckets (id, name) values ('x', repeat('x', 101))").await;
    assert_eq!(testkit::code(long), "P0001");
}

#[actix_web::test]
async fn what_applications_call() {
    let api = Api::start().await;
    for (call, expected) in [
        ("storage.foldername('a/b/c.txt')::text", "{a,b}"),
        ("storage.filename('a/b/c.txt')", "c.txt"),
        ("storage.extension('a.b/c.tar.gz')", "gz"),
        ("storage.extension('a/noext')", "noext"),
        ("coalesce(storage.operation(), 'none')", "none"),
        ("storage.allow_only_operation('object.list')", "f"),
        ("storage.allow_only_operation(null)", "f"),
        ("coalesce(storage.get_common_prefix('a/b/c', 'a/', '/'), '-')", "a/b/"),
        ("coalesce(storage.get_common_prefix('a/b', 'a/', '/'), '-')", "-"),
    ] {
        assert_eq!(api.value(&format!("select {call}")).await, expected, "{call}");
    }
    let mut caller = api.database.caller("authenticated", "{}").await;
    let tried = caller.query("select storage.can_insert_object('b', 'x', null, '{}')", &[]).await;
    assert_eq!(testkit::code(tried), "42501");
}

#[test]
fn no_repeatable_file_was_forgotten() {
    testkit::repeatables_are_complete(&storage::migrations());
}
