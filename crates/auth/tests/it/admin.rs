//! `/admin/…` and `/invite`.

use serde_json::{Value, json};

use crate::harness::{Api, confirming, open};
use crate::log::Log;

async fn create(api: &Api, body: Value) -> Value {
    api.post_as(&api.service_role(), "/admin/users", body).await.ok()
}

#[actix_web::test]
async fn only_administrators() {
    let api = Api::start(open()).await;
    let session = api.sign_up("jane@example.com").await;
    let user = session["access_token"].as_str().unwrap();
    let anon = api.token(json!({ "role": "anon" }));
    // A user cannot become one by what their metadata says.
    let claims = json!({ "sub": session["user"]["id"], "role": "authenticated", "app_metadata": { "role": "service_role" } });
    let boasting = api.token(claims);
    for path in ["/admin/users", "/admin/users/x", "/admin/audit", "/admin/users/x/factors"] {
        for token in [user, &anon, &boasting] {
            api.get(path, token).await.refused(403, "not_admin", "User not allowed");
        }
        api.get(path, "").await.refused(
            401,
            "no_authorization",
            "This endpoint requires a valid Bearer token",
        );
    }
    for path in ["/admin/users", "/admin/generate_link", "/invite"] {
        api.post_as(user, path, json!({})).await.refused(403, "not_admin", "User not allowed");
    }
    assert_eq!(
        api.get("/admin/users", &api.token(json!({ "role": "supabase_admin", "sub": "1234567890" })))
            .await
            .status,
        200
    );
}

/// An administrator with a session loses the right with it.
#[actix_web::test]
async fn an_administrator_s_session_counts() {
    let api = Api::start(open()).await;
    let session = api.sign_up("jane@example.com").await;
    let claims = json!({
        "sub": session["user"]["id"], "role": "service_role",
        "session_id": api.claims(&session["access_token"])["session_id"],
    });
    let token = api.token(claims);
    assert_eq!(api.get("/admin/users", &token).await.status, 200);
    api.sql("update auth.sessions set not_after = '2020-01-01'").await;
    api.get("/admin/users", &token).await.refused(403, "session_expired", "Session is no longer valid");
    api.sql("delete from auth.sessions").await;
    assert_eq!(api.get("/admin/users", &token).await.error(), (403, "session_not_found"));
}

#[actix_web::test]
async fn accounts_are_made_as_told() {
    let api = Api::start(open()).await;
    let user = create(
        &api,
        json!({
            "email": "Jane@example.com", "password": "pw", "phone": "+15551234567", "role": "editor",
            "user_metadata": { "name": "Jane" }, "app_metadata": { "tenant": 7 }, "ban_duration": "24h",
        }),
    )
    .await;
    assert!(user.get("email_confirmed_at").is_none(), "unconfirmed although sign-ups are not");
    assert_eq!((&user["email"], &user["role"]), (&json!("jane@example.com"), &json!("editor")));
    assert_eq!(
        user["app_metadata"],
        json!({ "provider": "email", "providers": ["email", "phone"], "tenant": 7 })
    );
    assert_eq!(user["user_metadata"], json!({ "name": "Jane" }));
    assert_eq!(user["banned_until"], "2027-01-16T08:00:00.123456Z");
    assert_eq!(user["identities"].as_array().map(Vec::len), Some(2));
    let id = "22222222-2222-4222-8222-222222222222";
    let confirmed = create(
        &api,
        json!({ "id": id, "email": "john@example.com", "password": "password", "email_confirm": true }),
    )
    .await;
    assert_eq!(confirmed["id"], id);
    assert_eq!(confirmed["user_metadata"], json!({ "email_verified": true }));
    assert_eq!(api.sign_in("john@example.com", "password").await.status, 200);
    let hashed = json!({
        "email": "hash@example.com", "email_confirm": true,
        "password_hash": "$argon2id$v=19$m=19456,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$rk2Mi3E4dgRMg0fHaYaptWVZRKqs//6b6k3/nntqGJk",
    });
    create(&api, hashed).await;
    assert_eq!(api.sign_in("hash@example.com", "correct horse").await.status, 200);
}

