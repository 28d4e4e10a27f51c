//! Whether an account exists is nobody's business.

use std::time::{Duration, Instant};

use actix_web::http::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, Api, confirming, open, request};

type Body = fn(&str) -> Value;

/// The paths that say the same of known and unknown accounts, with a body of each.
fn cases() -> [(&'static str, Body); 7] {
    [
        ("/recover", |email| json!({ "email": email })),
        ("/recover", |email| {
            let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
            json!({ "email": email, "code_challenge": challenge, "code_challenge_method": "s256" })
        }),
        ("/resend", |email| json!({ "email": email, "type": "signup" })),
        ("/resend", |email| json!({ "email": email, "type": "email_change" })),
        ("/otp", |email| json!({ "email": email })),
        ("/token?grant_type=password", |email| json!({ "email": email, "password": "wrong" })),
        ("/verify", |email| json!({ "email": email, "token": "000000", "type": "email" })),
    ]
}

/// Accounts that are confirmed, that wait for their confirmation, and none: each for every path.
#[actix_web::test]
async fn known_and_unknown_are_answered_alike() {
    let api = Api::start(confirming()).await;
    for (nth, (path, body)) in cases().into_iter().enumerate() {
        for name in ["confirmed", "waiting"] {
            api.sign_up(&format!("{name}{nth}@example.com")).await;
        }
        api.sql("update auth.users set email_confirmed_at = now() where email like 'confirmed%'").await;
        api.advance(100);
        // Again at once, and after a while: who has an account is told to wait, and who has none.
        for pause in [0, 20, 100] {
            api.advance(pause);
            let ask = async |name: &str| {
                let answer = api.post(path, body(&format!("{name}{nth}@example.com"))).await;
                (answer.status, answer.text)
            };
            let unknown = ask("unknown").await;
            assert_eq!(ask("confirmed").await, unknown, "{path}");
            assert_eq!(ask("waiting").await, unknown, "{path}");
        }
    }
}

#[actix_web::test]
async fn signing_up_twice_is_answered_alike_whoever_came_first() {
    let api = Api::start(confirming()).await;
    api.sign_up("jane@example.com").await;
    api.sql("update auth.users set email_confirmed_at = now()").await;
    api.advance(100);
    let status = async |email: &str| {
        api.post("/signup", json!({ "email": email, "password": "password" })).await.status
    };
    for expected in [200, 429] {
        assert_eq!(status("jane@example.com").await, expected);
        assert_eq!(status("nobody@example.com").await, expected);
    }
}

#[actix_web::test]
async fn numbers_are_answered_alike() {
    let mut config = confirming();
    config.email.mailbox = true;
    config.rate_limit.sms_sent = 10_000;
    let api = Api::start(config).await;
    api.post("/otp", json!({ "phone": "15551230001" })).await.ok();
    api.advance(100);
    for (path, kind) in [("/resend", "sms"), ("/resend", "phone_change"), ("/otp", "")] {
        let ask = async |phone: &str| {
            let answer = api.post(path, json!({ "phone": phone, "type": kind })).await;
            let id = answer.body["message_id"].as_str().map(str::len);
            (answer.status, id, answer.body.as_object().map(|body| body.len()))
        };
        let asked = format!("{path} {kind}");
        assert_eq!(ask("15551230001").await, (200, Some(36), Some(1)), "{asked}");
        assert_eq!(ask("15551230002").await, (200, Some(36), Some(1)), "{asked}");
        api.advance(100);
    }
}

#[actix_web::test]
async fn where_no_message_goes_out_nobody_is_told_apart() {
    let mut config = confirming();
    (config.email.mailbox, config.sms.enable_signup) = (true, true);
    let api = Api::start(config.clone()).await;
    api.post("/otp", json!({ "phone": "15551230003" })).await.ok();
    config.email.mailbox = false;
    let api = api.beside(config).await;
    for phone in ["15551230003", "15551230004"] {
        for kind in ["sms", "phone_change"] {
            let answer = api.post("/resend", json!({ "phone": phone, "type": kind })).await;
            assert_eq!((answer.status, answer.body), (200, json!({})), "{phone} {kind}");
        }
    }
}

/// Whoever uses up the server's mails learns nothing by it.
#[actix_web::test]
async fn without_mails_left_nobody_gets_one() {
    let mut config = confirming();
    config.rate_limit.email_sent = 1;
    let api = Api::start(config).await;
    api.sign_up("jane@example.com").await;
    api.advance(100);
    for email in ["jane@example.com", "nobody@example.com"] {
        let answer = api.post("/recover", json!({ "email": email })).await;
        answer.refused(429, "over_email_send_rate_limit", "email rate limit exceeded");
    }
}

/// What goes into the outbox for nobody never leaves it.
#[actix_web::test]
async fn nobody_is_sent_nothing() {
    let mut config = confirming();
    config.email.mailbox = true;
    let api = Api::start(config).await;
    let _delivery = crate::mail::deliver(&api.auth);
    api.post("/recover", json!({ "email": "nobody@example.com" })).await.ok();
    let waiting = "select count(*) from auth.basalt_outbox";
    api.until(waiting, "0").await;
    assert_eq!(api.get("/../../_basalt/mail.json", "").await.ok(), json!([]));
    for table in ["users", "one_time_tokens", "audit_log_entries"] {
        assert_eq!(api.value(&format!("select count(*) from auth.{table}")).await.unwrap(), "0", "{table}");
    }
    let kept = "select name like 'unknown:%' and name not like '%example%' from auth.basalt_limits";
    assert_eq!(api.value(kept).await.unwrap(), "t", "no address is kept");
}

/// Medians of calls that alternate, so that whatever else the machine does falls on both. The bound is
/// generous, and one good round of three is enough: an answer that is late by the time of a hash or of a
/// mail being written is so in every round.
#[actix_web::test]
async fn known_and_unknown_take_as_long() {
    const CALLS: usize = 15;
    let mut config = confirming();
    config.email.mailbox = true;
    let api = Api::start(config).await;
    for (path, body) in cases()
        .into_iter()
        .chain([("/signup", (|email| json!({ "email": email, "password": "password" })) as Body)])
    {
        let mut last = None;
        let alike = 'rounds: {
            for round in 0..3 {
                let mut times = [Vec::new(), Vec::new()];
                let known = format!("known{round}{}@example.com", path.len());
                api.post("/signup", json!({ "email": known, "password": "password" })).await;
                api.sql("update auth.users set email_confirmed_at = now()").await;
                for call in 0..CALLS {
                    api.advance(100);
                    let unknown = format!("unknown{round}-{call}-{}@example.com", path.len());
                    for (email, times) in [&known, &unknown].into_iter().zip(&mut times) {
                        let begin = Instant::now();
                        api.post(path, body(email)).await;
                        times.push(begin.elapsed());
                    }
                }
                let [known, unknown] = times.map(|mut times| {
                    times.sort();
                    times[CALLS / 2]
                });
                last = Some((known, unknown));
                let (short, long) = (known.min(unknown), known.max(unknown));
                if long < short * 3 + Duration::from_millis(4) {
                    break 'rounds true;
                }
            }
            false
        };
        assert!(alike, "{path}: {last:?}");
    }
}

