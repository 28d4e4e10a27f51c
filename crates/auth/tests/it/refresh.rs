//! The refresh grant: rotation, accidents, theft, and the ends of sessions.

use std::time::{Duration, Instant};

use actix_web::http::Method;
use futures_util::future::join_all;
use kernel::units::Span;
use serde_json::{Value, json};

use crate::harness::{Api, open, request};

const USED: (u16, &str, &str) = (400, "refresh_token_already_used", "Invalid Refresh Token: Already Used");

#[actix_web::test]
async fn a_refresh_gives_a_new_pair_for_the_same_session() {
    let api = Api::start(open()).await;
    let first = api.sign_up("jane@example.com").await;
    api.advance(100);
    let answer = api.refresh(&first["refresh_token"]).await;
    assert_eq!(answer.header("sb-auth-refresh-token-counter"), "1");
    let second = answer.ok();
    assert_ne!(second["refresh_token"], first["refresh_token"]);
    let (a, b) = (api.claims(&first["access_token"]), api.claims(&second["access_token"]));
    assert_eq!((&a["session_id"], &a["amr"]), (&b["session_id"], &b["amr"]));
    assert_eq!(b["exp"], api.clock.unix() + 3600);
    assert_eq!(
        api.value("select refreshed_at from auth.sessions").await.as_deref(),
        Some("2027-01-15 08:01:40.123456")
    );
    assert_eq!(api.value("select count(*) from auth.refresh_tokens").await.as_deref(), Some("0"));
}

#[actix_web::test]
async fn the_token_before_the_current_one_is_an_accident() {
    let api = Api::start(open()).await;
    let first = api.sign_up("jane@example.com").await;
    let second = api.refresh(&first["refresh_token"]).await.ok();
    api.advance(3600);
    let again = api.refresh(&first["refresh_token"]).await;
    assert_eq!(again.header("sb-auth-refresh-token-reuse-cause"), "fail-to-save");
    assert_eq!(again.ok()["refresh_token"], second["refresh_token"], "the client is brought up to date");
}

#[actix_web::test]
async fn an_older_token_ends_the_session() {
    let api = Api::start(open()).await;
    let first = api.sign_up("jane@example.com").await;
    let other = api.sign_in("jane@example.com", "password").await.ok();
    let second = api.refresh(&first["refresh_token"]).await.ok();
    let third = api.refresh(&second["refresh_token"]).await.ok();
    api.advance(11);
    let theft = api.refresh(&first["refresh_token"]).await;
    theft.refused(USED.0, USED.1, USED.2);
    api.refresh(&third["refresh_token"]).await.refused(
        400,
        "refresh_token_not_found",
        "Invalid Refresh Token: Refresh Token Not Found",
    );
    let token = third["access_token"].as_str().unwrap();
    api.get("/user", token).await.refused(
        403,
        "session_not_found",
        "Session from session_id claim in JWT does not exist",
    );
    assert_eq!(api.refresh(&other["refresh_token"]).await.status, 200, "other sessions live");
}

#[actix_web::test]
async fn within_the_interval_older_tokens_are_an_accident() {
    let api = Api::start(open()).await;
    let first = api.sign_up("jane@example.com").await;
    let second = api.refresh(&first["refresh_token"]).await.ok();
    let third = api.refresh(&second["refresh_token"]).await.ok();
    api.advance(9);
    let again = api.refresh(&first["refresh_token"]).await;
    assert_eq!(again.header("sb-auth-refresh-token-reuse-cause"), "concurrent-refresh");
    assert_eq!(again.ok()["refresh_token"], third["refresh_token"]);
}

#[actix_web::test]
async fn without_rotation_the_session_survives_a_reuse() {
    let mut config = open();
    config.enable_refresh_token_rotation = false;
    let api = Api::start(config).await;
    let first = api.sign_up("jane@example.com").await;
    let second = api.refresh(&first["refresh_token"]).await.ok();
    let third = api.refresh(&second["refresh_token"]).await.ok();
    api.advance(11);
    api.refresh(&first["refresh_token"]).await.refused(USED.0, USED.1, USED.2);
    assert_eq!(api.refresh(&third["refresh_token"]).await.status, 200);
}

