//! `POST /signup`.

use serde_json::json;

use crate::harness::{Api, confirming, open};

const TRIGGER: &str = "
    create function public.refuse() returns trigger language plpgsql as
    $$ begin
         if coalesce(new.raw_user_meta_data ->> 'signup_code', '') <> 'letmein' then
           raise exception 'secret detail';
         end if;
         return new;
       end $$;
    create trigger refuse after insert on auth.users for each row execute function public.refuse()";

#[actix_web::test]
async fn a_sign_up_is_a_sign_in_where_addresses_need_no_confirmation() {
    let api = Api::start(open()).await;
    let body = json!({ "email": "Jane@Example.com", "password": "password", "data": { "name": "Jane" } });
    let answer = api.post("/signup", body).await;
    assert!(!answer.header("sb-auth-session-id").is_empty());
    let session = answer.ok();
    assert_eq!(session["token_type"], "bearer");
    assert_eq!(session["expires_in"], 3600);
    assert_eq!(session["expires_at"], api.clock.unix() + 3600);
    let user = &session["user"];
    assert_eq!(user["email"], "jane@example.com");
    assert_eq!(
        (&user["phone"], &user["role"], &user["aud"]),
        (&json!(""), &json!("authenticated"), &json!("authenticated"))
    );
    assert_eq!(user["app_metadata"], json!({ "provider": "email", "providers": ["email"] }));
    assert_eq!(user["user_metadata"]["name"], "Jane");
    assert_eq!(user["user_metadata"]["email_verified"], true);
    assert_eq!(user["created_at"], "2027-01-15T08:00:00.123456Z");
    assert_eq!(user["is_anonymous"], false);
    assert!(user["email_confirmed_at"].is_string() && user["confirmed_at"].is_string());
    let identity = &user["identities"][0];
    assert_eq!(identity["provider"], "email");
    assert_eq!((&identity["id"], &identity["user_id"]), (&user["id"], &user["id"]));
    assert_ne!(identity["identity_id"], user["id"]);
    assert_eq!(identity["identity_data"]["sub"], user["id"]);
    for key in
        ["user_role", "encrypted_password", "confirmation_token", "instance_id", "factors", "banned_until"]
    {
        assert!(user.get(key).is_none(), "{key}");
    }
}

#[actix_web::test]
async fn the_access_token_says_what_policies_read() {
    let api = Api::start(open()).await;
    let session = api.sign_up("jane@example.com").await;
    let claims = api.claims(&session["access_token"]);
    let now = api.clock.unix();
    let expected = json!({
        "iss": "http://localhost:8000/auth/v1",
        "sub": session["user"]["id"],
        "aud": "authenticated",
        "exp": now + 3600,
        "iat": now,
        "email": "jane@example.com",
        "phone": "",
        "app_metadata": { "provider": "email", "providers": ["email"] },
        "user_metadata": session["user"]["user_metadata"],
        "role": "authenticated",
        "aal": "aal1",
        "amr": [{ "method": "password", "timestamp": now }],
        "session_id": claims["session_id"],
        "is_anonymous": false,
    });
    assert_eq!(json!(claims), expected);
}

#[actix_web::test]
async fn the_password_is_hashed_with_argon2id_or_bcrypt() {
    let api = Api::start(open()).await;
    api.sign_up("jane@example.com").await;
    let hash = api.value("select encrypted_password from auth.users").await.unwrap();
    assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
    let mut config = open();
    config.password_hash = auth::PasswordHash::Bcrypt;
    let api = Api::start(config).await;
    api.sign_up("jane@example.com").await;
    let hash = api.value("select encrypted_password from auth.users").await.unwrap();
    assert!(hash.starts_with("$2b$10$"), "{hash}");
    assert_eq!(api.sign_in("jane@example.com", "password").await.status, 200);
}

#[actix_web::test]
async fn an_account_waits_for_its_address_to_be_confirmed() {
    let api = Api::start(confirming()).await;
    let user = api.sign_up("jane@example.com").await;
    assert!(user.get("access_token").is_none() && user["id"].is_string());
    assert!(user["confirmation_sent_at"].is_string() && user.get("confirmed_at").is_none());
    assert_eq!(user["identities"].as_array().map(Vec::len), Some(1));
    api.sign_in("jane@example.com", "password").await.refused(
        400,
        "email_not_confirmed",
        "Email not confirmed",
    );
}

