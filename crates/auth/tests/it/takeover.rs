//! Ways into other people's accounts, and what becomes of them.

use actix_web::http::Method;
use serde_json::{Value, json};

use crate::harness::{Api, confirming, open, request};
use crate::mfa::{answer, challenge, enroll, factors};
use crate::oauth;
use crate::provider::Provider;

fn token(session: &Value) -> &str {
    session["access_token"].as_str().unwrap()
}

/// Six digits are soon tried. Guesses at codes are counted; a link found by the hash of a code would be
/// a way to guess where nothing is.
#[actix_web::test]
async fn who_guesses_a_code_has_not_guessed_its_link() {
    let provider = Provider::start().await;
    let mut config = oauth::with(confirming(), &["github"], &provider);
    config.sms.test_otp.insert("15551234567".to_owned(), "424242".to_owned());
    let api = Api::start(config).await;
    api.sign_up("jane@example.com").await;
    api.post("/signup", json!({ "phone": "15551234567", "password": "password" })).await.ok();
    for account in ["email = 'jane@example.com'", "phone = '15551234567'"] {
        let guessed = api.value(&format!("select confirmation_token from auth.users where {account}")).await;
        let guessed = guessed.unwrap();
        for kind in ["signup", "invite", "email", "magiclink"] {
            let body = json!({ "type": kind, "token_hash": guessed });
            assert_eq!(api.post("/verify", body).await.error(), (403, "otp_expired"), "{account} {kind}");
            let path = format!("/verify?type={kind}&token={guessed}");
            let followed = api.send(request(Method::GET, &path, "")).await;
            assert!(followed.header("location").contains("error_code=otp_expired"), "{account} {kind}");
        }
        let path = format!("/authorize?provider=github&invite_token={guessed}");
        assert_eq!(api.get(&path, "").await.error(), (404, "user_not_found"), "{account}");
    }
    let links = "select count(*) from auth.one_time_tokens t join auth.users u on u.id = t.user_id
                  where length(t.token_hash) = 56 and t.token_hash <> u.confirmation_token";
    assert_eq!(api.value(links).await.unwrap(), "2");
    // The codes themselves are as good as ever.
    let body = json!({ "type": "sms", "phone": "15551234567", "token": "424242" });
    assert_eq!(api.post("/verify", body).await.status, 200);
}

#[actix_web::test]
async fn a_number_does_not_bring_an_address() {
    let api = Api::start(open()).await;
    let data = json!({ "email": "jane@example.com", "name": "Eve" });
    let body = json!({ "phone": "15551234567", "password": "password", "data": data });
    let thief = api.post("/signup", body).await.ok();
    assert_eq!(thief["user"]["identities"][0]["email"], Value::Null);
    assert_eq!(thief["user"]["identities"][0]["identity_data"]["name"], "Eve");
    // As Supabase Auth has left it.
    let claimed =
        r#"update auth.identities set identity_data = identity_data || '{"email": "jane@example.com"}'"#;
    api.sql(claimed).await;
    let jane = api.sign_up("jane@example.com").await;
    assert_ne!(jane["user"]["id"], thief["user"]["id"]);
    assert_eq!(jane["user"]["email"], "jane@example.com");
}

/// Whoever knows the password begins to set up a phone of their own; then the owner sets up an app.
#[actix_web::test]
async fn a_factor_begun_before_the_first_was_proved_raises_nobody() {
    let api = Api::start(factors()).await;
    let owner = api.sign_up("jane@example.com").await;
    let thief = api.sign_in("jane@example.com", "password").await.ok();
    let body = json!({ "factor_type": "phone", "phone": "15551234567" });
    let phone = api.post_as(token(&thief), "/factors", body).await.ok();
    let phone = phone["id"].as_str().unwrap();
    challenge(&api, &thief, phone).await;
    let app = enroll(&api, &owner, "app").await;
    let asked = challenge(&api, &owner, &app.id).await;
    let raised = answer(&api, &owner, &app.id, &asked, &app.code(&api, 0)).await.ok();
    api.advance(61);
    let thief = api.sign_in("jane@example.com", "password").await.ok();
    let asked = challenge(&api, &thief, phone).await;
    let refused = answer(&api, &thief, phone, &asked, "424242").await;
    refused.refused(403, "insufficient_aal", "AAL2 required to enroll a new factor");
    // The owner, raised by the app, may.
    assert_eq!(answer(&api, &raised, phone, &asked, "424242").await.status, 200);
}