#[actix_web::test]
async fn accounts_that_cannot_be_made() {
    let api = Api::start(open()).await;
    create(&api, json!({ "email": "jane@example.com", "phone": "15551234567" })).await;
    let check = async |body: Value, status, code: &str, message: &str| {
        api.post_as(&api.service_role(), "/admin/users", body).await.refused(status, code, message);
    };
    let invalid = "validation_failed";
    check(json!({}), 400, invalid, "Cannot create a user without either an email or phone").await;
    check(json!({ "email": "x" }), 400, invalid, "Unable to validate email address: invalid format").await;
    check(
        json!({ "email": "jane@example.com" }),
        422,
        "email_exists",
        "A user with this email address has already been registered",
    )
    .await;
    check(
        json!({ "phone": "15551234567" }),
        422,
        "phone_exists",
        "Phone number already registered by another user",
    )
    .await;
    let both = json!({ "email": "a@b.c", "password": "x", "password_hash": "y" });
    check(both, 400, invalid, "Only a password or a password hash should be provided").await;
    check(json!({ "email": "a@b.c", "id": "x" }), 400, invalid, "ID must conform to the uuid v4 format")
        .await;
    let nil = json!({ "email": "a@b.c", "id": "00000000-0000-0000-0000-000000000000" });
    check(nil, 400, invalid, "ID cannot be a nil uuid").await;
    let ban = "invalid format for ban duration: time: invalid duration \"soon\"";
    check(json!({ "email": "a@b.c", "ban_duration": "soon" }), 400, invalid, ban).await;
    let hash = json!({ "email": "a@b.c", "password_hash": "plain" });
    check(hash, 400, invalid, "The password hash has none of the supported forms").await;
}

#[actix_web::test]
async fn accounts_are_read_changed_and_deleted() {
    let api = Api::start(open()).await;
    let session = api.sign_up("jane@example.com").await;
    api.sign_up("john@example.com").await;
    let admin = api.service_role();
    let path = format!("/admin/users/{}", session["user"]["id"].as_str().unwrap());
    let put = async |body| api.put_as(&admin, &path, body).await;
    assert_eq!(api.get(&path, &admin).await.ok(), session["user"]);
    let body = json!({ "email": "new@example.com", "role": "editor", "app_metadata": { "a": 1 }, "user_metadata": { "b": 2 } });
    let user = put(body).await.ok();
    assert_eq!((&user["email"], &user["role"]), (&json!("new@example.com"), &json!("editor")));
    assert_eq!(user["identities"][0]["identity_data"]["email"], "new@example.com");
    assert_eq!((&user["app_metadata"]["a"], &user["user_metadata"]["b"]), (&json!(1), &json!(2)));
    let taken = put(json!({ "email": "john@example.com" })).await;
    taken.refused(422, "email_exists", "A user with this email address has already been registered");
    put(json!({ "password": "short" })).await.refused(
        422,
        "weak_password",
        "Password should be at least 6 characters.",
    );
    put(json!({ "password": "otherword" })).await.ok();
    let token = session["access_token"].as_str().unwrap();
    assert_eq!(api.get("/user", token).await.error(), (403, "session_not_found"));
    assert_eq!(api.sign_in("new@example.com", "otherword").await.status, 200);
    put(json!({ "ban_duration": "1h" })).await.ok();
    assert_eq!(api.sign_in("new@example.com", "otherword").await.error(), (400, "user_banned"));
    put(json!({ "ban_duration": "none" })).await.ok();
    assert_eq!(api.sign_in("new@example.com", "otherword").await.status, 200);
    assert_eq!(api.delete_as(&admin, &path).await.ok(), json!({}));
    api.get(&path, &admin).await.refused(404, "user_not_found", "User not found");
    for table in ["identities", "sessions", "one_time_tokens"] {
        let sql = format!(
            "select count(*) from auth.{table} where user_id = '{}'",
            session["user"]["id"].as_str().unwrap()
        );
        assert_eq!(api.value(&sql).await.as_deref(), Some("0"), "{table}");
    }
    api.get("/admin/users/x", &admin).await.refused(404, "validation_failed", "user_id must be an UUID");
}

/// An application's own tables may forbid it, at once or at the end of the transaction.
#[actix_web::test]
async fn a_deletion_that_fails_says_why_and_was_none() {
    for when in ["", "deferrable initially deferred"] {
        let api = Api::start(open()).await;
        let session = api.sign_up("jane@example.com").await;
        api.sql(&format!(
            "create table public.notes (author uuid constraint notes_author references auth.users {when});
             insert into public.notes select id from auth.users"
        ))
        .await;
        let path = format!("/admin/users/{}", session["user"]["id"].as_str().unwrap());
        let log = Log::begin();
        let answer = api.delete_as(&api.service_role(), &path).await;
        answer.refused(500, "unexpected_failure", "Database error deleting user");
        let errors = log.lines("ERROR");
        assert!(errors.len() == 1 && errors[0].contains("notes_author"), "{errors:?}");
        assert_eq!(log.lines("user_deleted"), Vec::<String>::new());
        api.sql("delete from public.notes").await;
        assert_eq!(api.delete_as(&api.service_role(), &path).await.status, 200);
        assert_eq!(log.lines("user_deleted").len(), 1);
    }
}