#[actix_web::test]
async fn someone_else_s_address_cannot_be_signed_up_again() {
    let api = Api::start(open()).await;
    api.sign_up("jane@example.com").await;
    let again = json!({ "email": "JANE@example.com", "password": "otherword" });
    api.post("/signup", again).await.refused(422, "user_already_exists", "User already registered");
    assert_eq!(api.sign_in("jane@example.com", "otherword").await.status, 400);
}

#[actix_web::test]
async fn where_addresses_are_confirmed_the_answer_hides_the_account() {
    let api = Api::start(confirming()).await;
    let first = api.sign_up("jane@example.com").await;
    api.sql("update auth.users set email_confirmed_at = now(), phone = '15551234567', banned_until = now() + '1 day'")
        .await;
    let body = json!({ "email": "jane@example.com", "password": "otherword", "data": { "a": 1 } });
    let user = api.post("/signup", body).await.ok();
    assert_ne!(user["id"], first["id"]);
    assert_eq!(user["identities"], json!([]));
    assert_eq!((&user["role"], &user["phone"]), (&json!(""), &json!("")));
    assert_eq!(user["user_metadata"], json!({ "a": 1 }));
    for key in ["email_confirmed_at", "confirmed_at", "banned_until", "last_sign_in_at"] {
        assert!(user.get(key).is_none(), "{key}");
    }
    assert_eq!(api.value("select count(*) from auth.users").await.as_deref(), Some("1"));
}

#[actix_web::test]
async fn who_signs_up_again_changes_nothing_of_an_unconfirmed_account() {
    let api = Api::start(confirming()).await;
    let first = api.sign_up("jane@example.com").await;
    api.advance(61);
    let body = json!({ "email": "jane@example.com", "password": "otherword", "data": { "admin": true } });
    let second = api.post("/signup", body).await.ok();
    assert_eq!(second["id"], first["id"]);
    assert_eq!(second["user_metadata"], first["user_metadata"]);
    api.sql("update auth.users set email_confirmed_at = now()").await;
    assert_eq!(api.sign_in("jane@example.com", "password").await.status, 200);
}

#[actix_web::test]
async fn mails_of_one_kind_keep_their_distance() {
    let api = Api::start(confirming()).await;
    api.sign_up("jane@example.com").await;
    api.advance(20);
    let again = api.post("/signup", json!({ "email": "jane@example.com", "password": "password" })).await;
    let message = "For security purposes, you can only request this after 40 seconds.";
    again.refused(429, "over_email_send_rate_limit", message);
    assert_eq!(again.header("retry-after"), "40");
}

#[actix_web::test]
async fn what_is_not_acceptable_is_refused_in_upstream_s_words() {
    let api = Api::start(open()).await;
    let check = async |body, status, code: &str, message: &str| {
        api.post("/signup", body).await.refused(status, code, message);
    };
    let email = "jane@example.com";
    check(json!({ "email": email }), 400, "validation_failed", "Signup requires a valid password").await;
    let weak = api.post("/signup", json!({ "email": email, "password": "short" })).await;
    weak.refused(422, "weak_password", "Password should be at least 6 characters.");
    assert_eq!(weak.body["weak_password"], json!({ "reasons": ["length"] }));
    let long = "x".repeat(73);
    check(
        json!({ "email": email, "password": long }),
        400,
        "validation_failed",
        "Password cannot be longer than 72 characters",
    )
    .await;
    check(
        json!({ "email": email, "phone": "1555", "password": "password" }),
        400,
        "validation_failed",
        "Only an email address or phone number should be provided on signup.",
    )
    .await;
    check(
        json!({ "email": "jane", "password": "password" }),
        400,
        "validation_failed",
        "Unable to validate email address: invalid format",
    )
    .await;
    check(
        json!({ "phone": "abc", "password": "password" }),
        400,
        "validation_failed",
        "Invalid phone number format (E.164 required)",
    )
    .await;
    check(
        json!({ "email": email, "password": "password", "code_challenge": "x" }),
        400,
        "validation_failed",
        "PKCE flow requires code_challenge_method and code_challenge",
    )
    .await;
    let mut closed = open();
    closed.enable_signup = false;
    let _ = api.auth.reload(closed);
    check(
        json!({ "email": email, "password": "password" }),
        422,
        "signup_disabled",
        "Signups not allowed for this instance",
    )
    .await;
    check(json!({}), 422, "signup_disabled", "Signups not allowed for this instance").await;
    let mut without = open();
    without.email.enable_signup = false;
    without.sms.enable_signup = false;
    let _ = api.auth.reload(without);
    check(
        json!({ "email": email, "password": "password" }),
        400,
        "email_provider_disabled",
        "Email signups are disabled",
    )
    .await;
    check(
        json!({ "phone": "15551234567", "password": "password" }),
        400,
        "phone_provider_disabled",
        "Phone signups are disabled",
    )
    .await;
}

