//! What SQL sees of schema `realtime`: tables, functions, rights, partitions.

use chrono::Utc;

use crate::Server;

#[actix_web::test]
async fn the_tables_are_upstreams() {
    let server = Server::start().await;
    let mut admin = server.database.admin().await;
    let columns = "select string_agg(format('%s %s', attname, format_type(atttypid, atttypmod)), ', ' order by attnum)
                     from pg_attribute where attrelid = $1::text::regclass and attnum > 0 and not attisdropped";
    for (table, expected) in [
        (
            "realtime.messages",
            "topic text, extension text, payload jsonb, event text, private boolean, \
             updated_at timestamp without time zone, inserted_at timestamp without time zone, id uuid, \
             binary_payload bytea",
        ),
        (
            "realtime.subscription",
            "id bigint, subscription_id uuid, entity regclass, filters realtime.user_defined_filter[], claims jsonb, \
             claims_role regrole, created_at timestamp without time zone, action_filter text, selected_columns text[]",
        ),
        ("realtime.schema_migrations", "version bigint, inserted_at timestamp(0) without time zone"),
    ] {
        let row = admin.query_one(columns, &[&table]).await.unwrap();
        assert_eq!(row.get::<_, String>(0), expected, "{table}");
    }
    let facts = "select relrowsecurity, pg_get_userbyid(relowner)::text, relkind::text
                   from pg_class where oid = 'realtime.messages'::regclass";
    let row = admin.query_one(facts, &[]).await.unwrap();
    assert_eq!((row.get(0), row.get(1), row.get(2)), (true, "supabase_realtime_admin", "p"));
}

#[actix_web::test]
async fn functions_of_the_database_write_messages() {
    let server = Server::start().await;
    let mut session = server.database.caller("service_role", "{}").await;
    session
        .batch(
            "select realtime.send('{\"a\":1}', 'e', 't');
             select realtime.send('{\"id\":7}', 'e', 't', false);
             select realtime.send('[1]', 'e', 't');
             select realtime.send_binary('\\x00ff', 'e', 't');",
        )
        .await
        .unwrap();
    let rows =
        "select payload = jsonb_build_object('a', 1, 'id', id), payload, private, extension, binary_payload
                  from realtime.messages order by payload->'a', payload->'id', payload";
    let rows = session.query(rows, &[]).await.unwrap();
    assert_eq!(rows.len(), 4);
    assert!(rows[0].get::<_, bool>(0), "the id of the row is in the payload");
    assert!(rows.iter().any(|row| row.get::<_, Option<Vec<u8>>>(4) == Some(vec![0, 255])));
    assert!(rows.iter().all(|row| row.get::<_, String>(3) == "broadcast"));
    let topic: Option<String> = session.query_one("select realtime.topic()", &[]).await.unwrap().get(0);
    assert_eq!(topic.as_deref(), Some("t"));
}

#[actix_web::test]
async fn a_broadcast_that_fails_does_not_fail_its_transaction() {
    let server = Server::start().await;
    let mut session = server.database.caller("authenticated", "{}").await;
    session.batch("select realtime.send('{}', 'e', 't')").await.unwrap();
    let count = "select count(*) from realtime.messages";
    assert_eq!(session.query_one(count, &[]).await.unwrap().get::<_, i64>(0), 0);
    drop(session);
    let count: i64 = server.database.admin().await.query_one(count, &[]).await.unwrap().get(0);
    assert_eq!(count, 0, "without a policy nobody but the service role writes");
}

