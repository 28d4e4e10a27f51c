//! Devices without a browser that ask for access.

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::*;

const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

fn with_devices() -> Config {
    let mut config = serving();
    config.oauth_server.device_grant = true;
    config
}

impl Client {
    async fn tv(api: &Api) -> Self {
        let grants = json!([GRANT, "refresh_token"]);
        let more =
            json!({ "token_endpoint_auth_method": "none", "grant_types": grants, "redirect_uris": [] });
        Self::register(api, more).await
    }

    async fn begin(&self, api: &Api, scope: &str) -> Answer {
        let mut request = request(Method::POST, "/oauth/device_authorization", "");
        let mut form = vec![("scope", scope)];
        match &self.secret {
            Some(secret) => request = with_basic(request, &self.id, secret),
            None => form.push(("client_id", &self.id)),
        }
        api.send(request.set_form(form)).await
    }

    async fn poll(&self, api: &Api, device_code: &Value) -> Answer {
        self.tokens(api, &[("grant_type", GRANT), ("device_code", device_code.as_str().unwrap())]).await
    }
}

fn page(asked: &Value) -> String {
    format!("/oauth/device/{}", asked["user_code"].as_str().unwrap())
}

async fn say(api: &Api, user: &str, asked: &Value, action: &str) -> Answer {
    api.post_as(user, &format!("{}/consent", page(asked)), json!({ "action": action })).await
}

#[actix_web::test]
async fn a_device_is_let_in_from_elsewhere() {
    let api = start(with_devices()).await;
    let jane = person(&api, "jane@example.com").await;
    let user = api.get("/user", &jane).await.ok();
    let tv = Client::tv(&api).await;
    let asked = tv.begin(&api, "openid email").await;
    assert_eq!(asked.header("cache-control"), "no-store");
    let asked = asked.ok();
    let code = asked["user_code"].as_str().unwrap();
    assert!(code.len() == 9 && code.as_bytes()[4] == b'-', "{code}");
    assert_eq!(asked["verification_uri"], "http://127.0.0.1:3000/oauth/device");
    assert_eq!(
        asked["verification_uri_complete"],
        format!("http://127.0.0.1:3000/oauth/device?user_code={code}")
    );
    assert_eq!((&asked["expires_in"], &asked["interval"]), (&json!(600), &json!(5)));
    let device_code = &asked["device_code"];
    denied(&tv.poll(&api, device_code).await, "authorization_pending", "Nobody has answered yet");

    let look = api.get(&page(&asked).to_lowercase(), &jane).await.ok();
    let expected = json!({ "user_code": code, "scope": "openid email", "client": { "id": tv.id, "name": "App" },
        "user": { "id": user["id"], "email": "jane@example.com" }, "expires_at": look["expires_at"] });
    assert_eq!(look, expected);
    assert_eq!(say(&api, &jane, &asked, "approve").await.ok(), json!({ "status": "approved" }));
    api.advance(5);
    let session = tv.poll(&api, device_code).await.ok();
    let claims = api.claims(&session["access_token"]);
    assert_eq!((&claims["client_id"], &claims["scope"]), (&json!(tv.id), &json!("openid email")));
    assert_eq!(
        (&claims["sub"], &claims["amr"][0]["method"]),
        (&user["id"], &json!("oauth_provider/device_code"))
    );
    assert_eq!(api.claims(&session["id_token"])["aud"], json!(tv.id));
    // Once.
    denied(&tv.poll(&api, device_code).await, "invalid_grant", "Invalid device code");
    tv.refresh(&api, &session["refresh_token"]).await.ok();
    let grants = api.get("/user/oauth/grants", &jane).await.ok();
    assert_eq!(grants[0]["client"]["id"], json!(tv.id));
    // What was allowed before is asked again: somebody may have sent them there.
    let again = tv.begin(&api, "email").await.ok();
    api.get(&page(&again), &jane).await.ok();
    denied(&tv.poll(&api, &again["device_code"]).await, "authorization_pending", "Nobody has answered yet");
    let kept = "select count(*) from auth.basalt_device_codes where hash = ".to_owned();
    let plain = format!("{kept}'{}'", again["device_code"].as_str().unwrap());
    assert_eq!(api.value(&plain).await.unwrap(), "0", "kept as a hash");
}

