//! Rows and files belong together, whatever goes wrong and whoever is quicker.

use actix_web::http::Method;
use futures_util::future::join_all;
use serde_json::json;

use crate::harness::{Api, request, upload};

#[actix_web::test]
async fn of_two_uploads_of_one_name_one_wins() {
    let api = Api::start().await;
    api.bucket("b", json!({})).await;
    let service = api.service();
    for round in 0..10 {
        let path = format!("b/{round}");
        let content = |n: usize| format!("content {n}");
        let answers = join_all((0..4).map(|n| {
            let (path, service) = (path.clone(), service.clone());
            let api = &api;
            async move { api.upload(&path, &service, &content(n)).await }
        }))
        .await;
        let won: Vec<usize> = (0..4).filter(|n| answers[*n].status == 200).collect();
        assert_eq!(won.len(), 1, "{answers:?}");
        for (n, answer) in answers.iter().enumerate().filter(|(n, _)| !won.contains(n)) {
            assert_eq!(answer.error(), (400, "409", "KeyAlreadyExists"), "{n}");
        }
        assert_eq!(api.get(&format!("/object/{path}"), &service).await.bytes, content(won[0]).as_bytes());
    }
    api.is_consistent().await;
}

#[actix_web::test]
async fn everybody_at_once() {
    let api = Api::start().await;
    api.bucket("b", json!({})).await;
    let service = api.service();
    api.upload("b/0", &service, "x").await.ok();
    let work = (0..60).map(|n| {
        let (api, service) = (&api, service.clone());
        async move {
            let (from, to) = ((n % 3).to_string(), ((n + 1) % 3).to_string());
            let way = json!({ "bucketId": "b", "sourceKey": from, "destinationKey": to });
            let answer = match n % 4 {
                0 => {
                    api.send(upload(&format!("b/{from}"), &service, &n.to_string()).method(Method::PUT)).await
                }
                1 => api.post("/object/move", &service, way).await,
                2 => {
                    let copy = request(Method::POST, "/object/copy", &service).set_json(way);
                    api.send(copy.insert_header(("x-upsert", "true"))).await
                }
                _ => api.delete(&format!("/object/b/{from}"), &service).await,
            };
            assert!(matches!(answer.error().1, "" | "404" | "409" | "423"), "{answer:?}");
        }
    });
    join_all(work).await;
    api.is_consistent().await;
    for name in
        api.value("select coalesce(string_agg(name, ' '), '') from storage.objects").await.split_whitespace()
    {
        assert_eq!(api.get(&format!("/object/b/{name}"), &service).await.status, 200);
    }
}

#[actix_web::test]
async fn a_row_that_cannot_be_written_leaves_no_file() {
    let api = Api::start().await;
    api.bucket("b", json!({})).await;
    let service = api.service();
    api.upload("b/a", &service, "old").await.ok();
    // The policies' question passes, the row itself does not.
    api.sql(
        "create function public.refuse() returns trigger language plpgsql as
           $$ begin if new.version <> '1' then raise exception 'no'; end if; return new; end $$;
         create trigger refuse before insert or update on storage.objects for each row execute function public.refuse();",
    )
    .await;
    api.upload("b/new", &service, "x").await.refused("400", "InvalidRequest", "no");
    let put = upload("b/a", &service, "new").method(Method::PUT);
    api.send(put).await.refused("400", "InvalidRequest", "no");
    let way = json!({ "bucketId": "b", "sourceKey": "a", "destinationKey": "x" });
    assert_eq!(api.post("/object/move", &service, way.clone()).await.status, 400);
    assert_eq!(api.post("/object/copy", &service, way).await.status, 400);
    assert_eq!(api.get("/object/b/a", &service).await.bytes, b"old");
    api.is_consistent().await;
    assert_eq!(api.files().await.len(), 1);
}

#[actix_web::test]
async fn a_delete_that_is_undone_keeps_the_file() {
    let api = Api::start().await;
    api.bucket("b", json!({})).await;
    let service = api.service();
    api.upload("b/a", &service, "x").await.ok();
    api.sql(
        "create function public.refuse() returns trigger language plpgsql as $$ begin raise exception 'no'; end $$;
         create constraint trigger refuse after delete on storage.objects deferrable initially deferred
            for each row execute function public.refuse();",
    )
    .await;
    assert_eq!(api.delete("/object/b/a", &service).await.status, 400);
    let many = request(Method::DELETE, "/object/b", &service).set_json(json!({ "prefixes": ["a"] }));
    assert_eq!(api.send(many).await.status, 400);
    api.is_consistent().await;
    assert_eq!(api.get("/object/b/a", &service).await.bytes, b"x");
}

#[actix_web::test]
async fn a_removal_whose_row_came_back_is_void() {
    let api = Api::start().await;
    api.bucket("b", json!({})).await;
    let service = api.service();
    api.upload("b/a", &service, "x").await.ok();
    api.sql("create table public.kept as select bucket_id, name, version, metadata from storage.objects")
        .await;
    api.delete("/object/b/a", &service).await.ok();
    api.sql("insert into storage.objects (bucket_id, name, version, metadata) table public.kept").await;
    api.is_consistent().await;
    assert_eq!(api.get("/object/b/a", &service).await.bytes, b"x");
}

#[actix_web::test]
async fn files_outlive_their_objects_for_a_while() {
    let api = Api::start().await;
    api.bucket("b", json!({})).await;
    let service = api.service();
    api.upload("b/a", &service, "x").await.ok();
    api.delete("/object/b/a", &service).await.ok();
    assert_eq!(api.storage.remove_due().await.unwrap(), 0);
    assert_eq!(api.files().await.len(), 1);
    api.sql("update storage.basalt_removals set due_at = due_at - interval '61 seconds'").await;
    assert_eq!(api.storage.remove_due().await.unwrap(), 1);
    assert_eq!(api.files().await.len(), 0);
}

#[actix_web::test]
async fn what_a_process_left_behind_is_swept() {
    let api = Api::start().await;
    api.bucket("b", json!({})).await;
    let service = api.service();
    api.upload("b/a", &service, "kept").await.ok();
    let root = api.directory.path().to_owned();
    let announce = |name: &str, version: &str| {
        std::fs::write(root.join(format!(".incoming/{version}.placed")), format!("b\0{name}")).unwrap();
    };
    // A file whose row was never written, one whose row was, and one that nobody here has written.
    let orphan = "4d56e902-f0a0-4662-8448-a4d9e643c142";
    api.place(&format!("stub/stub/b/dir/orphan/{orphan}"), b"x").await;
    announce("dir/orphan", orphan);
    announce("a", &api.value("select version from storage.objects").await);
    api.place("stub/stub/b/foreign/4d56e902-f0a0-4662-8448-a4d9e643c143", b"x").await;
    assert_eq!(api.storage.remove_orphans(std::time::Duration::from_secs(60)).await.unwrap(), 0);
    assert_eq!(api.storage.remove_orphans(std::time::Duration::ZERO).await.unwrap(), 1);
    let files = api.files().await;
    assert_eq!(files.len(), 2, "{files:?}");
    assert!(files[1].starts_with("stub/stub/b/foreign/"), "{files:?}");
    assert_eq!(api.get("/object/b/a", &service).await.bytes, b"kept");
}
