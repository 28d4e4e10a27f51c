//! Settings that change what is accepted and what is said.

use actix_web::http::Method;
use auth::ExternalProvider;
use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use kernel::Secret;
use serde_json::{Value, json};

use crate::harness::{Api, confirming, open, request};
use crate::provider::Provider;

fn sha1(text: &str) -> String {
    hex::encode_upper(digest(&SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes()))
}

#[actix_web::test]
async fn passwords_that_have_leaked_are_refused() {
    let service = Provider::start().await;
    let hash = sha1("letmein");
    let path = format!("/range/{}", &hash[..5]);
    service.answers(&path, json!(format!("00D4F6E8FA6EECAD2A3AA415EEC418D38EC:0\r\n{}:12\r\n", &hash[5..])));
    let mut config = open();
    config.minimum_password_length = 8;
    config.password_hibp.enabled = true;
    config.password_hibp.url = service.url.clone();
    let api = Api::start(config.clone()).await;
    let answer = api.post("/signup", json!({ "email": "jane@example.com", "password": "letmein" })).await;
    let text = "Password should be at least 8 characters. \
                Password is known to be weak and easy to guess, please choose a different one.";
    answer.refused(422, "weak_password", text);
    assert_eq!(answer.body["weak_password"]["reasons"], json!(["length", "pwned"]));
    assert_eq!(service.seen(&path).len(), 1);

    // What the service does not know passes; whether it passes while the service is silent is a setting.
    let good = json!({ "email": "jane@example.com", "password": "a-password-of-mine" });
    let hash = sha1("a-password-of-mine");
    service.answers(&format!("/range/{}", &hash[..5]), json!("0018A45C4D1DEF81644B54AB7F969B88D65:1"));
    let session = api.post("/signup", good).await.ok();
    let token = session["access_token"].as_str().unwrap();
    config.password_hibp.fail_closed = true;
    assert_eq!(api.auth.reload(config), auth::Reload::Applied);
    let other = json!({ "password": "another-of-mine" });
    let text = "Unable to perform password strength check with HaveIBeenPwned.org.";
    api.put_as(token, "/user", other.clone()).await.refused(500, "unexpected_failure", text);
    assert_eq!(api.auth.reload(open()), auth::Reload::Applied);
    api.put_as(token, "/user", other).await.ok();
}

#[actix_web::test]
async fn links_name_the_host_that_the_request_came_by_if_it_is_known() {
    let mut config = confirming();
    config.email.external_hosts = vec!["api.shop.test".to_owned(), "localhost".to_owned()];
    let api = Api::start(config).await;
    let admin = api.service_role();
    let link = async |host: &str, proto: &str| {
        let body = json!({ "type": "invite", "email": "jane@example.com" });
        let request = request(Method::POST, "/admin/generate_link", &admin)
            .insert_header(("X-Forwarded-Host", host))
            .insert_header(("X-Forwarded-Proto", proto))
            .set_json(body);
        let link = api.send(request).await.ok()["action_link"].as_str().unwrap().to_owned();
        link.split_once("/verify").unwrap().0.to_owned()
    };
    assert_eq!(link("api.shop.test", "http").await, "https://api.shop.test/auth/v1");
    assert_eq!(link("localhost", "http").await, "http://localhost/auth/v1");
    for host in ["evil.test", "api.shop.test.evil.test", "api.shop.test, evil.test", ""] {
        assert_eq!(link(host, "https").await, "http://localhost:8000/auth/v1", "{host}");
    }
}

async fn github(mut config: auth::Config, emails: &[(&str, bool)]) -> (Api, Provider) {
    let provider = Provider::start().await;
    provider.is_github(1, emails);
    let settings = ExternalProvider {
        enabled: true,
        client_id: "our-client".to_owned(),
        secret: Secret::new("our-secret"),
        url: provider.url.clone(),
        ..ExternalProvider::default()
    };
    config.external.insert("github".to_owned(), settings);
    (Api::start(config).await, provider)
}

/// There and back; the access token.
async fn sign_in(api: &Api) -> Option<String> {
    let there = api.get("/authorize?provider=github", "").await;
    let url = url::Url::parse(there.header("location")).unwrap();
    let state = url.query_pairs().find(|(key, _)| key == "state").unwrap().1.into_owned();
    let here = api.get(&format!("/callback?code=abcdef&state={state}"), "").await;
    let fragment = here.header("location").split_once('#').unwrap_or_default().1.to_owned();
    url::form_urlencoded::parse(fragment.as_bytes())
        .find(|(key, _)| key == "access_token")
        .map(|(_, token)| token.into_owned())
}

#[actix_web::test]
async fn a_first_password_may_bring_an_identity() {
    for (enabled, expected) in [(false, json!(["github"])), (true, json!(["email", "github"]))] {
        let mut config = confirming();
        config.create_email_identity_on_password_set = enabled;
        let (api, _) = github(config, &[("jane@example.com", true)]).await;
        let token = sign_in(&api).await.unwrap();
        let user = api.put_as(&token, "/user", json!({ "password": "a-password" })).await.ok();
        let mut providers: Vec<Value> =
            user["identities"].as_array().unwrap().iter().map(|i| i["provider"].clone()).collect();
        providers.sort_by_key(ToString::to_string);
        assert_eq!(json!(providers), expected);
        assert_eq!(api.sign_in("jane@example.com", "a-password").await.status, 200);
        // Once is enough.
        api.put_as(&token, "/user", json!({ "password": "another-password" })).await.ok();
    }
}

#[actix_web::test]
async fn an_address_nobody_vouches_for_may_be_let_in() {
    let mut config = confirming();
    config.email.allow_unverified_sign_ins = true;
    let (api, _) = github(config, &[("jane@example.com", false)]).await;
    let token = sign_in(&api).await.unwrap();
    let user = api.get("/user", &token).await.ok();
    assert_eq!((&user["email"], user.get("email_confirmed_at")), (&json!("jane@example.com"), None));
    let sent = "select confirmation_sent_at is not null from auth.users";
    assert_eq!(api.value(sent).await.as_deref(), Some("t"));

    let mut config = open();
    config.email.allow_unverified_sign_ins = true;
    let problem = config.check().remove(0);
    assert_eq!(problem.key, "email.allow_unverified_sign_ins");
}

#[actix_web::test]
async fn a_sign_in_elsewhere_may_take_longer() {
    let mut config = confirming();
    config.flow_state_expiry = kernel::units::Span::secs(900);
    let (api, _) = github(config, &[("jane@example.com", true)]).await;
    let begin = async || {
        let there = api.get("/authorize?provider=github", "").await;
        let url = url::Url::parse(there.header("location")).unwrap();
        url.query_pairs().find(|(key, _)| key == "state").unwrap().1.into_owned()
    };
    let state = begin().await;
    api.advance(900);
    assert_eq!(api.get(&format!("/callback?code=abcdef&state={state}"), "").await.status, 302);
    let state = begin().await;
    api.advance(901);
    let here = api.get(&format!("/callback?code=abcdef&state={state}"), "").await;
    assert!(here.header("location").contains("OAuth+state+has+expired"));
}