#[actix_web::test]
async fn who_asks_too_often_waits_longer() {
    let api = start(with_devices()).await;
    let jane = person(&api, "jane@example.com").await;
    let tv = Client::tv(&api).await;
    let asked = tv.begin(&api, "").await.ok();
    let poll = async || tv.poll(&api, &asked["device_code"]).await.body["error"].as_str().unwrap().to_owned();
    assert_eq!(poll().await, "authorization_pending");
    api.advance(4);
    assert_eq!(poll().await, "slow_down");
    api.advance(9);
    assert_eq!(poll().await, "slow_down");
    api.advance(15);
    assert_eq!(poll().await, "authorization_pending");
    // Also after the answer: it is not a way around.
    say(&api, &jane, &asked, "approve").await.ok();
    api.advance(1);
    assert_eq!(poll().await, "slow_down");
    api.advance(20);
    tv.poll(&api, &asked["device_code"]).await.ok();
}

/// Many devices of one place ask for long, and none of them is taken for one that guesses.
#[actix_web::test]
async fn waiting_is_not_guessing() {
    let mut config = with_devices();
    config.rate_limit.token_refresh = 20;
    let api = start(config).await;
    let tv = Client::tv(&api).await;
    let asked = tv.begin(&api, "").await.ok();
    for _ in 0..25 {
        tv.poll(&api, &asked["device_code"]).await;
    }
    let answer = tv.poll(&api, &asked["device_code"]).await;
    denied(&answer, "slow_down", "The device asks too often");
    for _ in 0..20 {
        denied(&tv.poll(&api, &json!("guess")).await, "invalid_grant", "Invalid device code");
    }
    assert_eq!(tv.poll(&api, &json!("guess")).await.error(), (429, "over_request_rate_limit"));
}

#[actix_web::test]
async fn denied_expired_and_someone_elses() {
    let api = start(with_devices()).await;
    let jane = person(&api, "jane@example.com").await;
    let tv = Client::tv(&api).await;
    let asked = tv.begin(&api, "").await.ok();
    assert_eq!(say(&api, &jane, &asked, "deny").await.ok(), json!({ "status": "denied" }));
    // An answer stands.
    let gone =
        |answer: Answer| answer.refused(404, "oauth_authorization_not_found", "authorization not found");
    gone(say(&api, &jane, &asked, "approve").await);
    gone(api.get(&page(&asked), &jane).await);
    denied(&tv.poll(&api, &asked["device_code"]).await, "access_denied", "User denied the request");
    denied(&tv.poll(&api, &asked["device_code"]).await, "invalid_grant", "Invalid device code");

    let asked = tv.begin(&api, "").await.ok();
    let other = Client::tv(&api).await;
    denied(&other.poll(&api, &asked["device_code"]).await, "invalid_grant", "Invalid device code");
    say(&api, &jane, &asked, "approve").await.ok();
    denied(&other.poll(&api, &asked["device_code"]).await, "invalid_grant", "Invalid device code");
    let of_person = json!(asked["user_code"]);
    denied(&tv.poll(&api, &of_person).await, "invalid_grant", "Invalid device code");
    api.advance(601);
    denied(&tv.poll(&api, &asked["device_code"]).await, "expired_token", "Device code has expired");
    let asked = tv.begin(&api, "").await.ok();
    api.advance(601);
    gone(say(&api, &jane, &asked, "approve").await);
}

