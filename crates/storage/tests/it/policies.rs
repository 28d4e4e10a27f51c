//! What policies see, and that they alone decide.

use serde_json::json;

use crate::harness::{Api, OTHER, USER, upload};

#[actix_web::test]
async fn folders_of_one_s_own() {
    let api = Api::start().await;
    api.bucket("b", json!({})).await;
    let rule = "bucket_id = 'b' and (storage.foldername(name))[1] = auth.uid()::text";
    api.allow("objects", &["select", "insert", "update", "delete"], rule).await;
    let (user, other) = (api.user(USER), api.user(OTHER));
    let path = format!("b/{USER}/a.txt");
    api.upload(&path, &user, "mine").await.ok();
    let denied = "new row violates row-level security policy";
    api.upload(&path.replace("a.txt", "b.txt"), &other, "x").await.refused("403", "AccessDenied", denied);
    let upsert = upload(&path, &other, "x").insert_header(("x-upsert", "true"));
    api.send(upsert).await.refused("403", "AccessDenied", denied);
    api.get(&format!("/object/{path}"), &other).await.refused("404", "NoSuchKey", "Object not found");
    api.delete(&format!("/object/{path}"), &other).await.refused("403", "AccessDenied", "Access denied");
    let away = json!({ "bucketId": "b", "sourceKey": format!("{USER}/a.txt"), "destinationKey": format!("{OTHER}/a.txt") });
    api.post("/object/move", &other, away.clone()).await.refused("404", "NoSuchKey", "Object not found");
    api.post("/object/move", &user, away.clone()).await.refused("403", "AccessDenied", denied);
    api.post("/object/copy", &user, away).await.refused("403", "AccessDenied", denied);
    let anon = api.token(json!({ "role": "anon" }));
    api.upload(&path, &anon, "x").await.refused("403", "AccessDenied", denied);
    assert_eq!(api.get(&format!("/object/{path}"), &user).await.bytes, b"mine");
    api.is_consistent().await;
}

#[actix_web::test]
async fn a_policy_sees_the_row_and_the_request() {
    let api = Api::start().await;
    api.bucket("b", json!({})).await;
    let rule = "bucket_id = 'b' and name = 'dir/a.png' and storage.filename(name) = 'a.png'
        and storage.extension(name) = 'png' and version = '1' and owner = auth.uid() and owner_id = auth.uid()::text
        and metadata = '{\"mimetype\":\"image/png\",\"contentLength\":3}' and user_metadata = '{\"k\":\"v\"}'
        and storage.operation() = 'storage.object.upload' and storage.allow_only_operation('object.upload')
        and current_setting('request.method') = 'POST'
        and current_setting('request.path') = '/object/b/dir/a.png?x=1'
        and current_setting('request.headers')::json ->> 'x-own' = 'header'
        and current_setting('request.jwt.claim.sub') = auth.uid()::text
        and current_setting('request.jwt.claims')::json ->> 'app' = 'y'
        and current_setting('request.jwt') like '%.%.%'
        and auth.jwt() ->> 'role' = 'authenticated' and auth.role() = 'authenticated' and current_user = 'authenticated'";
    api.allow("objects", &["insert"], rule).await;
    let token = api.token(json!({ "role": "authenticated", "sub": USER, "app": "y" }));
    let upload = |path: &str| {
        upload(path, &token, "png")
            .insert_header(("content-type", "image/png"))
            .insert_header(("x-metadata", "eyJrIjoidiJ9"))
            .insert_header(("x-own", "header"))
    };
    api.send(upload("b/dir/a.png?x=1")).await.ok();
    assert_eq!(api.send(upload("b/dir/a.png?x=2")).await.error().2, "AccessDenied");
    // What is kept is what came, not what was declared.
    assert_eq!(api.value("select metadata ->> 'size' from storage.objects").await, "3");
    assert_ne!(api.value("select version from storage.objects").await, "1");
}

#[actix_web::test]
async fn the_probe_leaves_no_trace() {
    let api = Api::start().await;
    api.bucket("b", json!({})).await;
    api.sql(
        "create table public.log (role text, op text);
         grant all on public.log to public;
         create function public.note() returns trigger language plpgsql as
           $$ begin insert into public.log values (current_user, tg_op); return new; end $$;
         create trigger note after insert or update on storage.objects for each row execute function public.note();",
    )
    .await;
    api.allow("objects", &["insert"], "true").await;
    api.upload("b/a", &api.user(USER), "x").await.ok();
    assert_eq!(
        api.value("select string_agg(role || ' ' || op, ',') from public.log").await,
        "service_role INSERT"
    );
    api.allow("objects", &[], "").await;
    assert_eq!(api.upload("b/b", &api.user(USER), "x").await.error().2, "AccessDenied");
    assert_eq!(api.value("select count(*) from storage.objects").await, "1");
}

#[actix_web::test]
async fn what_the_developer_s_code_says_is_told() {
    let api = Api::start().await;
    api.bucket("b", json!({})).await;
    api.sql(
        "create function public.quota() returns trigger language plpgsql as
           $$ begin raise exception 'quota of % is used up', new.bucket_id; end $$;
         create trigger quota before insert on storage.objects for each row execute function public.quota();",
    )
    .await;
    api.upload("b/a", &api.service(), "x").await.refused("400", "InvalidRequest", "quota of b is used up");
    api.sql("drop trigger quota on storage.objects").await;
    api.allow("objects", &["insert"], "exists (select from storage.objects)").await;
    let answer = api.upload("b/a", &api.user(USER), "x").await;
    assert_eq!(answer.error().1, "403", "{answer:?}");
    api.allow("objects", &["insert", "select"], "exists (select from storage.objects)").await;
    let answer = api.upload("b/a", &api.user(USER), "x").await;
    assert_eq!(answer.error(), (400, "503", "DatabaseInvalidObjectDefinition"));
    assert_eq!(api.files().await, Vec::<String>::new());
}
