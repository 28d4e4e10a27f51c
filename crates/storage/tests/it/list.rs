//! Both listings.

use serde_json::{Value, json};

use crate::harness::{Api, USER};

async fn with_objects(names: &[&str]) -> Api {
    let api = Api::start().await;
    api.bucket("b", json!({})).await;
    // Straight into the table: what is listed are rows, and their moments shall be known.
    let mut sql = String::new();
    for (n, name) in names.iter().enumerate() {
        sql.push_str(&format!(
            "insert into storage.objects (bucket_id, name, version, created_at, updated_at, metadata)
             values ('b', '{name}', '1', '2026-01-01Z'::timestamptz + interval '{n} hours',
                     '2026-02-01Z'::timestamptz - interval '{n} hours', '{{\"size\": {n}}}');"
        ));
    }
    api.sql(&sql).await;
    api
}

const TREE: &[&str] =
    &["b.txt", "Docs/x.txt", "a.txt", "docs/y/1", "docs/y/2", "z/", "docs/a_c", "docs/abc", "doc", "z//deep"];

fn names(list: &Value) -> String {
    let name = |line: &Value| {
        let mark = if line["id"].is_null() { "/" } else { "" };
        format!("{}{mark}", line["name"].as_str().unwrap())
    };
    list.as_array().unwrap().iter().map(name).collect::<Vec<_>>().join(" ")
}

#[actix_web::test]
async fn the_first_listing_is_one_folder() {
    let api = with_objects(TREE).await;
    let service = api.service();
    let list = async |body: Value| names(&api.post("/object/list/b", &service, body).await.ok());
    assert_eq!(list(json!({ "prefix": "" })).await, "a.txt b.txt doc docs/ z/");
    assert_eq!(
        list(json!({ "prefix": "", "sortBy": { "column": "name", "order": "desc" } })).await,
        "z/ docs/ doc b.txt a.txt"
    );
    assert_eq!(list(json!({ "prefix": "docs" })).await, "a_c abc x.txt y/");
    assert_eq!(list(json!({ "prefix": "docs/y" })).await, "1 2");
    assert_eq!(list(json!({ "prefix": "", "search": "DO" })).await, "doc docs/");
    assert_eq!(list(json!({ "prefix": "docs", "search": "a_" })).await, "a_c");
    assert_eq!(list(json!({ "prefix": "docs", "search": "y/" })).await, "y/1 y/2");
    assert_eq!(list(json!({ "prefix": "", "limit": 2, "offset": 1 })).await, "b.txt doc");
    assert_eq!(
        list(
            json!({ "prefix": "", "limit": 2, "offset": 3, "sortBy": { "column": "name", "order": "desc" } })
        )
        .await,
        "b.txt a.txt"
    );
    assert_eq!(list(json!({ "prefix": "none" })).await, "");
    let by = async |column: &str, order: &str| {
        list(json!({ "prefix": "", "sortBy": { "column": column, "order": order } })).await
    };
    assert_eq!(by("created_at", "asc").await, "Docs/ docs/ z/ b.txt a.txt doc");
    assert_eq!(by("created_at", "desc").await, "z/ docs/ Docs/ doc a.txt b.txt");
    assert_eq!(by("updated_at", "asc").await, "Docs/ docs/ z/ doc a.txt b.txt");
    let lines = api.post("/object/list/b", &service, json!({ "prefix": "", "limit": 1 })).await.ok();
    assert_eq!(lines[0]["created_at"], "2026-01-01T02:00:00.000Z");
    assert_eq!(lines[0]["metadata"], json!({ "size": 2 }));
    assert!(lines[0].as_object().unwrap().keys().all(|key| {
        ["name", "id", "updated_at", "created_at", "last_accessed_at", "metadata"].contains(&key.as_str())
    }));
    assert_eq!(api.post("/object/list/none", &service, json!({ "prefix": "" })).await.ok(), json!([]));
    let refused = api.post("/object/list/b", &service, json!({})).await;
    refused.refused("400", "InvalidRequest", "body must have required property 'prefix'");
    let refused =
        api.post("/object/list/b", &service, json!({ "prefix": "", "sortBy": { "column": "owner" } })).await;
    refused.refused("400", "InvalidRequest", "body/sortBy/column must be equal to one of the allowed values");
}

/// All pages of the second listing: what each has, folders first.
async fn pages(api: &Api, token: &str, mut body: Value) -> Vec<String> {
    let mut pages = Vec::new();
    loop {
        let page = api.post("/object/list-v2/b", token, body.clone()).await.ok();
        pages.push(format!("{} | {}", names(&page["folders"]), names(&page["objects"])).trim().to_owned());
        if page["hasNext"] == false {
            assert!(page.get("nextCursor").is_none() && page.get("nextCursorKey").is_none());
            return pages;
        }
        assert!(page["nextCursorKey"].is_string());
        body["cursor"] = page["nextCursor"].clone();
        assert!(pages.len() < 20, "it goes round in circles: {pages:?}");
    }
}