/// The time is not asserted, but the work is: both hash once.
#[actix_web::test]
async fn an_unknown_account_costs_as_much_as_a_wrong_password() {
    let api = Api::start(confirming()).await;
    api.sign_up("jane@example.com").await;
    let time = async |email: &str| {
        let mut best = Duration::MAX;
        for _ in 0..5 {
            let begin = Instant::now();
            assert_eq!(api.sign_in(email, "wrong").await.status, 400);
            best = best.min(begin.elapsed());
        }
        best
    };
    let (known, unknown) = (time("jane@example.com").await, time("nobody@example.com").await);
    assert!(unknown > known / 4, "known {known:?}, unknown {unknown:?}");
}

/// An account of one audience keeps its address from all others, of which a caller learns nothing.
#[actix_web::test]
async fn another_audience_tells_no_more() {
    let sign_up = async |api: &Api, path: &str, email: &str| -> Answer {
        let elsewhere = request(Method::POST, path, "").insert_header(("x-jwt-aud", "zz"));
        api.send(elsewhere.set_json(json!({ "email": email, "password": "password" }))).await
    };
    let api = Api::start(confirming()).await;
    let first = api.sign_up("jane@example.com").await;
    api.sql("update auth.users set email_confirmed_at = now()").await;
    let user = sign_up(&api, "/signup", "jane@example.com").await.ok();
    assert_ne!(user["id"], first["id"]);
    assert_eq!((&user["aud"], &user["identities"]), (&json!("zz"), &json!([])));
    assert_eq!(sign_up(&api, "/otp", "jane@example.com").await.ok(), json!({}));
    assert_eq!(sign_up(&api, "/otp", "nobody@example.com").await.ok(), json!({}));
    let api = Api::start(open()).await;
    api.sign_up("jane@example.com").await;
    let openly = sign_up(&api, "/signup", "jane@example.com").await;
    openly.refused(422, "user_already_exists", "User already registered");
}