#[actix_web::test]
async fn fifty_tabs_refresh_at_once() {
    for version in [1, 2] {
        let mut config = open();
        config.refresh_token_algorithm_version = version;
        let api = Api::start(config).await;
        let session = api.sign_up("jane@example.com").await;
        let started = Instant::now();
        let answers = join_all((0..50).map(|_| api.refresh(&session["refresh_token"]))).await;
        let tokens: Vec<Value> =
            answers.into_iter().map(|answer| answer.ok()["refresh_token"].clone()).collect();
        assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
        assert!(tokens.iter().all(|token| token != &session["refresh_token"]));
        assert!(tokens.windows(2).all(|pair| pair[0] == pair[1]), "all get the one current token");
        assert_eq!(api.refresh(&tokens[0]).await.status, 200);
    }
}

/// Two processes on one database know nothing of each other's turns: the row's lock decides.
#[actix_web::test]
async fn fifty_tabs_refresh_at_two_processes() {
    for version in [1, 2] {
        let mut config = open();
        config.refresh_token_algorithm_version = version;
        let api = Api::start(config.clone()).await;
        let other = api.beside(config).await;
        let session = api.sign_up("jane@example.com").await;
        let started = Instant::now();
        let token = json!({ "refresh_token": session["refresh_token"] });
        let calls = (0..50).map(|n| {
            let at = if n % 2 == 0 { &api } else { &other };
            at.post("/token?grant_type=refresh_token", token.clone())
        });
        let tokens: Vec<Value> =
            join_all(calls).await.into_iter().map(|answer| answer.ok()["refresh_token"].clone()).collect();
        assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
        assert!(tokens.windows(2).all(|pair| pair[0] == pair[1]), "all get the one current token");
        assert_eq!(other.refresh(&tokens[0]).await.status, 200);
    }
}

/// Whoever comes too late for a connection may come again; clients end a session on 4xx.
#[actix_web::test]
async fn without_a_connection_a_refresh_is_to_be_repeated() {
    for version in [1, 2] {
        let mut config = open();
        config.refresh_token_algorithm_version = version;
        let api = Api::start(config.clone()).await;
        let session = api.sign_up("jane@example.com").await;
        let options =
            db::PoolOptions { size: 1, wait: Duration::from_millis(50), ..db::PoolOptions::default() };
        let pool = db::Pool::new(&api.database.target_as("supabase_auth_admin"), options);
        let held = pool.session().await.unwrap();
        let scarce = api.with_pool(config, pool).await;
        let answer = scarce.refresh(&session["refresh_token"]).await;
        let message = "Too many concurrent token refresh requests on the same session or refresh token";
        answer.refused(503, "conflict", message);
        assert_eq!(answer.header("retry-after"), "1");
        drop(held);
        assert_eq!(scarce.refresh(&session["refresh_token"]).await.status, 200);
    }
}

#[actix_web::test]
async fn another_process_that_holds_the_session_is_waited_for() {
    let api = Api::start(open()).await;
    let session = api.sign_up("jane@example.com").await;
    let pool = api.database.pool_as("supabase_auth_admin");
    let mut holder = pool.begin().await.unwrap();
    holder.query("select from auth.sessions for update", &[]).await.unwrap();
    let release = async {
        tokio::time::sleep(Duration::from_millis(150)).await;
        holder.rollback().await.unwrap();
    };
    let (answer, ()) = futures_util::future::join(api.refresh(&session["refresh_token"]), release).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
}

#[actix_web::test]
async fn tokens_that_are_none() {
    let api = Api::start(open()).await;
    let session = api.sign_up("jane@example.com").await;
    for token in ["x", "abcdefghijk'", "ABCDEFGHIJKL", "not-a-token-at-all", "' or '1'='1' --"] {
        api.refresh(&json!(token)).await.refused(400, "validation_failed", "Refresh token is not valid");
    }
    let unknown = json!("abcdefghijkl");
    let message = "Invalid Refresh Token: Refresh Token Not Found";
    api.refresh(&unknown).await.refused(400, "refresh_token_not_found", message);
    api.sql(
        "update auth.sessions set refresh_token_hmac_key = 'AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8'",
    )
    .await;
    api.refresh(&session["refresh_token"]).await.refused(400, "refresh_token_not_found", message);
    let empty = api.refresh(&json!("")).await;
    assert_eq!(empty.status, 400);
    assert_eq!(
        empty.body,
        json!({ "error": "invalid_request", "error_description": "refresh_token required" })
    );
}

