//! Sessions one by one: listed, ended, limited, and told of when they begin somewhere new.

use actix_web::http::Method;
use actix_web::test::TestRequest;
use auth::Config;
use kernel::units::Span;
use serde_json::{Value, json};

use crate::harness::{Answer, Api, open, request};

const NOT_FOUND: (u16, &str, &str) = (404, "validation_failed", "Session not found");

fn token(session: &Value) -> &str {
    session["access_token"].as_str().unwrap()
}

fn from(request: TestRequest, agent: &str, client: &str) -> TestRequest {
    request.insert_header(("user-agent", agent)).insert_header(("x-test-client", client))
}

async fn sign_in_from(api: &Api, agent: &str, client: &str) -> Value {
    let body = json!({ "email": "jane@example.com", "password": "password" });
    let request = request(Method::POST, "/token?grant_type=password", "").set_json(body);
    api.send(from(request, agent, client)).await.ok()
}

fn ids(list: &Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(|session| session["id"].as_str().unwrap().to_owned()).collect()
}

#[actix_web::test]
async fn users_see_their_sessions_and_end_one() {
    let api = Api::start(open()).await;
    let first = api.sign_up("jane@example.com").await;
    let other = api.sign_up("john@example.com").await;
    api.advance(10);
    let second = sign_in_from(&api, "Firefox", "2001:db8::7").await;
    let list = api.get("/user/sessions", token(&first)).await.ok();
    let (a, b) = (api.claims(&first["access_token"]), api.claims(&second["access_token"]));
    assert_eq!(
        list,
        json!([
            {
                "id": b["session_id"], "created_at": "2027-01-15T08:00:10.123456Z",
                "last_used_at": "2027-01-15T08:00:10.123456Z", "not_after": null, "user_agent": "Firefox",
                "ip": "2001:db8::7", "aal": "aal1", "amr": ["password"], "tag": null, "oauth_client_id": null,
                "current": false,
            },
            {
                "id": a["session_id"], "created_at": "2027-01-15T08:00:00.123456Z",
                "last_used_at": "2027-01-15T08:00:00.123456Z", "not_after": null, "user_agent": null,
                "ip": "192.0.2.1", "aal": "aal1", "amr": ["password"], "tag": null, "oauth_client_id": null,
                "current": true,
            },
        ])
    );
    let path = format!("/user/sessions/{}", b["session_id"].as_str().unwrap());
    let refused = |answer: Answer| answer.refused(NOT_FOUND.0, NOT_FOUND.1, NOT_FOUND.2);
    refused(api.delete_as(token(&other), &path).await);
    assert_eq!(api.refresh(&second["refresh_token"]).await.status, 200, "not for others to end");
    assert_eq!(api.delete_as(token(&first), &path).await.status, 204);
    refused(api.delete_as(token(&first), &path).await);
    let gone = "Invalid Refresh Token: Refresh Token Not Found";
    api.refresh(&second["refresh_token"]).await.refused(400, "refresh_token_not_found", gone);
    assert_eq!(api.get("/user", token(&second)).await.error(), (403, "session_not_found"));
    assert_eq!(
        ids(&api.get("/user/sessions", token(&first)).await.ok()),
        [a["session_id"].as_str().unwrap()]
    );
    let log = "select payload ->> 'action', payload -> 'traits' ->> 'session_id' from auth.audit_log_entries
                where payload ->> 'action' = 'logout'";
    let expected = format!("logout,{}", b["session_id"].as_str().unwrap());
    assert_eq!(api.value(log).await, Some(expected));
}

#[actix_web::test]
async fn administrators_see_and_end_anybodys_sessions() {
    let api = Api::start(open()).await;
    let first = api.sign_up("jane@example.com").await;
    let second = sign_in_from(&api, "Firefox", "192.0.2.7").await;
    let other = api.sign_up("john@example.com").await;
    let admin = api.service_role();
    let user = |session: &Value| format!("/admin/users/{}/sessions", session["user"]["id"].as_str().unwrap());
    let list = api.get(&user(&first), &admin).await.ok();
    assert_eq!(list.as_array().unwrap().len(), 2);
    assert!(list.as_array().unwrap().iter().all(|session| session["current"] == false));
    let id = api.claims(&second["access_token"])["session_id"].as_str().unwrap().to_owned();
    // Under another account's path it is not found.
    let wrong = api.delete_as(&admin, &format!("{}/{id}", user(&other))).await;
    wrong.refused(NOT_FOUND.0, NOT_FOUND.1, NOT_FOUND.2);
    assert_eq!(api.delete_as(&admin, &format!("{}/{id}", user(&first))).await.status, 204);
    assert_eq!(api.refresh(&first["refresh_token"]).await.status, 200);
    assert_eq!(api.delete_as(&admin, &user(&first)).await.status, 204);
    assert_eq!(api.refresh(&first["refresh_token"]).await.error(), (400, "refresh_token_not_found"));
    assert_eq!(api.refresh(&other["refresh_token"]).await.status, 200);
    let nobody = "/admin/users/11111111-1111-4111-8111-111111111111/sessions";
    api.get(nobody, &admin).await.refused(404, "user_not_found", "User not found");
    let log = "select string_agg(payload -> 'traits' ->> 'user_id', ' ') from auth.audit_log_entries
                where payload ->> 'action' = 'logout' and payload ->> 'actor_id' = '00000000-0000-0000-0000-000000000000'";
    let jane = first["user"]["id"].as_str().unwrap();
    assert_eq!(api.value(log).await, Some(format!("{jane} {jane}")));
}