#[actix_web::test]
async fn changes_of_a_table_are_broadcast_by_a_trigger() {
    let server = Server::start().await;
    let mut admin = server.database.admin().await;
    admin
        .batch(
            "create table public.t (id int primary key, a text);
             create function public.tell() returns trigger language plpgsql security definer as $$
             begin
               perform realtime.broadcast_changes('t', tg_op, tg_op, tg_table_name, tg_table_schema, new, old);
               return null;
             end $$;
             create trigger tell after insert or update or delete on public.t for each row execute function public.tell();
             insert into public.t values (1, 'x');
             update public.t set a = 'y';
             delete from public.t;",
        )
        .await
        .unwrap();
    let rows = "select payload - 'id' from realtime.messages order by payload->>'operation'";
    let rows = admin.query(rows, &[]).await.unwrap();
    let payloads: Vec<serde_json::Value> = rows.iter().map(|row| row.get(0)).collect();
    let expected = |operation: &str, old: serde_json::Value, new: serde_json::Value| serde_json::json!({ "operation": operation, "table": "t", "schema": "public", "old_record": old, "record": new });
    let row = |a: &str| serde_json::json!({ "id": 1, "a": a });
    let null = serde_json::Value::Null;
    assert_eq!(
        payloads,
        [
            expected("DELETE", row("y"), null.clone()),
            expected("INSERT", null, row("x")),
            expected("UPDATE", row("x"), row("y"))
        ]
    );
    for (arguments, message) in [
        ("'TRUNCATE', 't', 'public', null::public.t, null::public.t", "Unexpected operation type: TRUNCATE"),
        ("'INSERT', 't', 'public', null::public.t, null::public.t, 'STATEMENT'", "for each row"),
    ] {
        let call = format!("select realtime.broadcast_changes('t', 'e', {arguments})");
        let error = admin.batch(&call).await.unwrap_err();
        let text = error.server().unwrap().message.clone();
        assert!(text.starts_with("Failed to process the row: ") && text.contains(message), "{text}");
    }
}

#[actix_web::test]
async fn subscriptions_are_checked_as_the_subscriber() {
    let server = Server::start().await;
    let mut admin = server.database.admin().await;
    admin
        .batch(
            "create table public.s (id int primary key, open text, closed text);
             revoke all on public.s from anon, authenticated;
             grant select (id, open) on public.s to authenticated",
        )
        .await
        .unwrap();
    let mut check = async |filters: &str, columns: &str, message: Option<&str>| {
        let insert = format!(
            "insert into realtime.subscription (subscription_id, entity, filters, claims, selected_columns)
             values (gen_random_uuid(), 'public.s', {filters}, '{{\"role\":\"authenticated\"}}', {columns})"
        );
        let told = admin.batch(&insert).await.map_err(|error| error.server().unwrap().message.clone());
        match message {
            None => assert_eq!(told, Ok(()), "{filters}"),
            Some(message) => assert!(told.clone().is_err_and(|told| told.contains(message)), "{told:?}"),
        }
    };
    let filter = |text: &str| format!("array[{text}]::realtime.user_defined_filter[]");
    check("'{}'", "null", None).await;
    check(&filter("('open', 'eq', 'x', false)"), "array['id', 'open']", None).await;
    check(&filter("('id', 'in', '{1,2}', null)"), "null", None).await;
    check(&filter("('id', 'eq', 'abc', false)"), "null", Some("invalid input syntax for type integer")).await;
    check(&filter("('closed', 'eq', 'x', false)"), "null", Some("invalid column for filter closed")).await;
    check(&filter("('zzz', 'eq', 'x', false)"), "null", Some("invalid column for filter zzz")).await;
    check("'{}'", "array['closed']", Some("invalid column for select closed")).await;
}

#[actix_web::test]
async fn filters_in_sql_fail_closed() {
    let server = Server::start().await;
    let mut admin = server.database.admin().await;
    for (filter, value, expected) in [
        ("('a','eq','1',false)", "'1'", true),
        ("('a','eq','1',true)", "'1'", false),
        ("('a','gt','9',false)", "'10'", true),
        ("('a','in','{1,2}',false)", "'2'", true),
        ("('a','is','null',false)", "null", true),
        ("('a','is','null',true)", "null", false),
        ("('a','isdistinct','1',false)", "null", true),
        ("('a','eq','1',false)", "null", false),
        ("('a','eq','1',true)", "null", false),
        ("('b','eq','1',false)", "'1'", false),
    ] {
        let sql = format!(
            "select realtime.is_visible_through_filters(
               array[('a', 'int4', 'int4'::regtype::oid, to_jsonb({value}::int), true, true)]::realtime.wal_column[],
               array[{filter}]::realtime.user_defined_filter[])"
        );
        let visible: bool = admin.query_one(&sql, &[]).await.unwrap().get(0);
        assert_eq!(visible, expected, "{filter} {value}");
    }
}