#[actix_web::test]
async fn a_grant_that_is_taken_back_lets_nobody_in() {
    let api = start(with_devices()).await;
    let jane = person(&api, "jane@example.com").await;
    let tv = Client::tv(&api).await;
    let asked = tv.begin(&api, "").await.ok();
    say(&api, &jane, &asked, "approve").await.ok();
    let revoked = api.delete_as(&jane, &format!("/user/oauth/grants?client_id={}", tv.id)).await;
    assert_eq!(revoked.status, 204, "{}", revoked.text);
    denied(&tv.poll(&api, &asked["device_code"]).await, "invalid_grant", "Invalid device code");
    // Nor does one of a banned account, or of an application that is gone.
    let asked = tv.begin(&api, "").await.ok();
    say(&api, &jane, &asked, "approve").await.ok();
    api.sql("update auth.users set banned_until = '2100-01-01'").await;
    denied(&tv.poll(&api, &asked["device_code"]).await, "access_denied", "User is banned");
    api.sql("update auth.users set banned_until = null").await;
    let path = format!("/admin/oauth/clients/{}", tv.id);
    assert_eq!(api.delete_as(&api.service_role(), &path).await.status, 204);
    api.advance(5);
    assert_eq!(tv.poll(&api, &asked["device_code"]).await.error(), (400, "invalid_credentials"));
}

/// Two people who answer at once, and a device that asks many times at once: one answer, one session.
#[actix_web::test]
async fn at_once_it_is_answered_once_and_let_in_once() {
    let api = start(with_devices()).await;
    let (jane, jill) = (person(&api, "jane@example.com").await, person(&api, "jill@example.com").await);
    let tv = Client::tv(&api).await;
    let asked = tv.begin(&api, "").await.ok();
    let answers = join_all([&jane, &jill, &jane, &jill].map(|who| say(&api, who, &asked, "approve"))).await;
    let mut statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 404, 404, 404]);
    let before = "select count(*) from auth.sessions where oauth_client_id is not null";
    assert_eq!(api.value(before).await.unwrap(), "0");
    let answers = join_all((0..8).map(|_| tv.poll(&api, &asked["device_code"]))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        denied(answer, "invalid_grant", "Invalid device code");
    }
    assert_eq!(api.value(before).await.unwrap(), "1");
}

#[actix_web::test]
async fn only_people_answer_and_only_from_our_pages() {
    let api = start(with_devices()).await;
    let jane = person(&api, "jane@example.com").await;
    let tv = Client::tv(&api).await;
    let asked = tv.begin(&api, "").await.ok();
    for token in ["", &api.token(json!({ "role": "anon" }))] {
        assert!(matches!(api.get(&page(&asked), token).await.status, 401 | 403));
        assert!(matches!(say(&api, token, &asked, "approve").await.status, 401 | 403));
    }
    // What an application holds of someone is not enough to let another in.
    let client = Client::public(&api).await;
    let held = token(&client.session(&api, &jane, "email").await);
    assert_eq!(say(&api, &held, &asked, "approve").await.error(), (403, "no_authorization"));
    let elsewhere = request(Method::POST, &format!("{}/consent", page(&asked)), &jane)
        .insert_header(("Origin", "https://evil.test"))
        .set_json(json!({ "action": "approve" }));
    let answer = api.send(elsewhere).await;
    answer.refused(400, "validation_failed", "unauthorized request origin");
    let answer = say(&api, &jane, &asked, "perhaps").await;
    answer.refused(400, "validation_failed", "action must be 'approve' or 'deny'");
    denied(&tv.poll(&api, &asked["device_code"]).await, "authorization_pending", "Nobody has answered yet");
}