#[actix_web::test]
async fn nobody_else_comes_near() {
    let api = Api::start(open()).await;
    let session = api.sign_up("jane@example.com").await;
    let user = token(&session);
    let admin_path = format!("/admin/users/{}/sessions", session["user"]["id"].as_str().unwrap());
    let none = "This endpoint requires a valid Bearer token";
    api.get("/user/sessions", "").await.refused(401, "no_authorization", none);
    api.delete_as("", "/user/sessions/x").await.refused(401, "no_authorization", none);
    for answer in [api.get(&admin_path, user).await, api.delete_as(user, &admin_path).await] {
        answer.refused(403, "not_admin", "User not allowed");
    }
    let missing = "invalid claim: missing sub claim";
    api.get("/user/sessions", &api.service_role()).await.refused(403, "bad_jwt", missing);
    let not_an_id = api.delete_as(user, "/user/sessions/x").await;
    not_an_id.refused(404, "validation_failed", "session_id must be an UUID");
}

/// What cannot be refreshed any more is not shown; and the nearer of two ends is.
#[actix_web::test]
async fn ended_sessions_are_not_listed() {
    let mut config = open();
    config.sessions.timebox = Some(Span::secs(100));
    config.sessions.inactivity_timeout = Some(Span::secs(50));
    let api = Api::start(config).await;
    let first = api.sign_up("jane@example.com").await;
    api.advance(40);
    let second = api.sign_in("jane@example.com", "password").await.ok();
    let list = api.get("/user/sessions", token(&first)).await.ok();
    assert_eq!(list[0]["not_after"], "2027-01-15T08:02:20.123456Z");
    let end = "update auth.sessions set not_after = '2027-01-15 08:01:00Z'";
    api.sql(&format!("{end} where created_at > '2027-01-15 08:00:30Z'")).await;
    let list = api.get("/user/sessions", token(&second)).await.ok();
    assert_eq!(list[0]["not_after"], "2027-01-15T08:01:00Z");
    api.advance(11);
    let list = api.get("/user/sessions", token(&second)).await.ok();
    assert_eq!(ids(&list), [api.claims(&second["access_token"])["session_id"].as_str().unwrap()]);
    api.advance(10);
    assert_eq!(api.get("/user/sessions", token(&second)).await.ok(), json!([]));
    assert_eq!(api.refresh(&second["refresh_token"]).await.error(), (400, "session_expired"));
}

#[actix_web::test]
async fn limits_end_a_session_after_their_time_and_not_before() {
    let check = async |config: Config, seconds: u64, refreshed: bool, message: &str| {
        let api = Api::start(config).await;
        let mut session = api.sign_up("jane@example.com").await;
        api.advance(seconds);
        if refreshed {
            session = api.refresh(&session["refresh_token"]).await.ok();
            api.advance(seconds);
        }
        let again = api.refresh(&session["refresh_token"]).await.ok();
        api.advance(if refreshed { 1 } else { seconds + 1 });
        api.refresh(&again["refresh_token"]).await.refused(400, "session_expired", message);
    };
    let mut config = open();
    config.sessions.inactivity_timeout = Some(Span::secs(60));
    check(config, 60, false, "Invalid Refresh Token: Session Expired (Inactivity)").await;
    let mut config = open();
    config.sessions.timebox = Some(Span::secs(120));
    check(config, 60, true, "Invalid Refresh Token: Session Expired").await;
}