#[actix_web::test]
async fn links_to_an_address_that_an_administrator_replaced_are_void() {
    let api = Api::start(open()).await;
    let jane = api.sign_up("jane@example.com").await;
    api.post("/recover", json!({ "email": "jane@example.com" })).await.ok();
    let link = api.value("select token_hash from auth.one_time_tokens").await.unwrap();
    let path = format!("/admin/users/{}", jane["user"]["id"].as_str().unwrap());
    api.put_as(&api.service_role(), &path, json!({ "email": "new@example.com" })).await.ok();
    let body = json!({ "type": "recovery", "token_hash": link });
    assert_eq!(api.post("/verify", body).await.error(), (403, "otp_expired"));
}

#[actix_web::test]
async fn that_an_account_is_banned_is_told_to_whoever_has_its_code() {
    let api = Api::start(confirming()).await;
    api.sign_up("jane@example.com").await;
    // The hash of jane@example.com and 123456.
    let known = "09182592d78ce09da2160e099c868901ed75944e6db34de59bdf8a62";
    let ban = format!("update auth.users set banned_until = '2100-01-01', confirmation_token = '{known}'");
    api.sql(&ban).await;
    let verify = async |code: &str| {
        let body = json!({ "type": "signup", "email": "jane@example.com", "token": code });
        api.post("/verify", body).await
    };
    verify("654321").await.refused(403, "otp_expired", "Token has expired or is invalid");
    verify("123456").await.refused(403, "user_banned", "User is banned");
    assert_eq!(api.value("select email_confirmed_at from auth.users").await, None);
}

#[actix_web::test]
async fn of_two_identities_removed_at_once_one_stays() {
    let mut config = open();
    config.enable_manual_linking = true;
    let api = Api::start(config).await;
    let jane = api.sign_up("jane@example.com").await;
    let user_id = jane["user"]["id"].as_str().unwrap();
    let add = "insert into auth.identities (provider_id, user_id, identity_data, provider, created_at)";
    api.sql(&format!(
        "{add} values ('7', '{user_id}', '{{\"email\": \"jane@example.com\"}}', 'github', now())"
    ))
    .await;
    let user = api.get("/user", token(&jane)).await.ok();
    let ids: Vec<_> =
        user["identities"].as_array().unwrap().iter().map(|i| i["identity_id"].clone()).collect();
    let remove = async |id: &Value| {
        api.delete_as(token(&jane), &format!("/user/identities/{}", id.as_str().unwrap())).await
    };
    let both = futures_util::future::join(remove(&ids[0]), remove(&ids[1]));
    let answers = api.contend("select from auth.users for update", 2, both).await;
    let mut statuses = [answers.0.status, answers.1.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 422]);
    assert_eq!(api.value("select count(*) from auth.identities").await.unwrap(), "1");
}

/// The thief's number has an account, and a provider says an address of theirs without vouching for it.
#[actix_web::test]
async fn an_account_does_not_wait_for_the_owner_of_an_address_it_claims() {
    let provider = Provider::start().await;
    let mut config = oauth::with(confirming(), &["github"], &provider);
    config.enable_manual_linking = true;
    config.sms.enable_confirmations = false;
    let api = Api::start(config).await;
    let thief = api.post("/signup", json!({ "phone": "15551234567", "password": "password" })).await.ok();
    provider.is_github(7, &[("jane@example.com", false)]);
    let path = "/user/identities/authorize?provider=github&skip_http_redirect=true";
    let url = api.get(path, token(&thief)).await.ok()["url"].as_str().unwrap().to_owned();
    let state = url.split("state=").nth(1).unwrap().split('&').next().unwrap().to_owned();
    let back = api.get(&format!("/callback?state={state}&code=c"), "").await;
    assert!(
        back.header("location").contains("error_code=email_not_confirmed"),
        "{}",
        back.header("location")
    );
    let user = api.get("/user", token(&thief)).await.ok();
    assert_eq!((&user["email"], &user["new_email"]), (&json!(""), &json!("jane@example.com")));
    let jane = api.sign_up("jane@example.com").await;
    assert_ne!(jane["id"], thief["user"]["id"]);
    // Nor does coming back by it take the number from the account.
    let url = oauth::sign_in(&api, "provider=github").await;
    assert!(url.contains("error_code=provider_email_needs_verification"), "{url}");
    assert_eq!(api.get("/user", token(&thief)).await.ok()["phone"], "15551234567");
}