/// Whoever types in what is no code has to wait, and a right one among the guesses then does nothing.
#[actix_web::test]
async fn codes_of_people_are_not_guessed() {
    let mut config = with_devices();
    config.rate_limit.token_verifications = 5;
    let api = start(config).await;
    let jane = person(&api, "jane@example.com").await;
    let tv = Client::tv(&api).await;
    let asked = tv.begin(&api, "").await.ok();
    for n in 0..5 {
        let answer = api.get(&format!("/oauth/device/BBBB-BBB{n}"), &jane).await;
        assert_eq!(answer.error(), (404, "oauth_authorization_not_found"));
    }
    let answer = say(&api, &jane, &asked, "approve").await;
    assert_eq!(answer.error(), (429, "over_request_rate_limit"));
    // What cannot be a code is a guess as well.
    let jill = person(&api, "jill@example.com").await;
    for none in ["%00", "BCDF-GHJ%00", "BCDF-GHJ%C3%A9", "%FF", &"B".repeat(500)] {
        let answer = api.get(&format!("/oauth/device/{none}"), &jill).await;
        assert_eq!(answer.error(), (404, "oauth_authorization_not_found"), "{none} {}", answer.text);
    }
    assert_eq!(api.get(&page(&asked), &jill).await.error(), (429, "over_request_rate_limit"));
    denied(&tv.poll(&api, &asked["device_code"]).await, "authorization_pending", "Nobody has answered yet");
}

#[actix_web::test]
async fn only_applications_that_may() {
    let api = start(with_devices()).await;
    let browser = Client::public(&api).await;
    let answer = browser.begin(&api, "").await;
    denied(&answer, "unauthorized_client", "Client is not allowed to use the device grant");
    let answer = browser.poll(&api, &json!("x")).await;
    denied(&answer, "unsupported_grant_type", &format!("Client is not allowed to use grant type: {GRANT}"));
    let tv = Client::tv(&api).await;
    denied(&tv.begin(&api, "admin").await, "invalid_scope", "unsupported scope: admin");
    let nobody = Client { id: NOBODY.to_owned(), secret: None };
    assert_eq!(nobody.begin(&api, "").await.error(), (400, "invalid_credentials"));
    // One with a secret proves who it is.
    let grants = json!({ "grant_types": [GRANT], "redirect_uris": [] });
    let printer = Client::register(&api, grants).await;
    let asked = printer.begin(&api, "").await.ok();
    let impostor = Client { id: printer.id.clone(), secret: Some("wrong".to_owned()) };
    for answer in [impostor.begin(&api, "").await, impostor.poll(&api, &asked["device_code"]).await] {
        assert_eq!(answer.error(), (400, "invalid_credentials"));
    }
    denied(
        &printer.poll(&api, &asked["device_code"]).await,
        "authorization_pending",
        "Nobody has answered yet",
    );
    // Without a device, a browser has to be sent somewhere.
    let body = json!({ "redirect_uris": [], "grant_types": [GRANT, "authorization_code"] });
    let answer = api.post_as(&api.service_role(), "/admin/oauth/clients", body).await;
    assert_eq!(answer.error(), (400, "validation_failed"));
}

#[actix_web::test]
async fn it_is_off_unless_switched_on() {
    let api = start(serving()).await;
    let document = api.get("/.well-known/openid-configuration", "").await.ok();
    assert!(document.get("device_authorization_endpoint").is_none());
    assert_eq!(document["grant_types_supported"], json!(["authorization_code", "refresh_token"]));
    let jane = person(&api, "jane@example.com").await;
    let client = Client::public(&api).await;
    let off = |answer: Answer| answer.refused(404, "feature_disabled", "Device authorization is disabled");
    off(client.begin(&api, "").await);
    off(api.get("/oauth/device/BCDF-GHJK", &jane).await);
    let body = json!({ "redirect_uris": [CALLBACK], "grant_types": [GRANT] });
    let answer = api.post_as(&api.service_role(), "/admin/oauth/clients", body).await;
    assert_eq!(answer.error(), (400, "validation_failed"));

    let api = start(with_devices()).await;
    let document = api.get("/.well-known/openid-configuration", "").await.ok();
    let endpoint = "http://localhost:8000/auth/v1/oauth/device_authorization";
    assert_eq!(document["device_authorization_endpoint"], endpoint);
    assert_eq!(document["grant_types_supported"], json!(["authorization_code", "refresh_token", GRANT]));
}