#[actix_web::test]
async fn a_number_is_as_good_as_an_address() {
    let api = Api::start(open()).await;
    let session =
        api.post("/signup", json!({ "phone": "+1 555 123 4567", "password": "password" })).await.ok();
    assert_eq!(session["user"]["phone"], "15551234567");
    assert_eq!(session["user"]["app_metadata"]["provider"], "phone");
    assert!(session["user"]["phone_confirmed_at"].is_string());
    let body = json!({ "phone": "+15551234567", "password": "password" });
    assert_eq!(api.post("/token?grant_type=password", body).await.ok()["user"]["id"], session["user"]["id"]);
}

/// Applications create profiles and redeem invitations in triggers, and look for this text.
#[actix_web::test]
async fn a_trigger_of_the_application_may_refuse() {
    let api = Api::start(open()).await;
    api.sql(TRIGGER).await;
    let answer = api.post("/signup", json!({ "email": "jane@example.com", "password": "password" })).await;
    answer.refused(500, "unexpected_failure", "Database error saving new user");
    assert!(!answer.text.contains("secret detail"), "{}", answer.text);
    let body =
        json!({ "email": "jane@example.com", "password": "password", "data": { "signup_code": "letmein" } });
    api.post("/signup", body).await.ok();
    assert_eq!(api.value("select count(*) from auth.users").await.as_deref(), Some("1"));
}

#[actix_web::test]
async fn a_deferred_trigger_may_refuse_too() {
    let api = Api::start(open()).await;
    let deferred = TRIGGER
        .replace("create trigger", "create constraint trigger")
        .replace("on auth.users for", "on auth.users deferrable initially deferred for");
    api.sql(&deferred).await;
    let answer = api.post("/signup", json!({ "email": "jane@example.com", "password": "password" })).await;
    answer.refused(500, "unexpected_failure", "Database error saving new user");
    assert_eq!(api.value("select count(*) from auth.users").await.as_deref(), Some("0"));
}

#[actix_web::test]
async fn what_a_trigger_changes_is_answered() {
    let api = Api::start(open()).await;
    api.sql(
        "create function public.tag() returns trigger language plpgsql as
         $$ begin new.raw_app_meta_data = new.raw_app_meta_data || '{\"tenant\": 7}'; return new; end $$;
         create trigger tag before insert on auth.users for each row execute function public.tag()",
    )
    .await;
    let session = api.sign_up("jane@example.com").await;
    assert_eq!(session["user"]["app_metadata"]["tenant"], 7);
    assert_eq!(api.claims(&session["access_token"])["app_metadata"]["tenant"], 7);
}

#[actix_web::test]
async fn of_two_sign_ups_at_once_one_makes_the_account() {
    let api = Api::start(open()).await;
    let body = || json!({ "email": "jane@example.com", "password": "password" });
    let answers = futures_util::future::join_all((0..8).map(|_| api.post("/signup", body()))).await;
    let (made, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
    assert_eq!(made.len(), 1);
    for answer in refused {
        answer.refused(422, "user_already_exists", "User already registered");
    }
}

#[actix_web::test]
async fn the_audit_log_says_who_came() {
    let api = Api::start(open()).await;
    let session = api.sign_up("jane@example.com").await;
    let rows = "select string_agg(payload ->> 'action', ' ' order by payload ->> 'action') from auth.audit_log_entries";
    assert_eq!(api.value(rows).await.as_deref(), Some("login user_signedup"));
    let row = "select distinct payload ->> 'actor_id', payload ->> 'actor_username', ip_address
                 from auth.audit_log_entries";
    let expected = format!("{},jane@example.com,192.0.2.1", session["user"]["id"].as_str().unwrap());
    assert_eq!(api.value(row).await, Some(expected));
    let mut quiet = open();
    quiet.audit_log_table = false;
    let _ = api.auth.reload(quiet);
    api.sign_up("john@example.com").await;
    assert_eq!(api.value("select count(*) from auth.audit_log_entries").await.as_deref(), Some("2"));
}