#[actix_web::test]
async fn a_token_ahead_of_its_session_was_not_issued_here() {
    let api = Api::start(open()).await;
    let session = api.sign_up("jane@example.com").await;
    let second = api.refresh(&session["refresh_token"]).await.ok();
    api.sql("update auth.sessions set refresh_token_counter = 0").await;
    let answer = api.refresh(&second["refresh_token"]).await;
    answer.refused(400, "validation_failed", "Invalid Refresh Token: Not Issued By This Server");
}

#[actix_web::test]
async fn banned_users_do_not_refresh() {
    let api = Api::start(open()).await;
    let session = api.sign_up("jane@example.com").await;
    api.sql("update auth.users set banned_until = '2100-01-01'").await;
    let answer = api.refresh(&session["refresh_token"]).await;
    answer.refused(400, "user_banned", "Invalid Refresh Token: User Banned");
    let token = session["access_token"].as_str().unwrap();
    api.get("/user", token).await.refused(403, "user_banned", "User is banned");
}

async fn expired(config: auth::Config, seconds: u64, sql: &str, message: &str) {
    let api = Api::start(config).await;
    let session = api.sign_up("jane@example.com").await;
    let kept = api.refresh(&session["refresh_token"]).await.ok();
    if !sql.is_empty() {
        api.sql(sql).await;
    }
    api.advance(seconds);
    api.refresh(&kept["refresh_token"]).await.refused(400, "session_expired", message);
}

#[actix_web::test]
async fn sessions_come_to_an_end() {
    let mut config = open();
    config.sessions.timebox = Some(Span::secs(60));
    expired(config, 61, "", "Invalid Refresh Token: Session Expired").await;
    let mut config = open();
    config.sessions.inactivity_timeout = Some(Span::secs(60));
    expired(config, 61, "", "Invalid Refresh Token: Session Expired (Inactivity)").await;
    let sql = "update auth.sessions set not_after = '2027-01-15 08:00:05Z'";
    expired(open(), 5, sql, "Invalid Refresh Token: Session Expired").await;
    let mut config = open();
    config.sessions.allow_low_aal = Some(Span::secs(60));
    let sql = "insert into auth.mfa_factors (id, user_id, factor_type, status, created_at, updated_at)
               select gen_random_uuid(), id, 'totp', 'verified', now(), now() from auth.users";
    let message = "Invalid Refresh Token: Session Expired (Low AAL: User Needs MFA Verification)";
    expired(config, 61, sql, message).await;
}

#[actix_web::test]
async fn one_session_per_user() {
    let mut config = open();
    config.sessions.single_per_user = true;
    let api = Api::start(config).await;
    let first = api.sign_up("jane@example.com").await;
    api.sign_up("john@example.com").await;
    api.advance(1);
    let second = api.sign_in("jane@example.com", "password").await.ok();
    let message = "Invalid Refresh Token: Session Expired (Revoked by Newer Login)";
    api.refresh(&first["refresh_token"]).await.refused(400, "session_expired", message);
    assert_eq!(api.refresh(&second["refresh_token"]).await.status, 200);
}

/// Tokens of version 1 are those of adopted databases.
fn version_1() -> auth::Config {
    let mut config = open();
    config.refresh_token_algorithm_version = 1;
    config
}

