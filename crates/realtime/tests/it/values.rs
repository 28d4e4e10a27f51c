//! Values in changes are what `to_jsonb` makes of them.

use serde_json::{Value, json};

use crate::anon;
use crate::changes::{server, sql, subscribed, table};

#[actix_web::test]
async fn every_type_is_written_as_postgres_does() {
    let types = [
        ("boolean", &["true", "false"][..]),
        ("smallint", &["-32768"]),
        ("bigint", &["9223372036854775807"]),
        ("real", &["0.1", "1e20", "NaN"]),
        ("double precision", &["0.1", "-1e-300", "Infinity"]),
        ("numeric", &["1.50", "123456789012345678901234567890.5", "NaN"]),
        ("text", &["", "ü \"quoted\" \\ \n\t"]),
        ("varchar(5)", &["abc"]),
        ("uuid", &["A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11"]),
        ("date", &["2024-01-02", "infinity", "0044-03-15 BC"]),
        ("timestamp", &["2024-01-02 03:04:05.678", "-infinity"]),
        ("timestamptz", &["2024-01-02 03:04:05.678+02", "infinity", "0044-03-15 00:00:00+00 BC"]),
        ("time", &["03:04:05.6"]),
        ("timetz", &["03:04:05+02"]),
        ("interval", &["1 day 2 hours"]),
        ("json", &["{\"a\": [1, null]}", "null"]),
        ("jsonb", &["{\"a\": [1, 1.50]}"]),
        ("inet", &["10.0.0.1/8"]),
        ("int4range", &["[1,5)"]),
        ("point", &["(1,2)"]),
        ("tsvector", &["'a':1"]),
        ("xml", &["<a/>"]),
        ("bit varying", &["101"]),
        ("oid", &["42"]),
        ("public.mood", &["sad"]),
        ("public.positive", &["7.50"]),
        ("public.pair", &["(1,\"a \"\"b\"\",\")", "(,)"]),
        ("int[]", &["{}", "{{1,2},{3,NULL}}", "[0:1]={5,6}"]),
        ("text[]", &["{a,\"b,c\",NULL,\"NULL\",\"\"}"]),
        ("float8[]", &["{1.5,NaN}"]),
        ("bytea[]", &["{\"\\\\xdead\"}"]),
        ("timestamptz[]", &["{2024-01-02 03:04:05+00}"]),
        ("public.mood[]", &["{sad,happy}"]),
        ("public.pair[]", &["{\"(1,x)\",NULL}"]),
        ("box[]", &["{(1,1),(0,0);(2,2),(0,0)}"]),
    ];
    let columns: Vec<String> =
        types.iter().enumerate().map(|(n, (name, _))| format!("c{n} {name}")).collect();
    let server = server(&format!(
        "create type public.mood as enum ('sad', 'happy');
         create domain public.positive as numeric check (value > 0);
         create type public.pair as (n int, t text);
         create table public.v (id int primary key generated always as identity, {});
         grant select on public.v to anon;
         alter publication supabase_realtime add table public.v;",
        columns.join(", ")
    ))
    .await;
    let mut client = subscribed(&server, &anon(), json!([table("v", "*")])).await;
    let mut admin = server.database.admin().await;
    admin.batch("set timezone to 'UTC'; set datestyle to 'ISO'").await.unwrap();
    for (number, (name, values)) in types.iter().enumerate() {
        for value in *values {
            let insert = format!(
                "insert into public.v (c{number}) values ($1::text::{name}) returning to_jsonb(c{number})"
            );
            let mut expected: Value = admin.query_one(&insert, &[value]).await.unwrap().get(0);
            // Upstream's rule for a number that is none.
            if ["NaN", "Infinity"].contains(value) {
                expected = Value::Null;
            }
            let change = client.take(|message| message.event == "postgres_changes").await.payload;
            let told = &change["data"]["record"][format!("c{number}")];
            assert_eq!(*told, expected, "{name} {value}");
        }
    }
    sql(&server, "insert into public.v default values").await;
}