/// A user with a second factor may put it off for a while; who has none, for ever.
#[actix_web::test]
async fn low_assurance_is_for_a_while() {
    let mut config = open();
    config.sessions.allow_low_aal = Some(Span::secs(60));
    let api = Api::start(config).await;
    let without = api.sign_up("john@example.com").await;
    let session = api.sign_up("jane@example.com").await;
    let raised = api.sign_in("jane@example.com", "password").await.ok();
    api.sql(
        "insert into auth.mfa_factors (id, user_id, friendly_name, secret, factor_type, status, created_at, updated_at)
         select gen_random_uuid(), id, '', '', 'totp', 'verified', now(), now() from auth.users
          where email = 'jane@example.com'",
    )
    .await;
    let id = api.claims(&raised["access_token"])["session_id"].as_str().unwrap().to_owned();
    api.sql(&format!("update auth.sessions set aal = 'aal2' where id = '{id}'")).await;
    api.advance(60);
    let session = api.refresh(&session["refresh_token"]).await.ok();
    api.advance(1);
    let message = "Invalid Refresh Token: Session Expired (Low AAL: User Needs MFA Verification)";
    api.refresh(&session["refresh_token"]).await.refused(400, "session_expired", message);
    assert_eq!(api.refresh(&raised["refresh_token"]).await.status, 200);
    assert_eq!(api.refresh(&without["refresh_token"]).await.status, 200);
}

/// One session of each kind may live; those of no kind, and of one that is not listed, are of the first.
#[actix_web::test]
async fn kinds_of_sessions_do_not_supersede_each_other() {
    let mut config = open();
    config.sessions.single_per_user = true;
    config.sessions.tags = vec!["web".to_owned(), "app".to_owned()];
    for (older, newer, lives) in [
        (Some("web"), Some("app"), true),
        (None, Some("app"), true),
        (Some("app"), None, true),
        (Some("fridge"), Some("app"), true),
        (Some("web"), Some("web"), false),
        (None, Some("web"), false),
        (Some("web"), None, false),
        (Some("fridge"), None, false),
        (Some("app"), Some("app"), false),
    ] {
        let api = Api::start(config.clone()).await;
        let first = api.sign_up("jane@example.com").await;
        api.advance(1);
        let second = api.sign_in("jane@example.com", "password").await.ok();
        for (session, tag) in [(&first, older), (&second, newer)] {
            let id = api.claims(&session["access_token"])["session_id"].as_str().unwrap().to_owned();
            let tag = tag.map_or("null".to_owned(), |tag| format!("'{tag}'"));
            api.sql(&format!("update auth.sessions set tag = {tag} where id = '{id}'")).await;
        }
        let answer = api.refresh(&first["refresh_token"]).await;
        assert_eq!(answer.status, if lives { 200 } else { 400 }, "{older:?} {newer:?}");
        assert_eq!(api.refresh(&second["refresh_token"]).await.status, 200, "{older:?} {newer:?}");
    }
}

const NOTICES: &str = "select count(*) from auth.basalt_outbox where message::text like '%new_device%'";

#[actix_web::test]
async fn sign_ins_from_somewhere_new_are_told_by_mail() {
    let mut config = open();
    config.email.mailbox = true;
    config.email.notification.new_device.enabled = true;
    let api = Api::start(config).await;
    let notices = async || api.value(NOTICES).await.unwrap();
    api.sign_up("jane@example.com").await;
    assert_eq!(notices().await, "0", "all is new at first");
    for (agent, client, told) in [
        ("Firefox", "192.0.2.1", "1"),
        ("Firefox", "192.0.2.200", "1"),
        ("Firefox", "198.51.100.1", "2"),
        ("<b>Safari</b>", "198.51.100.9", "3"),
        // Browser and network are known, though not together.
        ("<b>Safari</b>", "192.0.2.9", "3"),
        ("Firefox", "2001:db8:1::1", "4"),
        ("Firefox", "2001:db8:1:ffff::1", "4"),
        ("Firefox", "2001:db8:2::1", "5"),
    ] {
        sign_in_from(&api, agent, client).await;
        assert_eq!(notices().await, told, "{agent} {client}");
    }
    let mail = "select message::text from auth.basalt_outbox where message::text like '%Safari%'";
    let mail = api.value(mail).await.unwrap();
    assert!(mail.contains("&lt;b&gt;Safari") && mail.contains("198.51.100.9"), "{mail}");
    // A refresh is no sign-in, and what is wrong is none either.
    let wrong = json!({ "email": "jane@example.com", "password": "wrong" });
    let wrong = request(Method::POST, "/token?grant_type=password", "").set_json(wrong);
    assert_eq!(api.send(from(wrong, "curl", "203.0.113.1")).await.status, 400);
    assert_eq!(notices().await, "5");
}

#[actix_web::test]
async fn nothing_is_kept_of_devices_unless_that_is_wanted() {
    let api = Api::start(open()).await;
    api.sign_up("jane@example.com").await;
    sign_in_from(&api, "Firefox", "198.51.100.1").await;
    assert_eq!(api.value("select count(*) from auth.basalt_devices").await.as_deref(), Some("0"));
}