#[actix_web::test]
async fn a_soft_deletion_keeps_the_id_and_nothing_else() {
    let api = Api::start(open()).await;
    let session = api.sign_up("jane@example.com").await;
    let id = session["user"]["id"].as_str().unwrap();
    let admin = api.service_role();
    let request =
        crate::harness::request(actix_web::http::Method::DELETE, &format!("/admin/users/{id}"), &admin);
    api.send(request.set_json(json!({ "should_soft_delete": true }))).await.ok();
    let user = api.get(&format!("/admin/users/{id}"), &admin).await;
    assert!(!user.text.contains("jane"), "{}", user.text);
    assert!(user.body["deleted_at"].is_string());
    assert_eq!((&user.body["user_metadata"], &user.body["app_metadata"]), (&json!({}), &json!({})));
    assert_eq!(api.sign_in("jane@example.com", "password").await.status, 400);
    api.sign_up("jane@example.com").await;
}

#[actix_web::test]
async fn lists_come_in_pages() {
    let api = Api::start(open()).await;
    for n in 0..5 {
        create(&api, json!({ "email": format!("user{n}@example.com"), "user_metadata": { "full_name": format!("Name {n}%") } })).await;
        api.advance(1);
    }
    let admin = api.service_role();
    let emails = |body: &Value| -> Vec<String> {
        let users = body["users"].as_array().unwrap();
        users.iter().map(|user| user["email"].as_str().unwrap().replace("@example.com", "")).collect()
    };
    let first = api.get("/admin/users?page=1&per_page=2", &admin).await;
    assert_eq!(emails(&first.body), ["user4", "user3"]);
    assert_eq!(first.body["aud"], "authenticated");
    assert_eq!(first.header("x-total-count"), "5");
    assert_eq!(
        first.header("link"),
        "</auth/v1/admin/users?page=2&per_page=2>; rel=\"next\", </auth/v1/admin/users?page=3&per_page=2>; rel=\"last\""
    );
    let last = api.get("/admin/users?page=3&per_page=2", &admin).await;
    assert_eq!(emails(&last.body), ["user0"]);
    assert_eq!(last.header("link"), "</auth/v1/admin/users?page=3&per_page=2>; rel=\"last\"");
    assert_eq!(emails(&api.get("/admin/users?sort=created_at%20asc", &admin).await.body).len(), 5);
    let filtered =
        async |filter: &str| emails(&api.get(&format!("/admin/users?filter={filter}"), &admin).await.ok());
    assert_eq!(filtered("user3").await, ["user3"]);
    assert_eq!(filtered("name%202%25").await, ["user2"]);
    assert_eq!(filtered("_ser").await, Vec::<String>::new(), "wildcards count as characters");
    let exactly = async |sought: &str| {
        let answer = api.get(&format!("/admin/users?{sought}"), &admin).await;
        let total = answer.header("x-total-count").to_owned();
        (emails(&answer.ok()), total)
    };
    assert_eq!(exactly("email=USER3@example.com").await, (vec!["user3".to_owned()], "1".to_owned()));
    for other in
        ["email=ser3@example.com", "email=user%25@example.com", "email=user3@example.com&filter=user2"]
    {
        assert_eq!(exactly(other).await, (Vec::new(), "0".to_owned()), "{other}");
    }
    api.sql("update auth.users set phone = '15551230003' where email like 'user3%'").await;
    assert_eq!(exactly("phone=%2B15551230003").await.0, ["user3"]);
    assert_eq!(exactly("phone=1555123000").await.0, Vec::<String>::new());
    let bad = api.get("/admin/users?page=-1", &admin).await;
    assert_eq!(bad.error(), (400, "validation_failed"));
    assert!(bad.body["msg"].as_str().unwrap().starts_with("Bad Pagination Parameters"));
    let sort = api.get("/admin/users?sort=email", &admin).await;
    sort.refused(400, "validation_failed", "Bad Sort Parameters: bad field for sort 'email'");
    assert_eq!(api.get("/admin/users?page=0&per_page=0", &admin).await.status, 200);
}

#[actix_web::test]
async fn invitations() {
    let mut config = confirming();
    config.enable_signup = false;
    let api = Api::start(config).await;
    let admin = api.service_role();
    let body = json!({ "email": "jane@example.com", "data": { "team": "a" } });
    let user = api.post_as(&admin, "/invite", body.clone()).await.ok();
    assert!(user["invited_at"].is_string() && user.get("email_confirmed_at").is_none());
    let hash = api.value("select token_hash from auth.one_time_tokens").await.unwrap();
    let session = api.post("/verify", json!({ "type": "invite", "token_hash": hash })).await.ok();
    assert!(session["user"]["email_confirmed_at"].is_string());
    assert_eq!(session["user"]["user_metadata"]["team"], "a");
    let again = api.post_as(&admin, "/invite", body).await;
    again.refused(422, "email_exists", "A user with this email address has already been registered");
}