#[actix_web::test]
async fn there_are_partitions_for_the_days_around() {
    let server = Server::start().await;
    let names = "select array_agg(inhrelid::regclass::text order by 1) from pg_inherits
                  where inhparent = 'realtime.messages'::regclass";
    let names: Vec<String> = server.database.admin().await.query_one(names, &[]).await.unwrap().get(0);
    assert_eq!(names.len(), 5);
    let today = format!("realtime.messages_{}", Utc::now().format("%Y_%m_%d"));
    assert_eq!(names[1], today, "yesterday, today, and three days more");
}

/// The tables that the founding documents describe: with their columns (`!` marks NOT NULL, `=` a default, `#` an
/// identity, `~` a generated column), the columns of their primary keys, and whether row security is on.
const FOUNDING: &[(&str, &str, &str, bool)] = &[
    (
        "subscription",
        "id:int8!# subscription_id:uuid! entity:regclass! filters:_user_defined_filter!= claims:jsonb! \
         claims_role:regrole!~ created_at:timestamp!=",
        "id",
        false,
    ),
    (
        "messages",
        "id:uuid!= topic:text! extension:text! payload:jsonb event:text private:bool= updated_at:timestamp!= \
         inserted_at:timestamp!=",
        "id inserted_at",
        true,
    ),
    ("schema_migrations", "version:int8! inserted_at:timestamp", "version", false),
];

/// What upstream added since, and what is ours.
const LATER: &[(&str, &str)] = &[
    ("subscription", "action_filter:text= selected_columns:_text"),
    ("messages", "binary_payload:bytea"),
    ("basalt_relay", "sender:int8! number:int8! body:bytea! sent_at:timestamptz!="),
];

#[actix_web::test]
async fn every_table_and_column_of_the_catalogue_is_there_and_no_other() {
    let server = Server::start().await;
    let mut admin = server.database.admin().await;
    let columns = "
        select c.table_name::text, c.column_name || ':' || c.udt_name
                 || case c.is_nullable when 'NO' then '!' else '' end
                 || case when c.is_identity = 'YES' then '#' when c.is_generated = 'ALWAYS' then '~'
                         when c.column_default is not null then '=' else '' end
          from information_schema.columns c
          join pg_class t on t.oid = format('%I.%I', c.table_schema, c.table_name)::regclass
         where c.table_schema = 'realtime' and not t.relispartition";
    let rows = admin.query(columns, &[]).await.unwrap();
    let mut found: Vec<(String, String)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    let founding = FOUNDING.iter().map(|(table, columns, ..)| (table, columns));
    let all = founding.chain(LATER.iter().map(|(table, columns)| (table, columns)));
    let mut wanted: Vec<(String, String)> = all
        .flat_map(|(table, columns)| columns.split_whitespace().map(|c| ((*table).to_owned(), c.to_owned())))
        .collect();
    found.sort();
    wanted.sort();
    assert_eq!(found, wanted);
    let facts = "
        select t.relrowsecurity, string_agg(a.attname, ' ' order by a.attname)
          from pg_class t
          join pg_constraint k on k.conrelid = t.oid and k.contype = 'p'
          join pg_attribute a on a.attrelid = t.oid and a.attnum = any (k.conkey)
         where t.oid = format('realtime.%I', $1::text)::regclass
         group by 1";
    for (table, _, key, is_secured) in FOUNDING {
        let row = admin.query_one(facts, &[table]).await.unwrap();
        assert_eq!(
            (row.get::<_, bool>(0), row.get::<_, String>(1)),
            (*is_secured, (*key).to_owned()),
            "{table}"
        );
    }
    let versions: i64 =
        admin.query_one("select count(*) from realtime.schema_migrations", &[]).await.unwrap().get(0);
    assert!(versions >= 62, "tools compare them with upstream's");
}