#[actix_web::test]
async fn version_1_rotates() {
    let api = Api::start(version_1()).await;
    let first = api.sign_up("jane@example.com").await;
    assert_eq!(first["refresh_token"].as_str().map(str::len), Some(12));
    let second = api.refresh(&first["refresh_token"]).await.ok();
    let again = api.refresh(&first["refresh_token"]).await.ok();
    assert_eq!(again["refresh_token"], second["refresh_token"], "a lost answer is given again");
    let third = api.refresh(&second["refresh_token"]).await.ok();
    let chain =
        "select string_agg(token, ' ' order by id) = string_agg(coalesce(parent, '') || ' ', '' order by id)
                   from auth.refresh_tokens where token is null";
    assert_eq!(api.value(chain).await, None);
    api.advance(11);
    api.refresh(&first["refresh_token"]).await.refused(USED.0, USED.1, USED.2);
    api.refresh(&third["refresh_token"]).await.refused(USED.0, USED.1, USED.2);
    assert_eq!(api.value("select bool_and(revoked) from auth.refresh_tokens").await.as_deref(), Some("t"));
}

#[actix_web::test]
async fn version_1_without_a_session_is_deleted() {
    let api = Api::start(version_1()).await;
    let session = api.sign_up("jane@example.com").await;
    api.sql("update auth.refresh_tokens set session_id = null").await;
    let message = "Invalid Refresh Token: No Valid Session Found";
    api.refresh(&session["refresh_token"]).await.refused(400, "session_not_found", message);
    assert_eq!(api.value("select count(*) from auth.refresh_tokens").await.as_deref(), Some("0"));
}

#[actix_web::test]
async fn version_1_is_moved_to_version_2_as_it_refreshes() {
    let api = Api::start(version_1()).await;
    let first = api.sign_up("jane@example.com").await;
    let mut config = open();
    config.refresh_token_upgrade_percentage = 100;
    let _ = api.auth.reload(config);
    let second = api.refresh(&first["refresh_token"]).await.ok();
    assert!(second["refresh_token"].as_str().unwrap().len() > 12);
    assert_eq!(api.value("select bool_and(revoked) from auth.refresh_tokens").await.as_deref(), Some("t"));
    assert_eq!(api.refresh(&second["refresh_token"]).await.status, 200);
}

#[actix_web::test]
async fn a_session_that_refreshes_too_often_is_told_to_wait_and_not_ended() {
    let mut config = open();
    config.rate_limit.token_refresh = 2;
    let api = Api::start(config).await;
    let mut session = api.sign_up("jane@example.com").await;
    for _ in 0..2 {
        session = api.refresh(&session["refresh_token"]).await.ok();
    }
    let answer = api.refresh(&session["refresh_token"]).await;
    answer.refused(503, "over_request_rate_limit", "Request rate limit reached");
    assert_eq!(answer.header("retry-after"), "150");
}

/// Anyone who saw an access token knows the session's id, and can make tokens that look like its own.
#[actix_web::test]
async fn forged_tokens_use_up_the_forger_s_allowance_and_not_the_session_s() {
    let mut config = open();
    config.rate_limit.token_refresh = 3;
    let api = Api::start(config).await;
    let session = api.sign_up("jane@example.com").await;
    let key = |stored: &str| format!("update auth.sessions set refresh_token_hmac_key = '{stored}'");
    let stored = api.value("select refresh_token_hmac_key from auth.sessions").await.unwrap();
    api.sql(&key("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8")).await;
    for _ in 0..3 {
        assert_eq!(api.refresh(&session["refresh_token"]).await.error(), (400, "refresh_token_not_found"));
    }
    // From here on the database is not asked: it would not answer.
    let mut holder = api.database.admin().await;
    holder.batch("begin; lock table auth.sessions in access exclusive mode").await.unwrap();
    let answer = api.refresh(&session["refresh_token"]).await;
    answer.refused(503, "over_request_rate_limit", "Request rate limit reached");
    assert_eq!(answer.header("retry-after"), "100");
    holder.batch("rollback").await.unwrap();
    api.sql(&key(&stored)).await;
    let elsewhere = request(Method::POST, "/token?grant_type=refresh_token", "")
        .insert_header(("x-test-client", "192.0.2.2"))
        .set_json(json!({ "refresh_token": session["refresh_token"] }));
    assert_eq!(api.send(elsewhere).await.status, 200);
    assert_eq!(api.sign_in("jane@example.com", "password").await.status, 200);
    api.advance(100);
    assert_eq!(api.refresh(&session["refresh_token"]).await.status, 200);
}