#[actix_web::test]
async fn links_are_made_and_work() {
    let api = Api::start(confirming()).await;
    let admin = api.service_role();
    let link = async |body: Value| api.post_as(&admin, "/admin/generate_link", body).await;
    let made = link(json!({ "type": "signup", "email": "jane@example.com", "password": "password", "redirect_to": "https://app.test/x" }))
        .await
        .ok();
    assert_eq!(
        (&made["verification_type"], &made["redirect_to"]),
        (&json!("signup"), &json!("https://app.test/x"))
    );
    assert_eq!(
        made["action_link"],
        format!(
            "http://localhost:8000/auth/v1/verify?token={}&type=signup&redirect_to=https://app.test/x",
            made["hashed_token"].as_str().unwrap()
        )
    );
    let code = json!({ "type": "signup", "email": "jane@example.com", "token": made["email_otp"] });
    api.post("/verify", code).await.ok();
    for kind in ["recovery", "magiclink"] {
        let made = link(json!({ "type": kind, "email": "jane@example.com" })).await.ok();
        let body = json!({ "type": kind, "token_hash": made["hashed_token"] });
        api.post("/verify", body).await.ok();
    }
    let new = json!({ "email": "jane@example.com", "new_email": "new@example.com" });
    let with = |kind: &str| {
        let mut body = new.clone();
        body["type"] = json!(kind);
        body
    };
    let current = link(with("email_change_current")).await.ok();
    let changed = link(with("email_change_new")).await.ok();
    for made in [current, changed] {
        let body = json!({ "type": "email_change", "token_hash": made["hashed_token"] });
        api.post("/verify", body).await.ok();
    }
    assert_eq!(api.value("select email from auth.users").await.as_deref(), Some("new@example.com"));
    let unknown = link(json!({ "type": "magiclink", "email": "other@example.com" })).await.ok();
    assert_eq!(unknown["verification_type"], "signup");
    let none = link(json!({ "type": "recovery", "email": "nobody@example.com" })).await;
    none.refused(404, "user_not_found", "User with this email not found");
    let taken = link(json!({ "type": "signup", "email": "new@example.com", "password": "password" })).await;
    taken.refused(422, "email_exists", "A user with this email address has already been registered");
}

#[actix_web::test]
async fn factors_are_listed_renamed_and_removed() {
    let api = Api::start(open()).await;
    let session = api.sign_up("jane@example.com").await;
    let id = "33333333-3333-4333-8333-333333333333";
    api.sql(&format!(
        "insert into auth.mfa_factors (id, user_id, factor_type, status, secret, created_at, updated_at)
         select '{id}', id, 'totp', 'verified', 'TOPSECRET', now(), now() from auth.users;
         update auth.sessions set aal = 'aal2', factor_id = '{id}'"
    ))
    .await;
    let admin = api.service_role();
    let path = format!("/admin/users/{}/factors", session["user"]["id"].as_str().unwrap());
    let list = api.get(&path, &admin).await;
    assert_eq!(list.body[0]["id"], id);
    assert!(!list.text.contains("TOPSECRET"));
    let renamed = api.put_as(&admin, &format!("{path}/{id}"), json!({ "friendly_name": "work" })).await.ok();
    assert_eq!(renamed["friendly_name"], "work");
    assert_eq!(api.delete_as(&admin, &format!("{path}/{id}")).await.ok()["id"], id);
    assert_eq!(api.get(&path, &admin).await.ok(), json!([]));
    assert_eq!(api.value("select aal, factor_id from auth.sessions").await.as_deref(), Some("aal1,"));
    let gone = api.delete_as(&admin, &format!("{path}/{id}")).await;
    gone.refused(404, "mfa_factor_not_found", "Factor not found");
    let odd = api.delete_as(&admin, &format!("{path}/x")).await;
    odd.refused(404, "validation_failed", "factor_id must be an UUID");
}

#[actix_web::test]
async fn the_audit_log_is_read_in_pages() {
    let api = Api::start(open()).await;
    api.sign_up("jane@example.com").await;
    create(&api, json!({ "email": "john@example.com" })).await;
    let admin = api.service_role();
    let all = api.get("/admin/audit", &admin).await;
    assert_eq!((all.header("x-total-count"), all.body.as_array().map(Vec::len)), ("3", Some(3)));
    let logins = api.get("/admin/audit?query=action:login", &admin).await.ok();
    assert_eq!(logins[0]["payload"]["actor_username"], "jane@example.com");
    let by_admin = api.get("/admin/audit?query=author:service_role", &admin).await.ok();
    assert_eq!(by_admin[0]["payload"]["actor_id"], "00000000-0000-0000-0000-000000000000");
    let bad = api.get("/admin/audit?query=x:y", &admin).await;
    bad.refused(400, "validation_failed", "Invalid query scope: x:y");
}