#[actix_web::test]
async fn the_second_listing_goes_page_by_page() {
    let api = with_objects(TREE).await;
    let service = api.service();
    let pages = async |body: Value| pages(&api, &service, body).await;
    assert_eq!(
        pages(json!({})).await,
        ["| Docs/x.txt a.txt b.txt doc docs/a_c docs/abc docs/y/1 docs/y/2 z/ z//deep"]
    );
    assert_eq!(
        pages(json!({ "limit": 4 })).await,
        ["| Docs/x.txt a.txt b.txt doc", "| docs/a_c docs/abc docs/y/1 docs/y/2", "| z/ z//deep"]
    );
    let descending = json!({ "limit": 6, "sortBy": { "column": "name", "order": "desc" } });
    assert_eq!(
        pages(descending).await,
        ["| z//deep z/ docs/y/2 docs/y/1 docs/abc docs/a_c", "| doc b.txt a.txt Docs/x.txt"]
    );
    assert_eq!(pages(json!({ "prefix": "docs/a_" })).await, ["| docs/a_c"]);
    let folders = |limit: u64, order: &str| json!({ "with_delimiter": true, "limit": limit, "sortBy": { "column": "name", "order": order } });
    assert_eq!(pages(folders(100, "asc")).await, ["Docs// docs// z// | a.txt b.txt doc"]);
    assert_eq!(
        pages(folders(1, "asc")).await,
        ["Docs// |", "| a.txt", "| b.txt", "| doc", "docs// |", "z// |"]
    );
    assert_eq!(
        pages(folders(1, "desc")).await,
        ["z// |", "docs// |", "| doc", "| b.txt", "| a.txt", "Docs// |"]
    );
    let below = json!({ "with_delimiter": true, "prefix": "docs/" });
    assert_eq!(pages(below).await, ["docs/y// | docs/a_c docs/abc"]);
    // Empty segments are folders, too.
    let below = json!({ "with_delimiter": true, "prefix": "z/" });
    assert_eq!(pages(below).await, ["z/// | z/"]);
    let page = api
        .post("/object/list-v2/b", &service, json!({ "with_delimiter": true, "prefix": "docs/" }))
        .await
        .ok();
    assert_eq!((&page["folders"][0]["key"], &page["objects"][0]["key"]), (&json!("y"), &json!("a_c")));
}

#[actix_web::test]
async fn the_second_listing_by_moments() {
    let api = with_objects(TREE).await;
    let service = api.service();
    let by = |column: &str, order: &str, folders: bool| json!({ "limit": 3, "with_delimiter": folders, "sortBy": { "column": column, "order": order } });
    assert_eq!(
        pages(&api, &service, by("created_at", "asc", false)).await,
        ["| b.txt Docs/x.txt a.txt", "| docs/y/1 docs/y/2 z/", "| docs/a_c docs/abc doc", "| z//deep"]
    );
    assert_eq!(
        pages(&api, &service, by("updated_at", "asc", false)).await,
        ["| z//deep doc docs/abc", "| docs/a_c z/ docs/y/2", "| docs/y/1 a.txt Docs/x.txt", "| b.txt"]
    );
    assert_eq!(
        pages(&api, &service, by("created_at", "asc", true)).await,
        ["Docs// | b.txt a.txt", "docs// z// | doc"]
    );
    assert_eq!(
        pages(&api, &service, by("created_at", "desc", true)).await,
        ["z// docs// | doc", "Docs// | a.txt b.txt"]
    );
    let bad = api.post("/object/list-v2/b", &service, json!({ "cursor": "nonsense!" })).await;
    bad.refused("400", "InvalidParameter", "Invalid Parameter continuation token");
}

#[actix_web::test]
async fn folders_of_hidden_objects_are_hidden() {
    let api = with_objects(TREE).await;
    let user = api.user(USER);
    assert_eq!(names(&api.post("/object/list/b", &user, json!({ "prefix": "" })).await.ok()), "");
    api.allow(
        "objects",
        &["select"],
        "name like 'docs/y/%' and storage.allow_any_operation(array['object.list', 'object.list_v2'])",
    )
    .await;
    assert_eq!(names(&api.post("/object/list/b", &user, json!({ "prefix": "" })).await.ok()), "docs/");
    assert_eq!(pages(&api, &user, json!({ "with_delimiter": true })).await, ["docs// |"]);
    assert_eq!(pages(&api, &user, json!({})).await, ["| docs/y/1 docs/y/2"]);
}

#[actix_web::test]
async fn many_folders_and_many_files() {
    let api = Api::start().await;
    api.bucket("b", json!({})).await;
    api.sql(
        "insert into storage.objects (bucket_id, name)
         select 'b', 'f' || lpad((n % 300)::text, 3, '0') || '/' || n from generate_series(1, 3000) n
          union all
         select 'b', 'g' || lpad(n::text, 4, '0') from generate_series(1, 2500) n",
    )
    .await;
    let service = api.service();
    let list = api.post("/object/list/b", &service, json!({ "prefix": "", "limit": 5000 })).await.ok();
    assert_eq!(list.as_array().unwrap().len(), 1500);
    let rest = api
        .post("/object/list/b", &service, json!({ "prefix": "", "limit": 1500, "offset": 1500 }))
        .await
        .ok();
    assert_eq!(rest.as_array().unwrap().len(), 1300);
    assert_eq!(rest[1299]["name"], "g2500");
    let descending =
        json!({ "prefix": "", "limit": 2, "offset": 2499, "sortBy": { "column": "name", "order": "desc" } });
    let list = api.post("/object/list/b", &service, descending).await.ok();
    assert_eq!(names(&list), "g0001 f299/");
    let mut count = 0;
    let mut body = json!({ "with_delimiter": true, "limit": 999 });
    loop {
        let page = api.post("/object/list-v2/b", &service, body.clone()).await.ok();
        count += page["folders"].as_array().unwrap().len() + page["objects"].as_array().unwrap().len();
        if page["hasNext"] == false {
            break;
        }
        body["cursor"] = page["nextCursor"].clone();
    }
    assert_eq!(count, 2800);
}
