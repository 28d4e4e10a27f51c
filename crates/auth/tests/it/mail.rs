//! Mails read back from a mail server: what they say, that their links and codes work, and that none
//! is lost.

use actix_web::http::Method;
use auth::{Auth, CaptchaSites, Config, Deps, SmtpTls, StartError};
use kernel::Stop;
use kernel::task::StopHandle;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

use crate::harness::{Answer, Api, confirming, open, request};
use crate::smtp::{AUTHORITY, Mail, Manner, Server};

/// Messages that were tried once and wait for the next attempt.
pub const POSTPONED: &str = "select count(*) from auth.basalt_outbox
    where attempts = 1 and next_attempt_at < created_at + interval '50 s'";

/// Sends what is put into the outbox, as long as it lives.
pub struct Delivery(#[allow(dead_code)] StopHandle);

pub fn deliver(auth: &Auth) -> Delivery {
    let (handle, stop) = Stop::pair();
    for task in auth.tasks() {
        tokio::spawn(task.run(stop.clone()));
    }
    Delivery(handle)
}

fn through(mut config: Config, port: u16) -> Config {
    let smtp = &mut config.email.smtp;
    smtp.host = "localhost".to_owned();
    smtp.port = port;
    smtp.admin_email = "noreply@basalt.test".to_owned();
    smtp.sender_name = "The \"App\"".to_owned();
    config
}

impl Api {
    async fn mailing(config: Config) -> (Self, Server, Delivery) {
        let server = Server::start(Manner::default()).await;
        let api = Self::start(through(config, server.port)).await;
        let delivery = deliver(&api.auth);
        (api, server, delivery)
    }

    /// Follows a link as a browser does.
    async fn open_link(&self, link: &str) -> Answer {
        let path = link.strip_prefix("http://localhost:8000/auth/v1").expect("it leads here");
        self.send(request(Method::GET, path, "")).await
    }

    async fn waiting(&self) -> String {
        self.value("select count(*) from auth.basalt_outbox").await.unwrap()
    }

    /// Waits until a query says what it should.
    pub async fn until(&self, sql: &str, expected: &str) {
        let started = Instant::now();
        loop {
            let value = self.value(sql).await.unwrap_or_default();
            if value == expected {
                return;
            }
            assert!(started.elapsed() < Duration::from_secs(20), "{sql}: {value}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

fn token(answer: &Answer) -> String {
    let location = answer.header("location");
    let fragment = location.split_once("access_token=").unwrap_or_else(|| panic!("{location}")).1;
    fragment.split('&').next().unwrap().to_owned()
}

#[actix_web::test]
async fn a_sign_up_is_confirmed_by_the_link_in_its_mail() {
    let (api, server, _delivery) = Api::mailing(confirming()).await;
    let body = json!({ "email": "jane@example.com", "password": "password", "data": { "name": "<b>" } });
    let user = api.post("/signup?redirect_to=https://app.test/in", body).await.ok();
    assert!(user["confirmation_sent_at"].is_string() && user.get("access_token").is_none());
    let mail = server.mail().await;
    assert_eq!(mail.to, ["jane@example.com"]);
    assert!(mail.from.contains("<noreply@basalt.test>"));
    assert_eq!(mail.header("To"), "jane@example.com");
    assert_eq!(mail.header("Subject"), "Confirm your email address");
    assert_eq!(mail.header("From"), "\"The \\\"App\\\"\" <noreply@basalt.test>");
    assert!(mail.header("Message-ID").ends_with("@basalt.test>"));
    assert!(mail.header("Content-Type").starts_with("multipart/alternative"));
    assert!(mail.html().contains("<a href=\"http://localhost:8000/auth/v1/verify?token="));
    assert!(mail.link().ends_with("&type=signup&redirect_to=https://app.test/in"));
    let answer = api.open_link(&mail.link()).await;
    assert!(answer.header("location").starts_with("https://app.test/in#"));
    let user = api.get("/user", &token(&answer)).await.ok();
    assert!(user["email_confirmed_at"].is_string());
    // The code went with the link's token.
    let code = json!({ "type": "signup", "email": "jane@example.com", "token": mail.code() });
    assert_eq!(api.post("/verify", code).await.error(), (403, "otp_expired"));
    api.until("select count(*) from auth.basalt_outbox", "0").await;
}

#[actix_web::test]
async fn every_mail_s_code_and_link_do_what_it_says() {
    let (api, server, _delivery) = Api::mailing(confirming()).await;
    let verify = async |mail: &Mail, kind: &str| {
        let body = json!({ "type": kind, "email": mail.to[0], "token": mail.code() });
        api.post("/verify", body).await.ok()
    };
    api.sign_up("jane@example.com").await;
    let session = verify(&server.mail().await, "email").await;
    assert_eq!(session["user"]["email"], "jane@example.com");

    assert_eq!(api.post("/otp", json!({ "email": "jane@example.com" })).await.ok(), json!({}));
    let mail = server.mail().await;
    assert_eq!(mail.header("Subject"), "Your sign-in link");
    assert!(mail.link().contains("&type=magiclink&redirect_to=http://127.0.0.1:3000"));
    token(&api.open_link(&mail.link()).await);

    api.advance(61);
    api.post("/recover", json!({ "email": "jane@example.com" })).await.ok();
    let mail = server.mail().await;
    assert_eq!(mail.header("Subject"), "Reset your password");
    assert!(mail.link().contains("&type=recovery&"));
    let access = token(&api.open_link(&mail.link()).await);
    assert_eq!(api.put_as(&access, "/user", json!({ "password": "a-new-password" })).await.status, 200);
    assert_eq!(api.sign_in("jane@example.com", "a-new-password").await.status, 200);

    let (method, path) = (Method::GET, "/reauthenticate");
    api.send(request(method, path, &access)).await.ok();
    let mail = server.mail().await;
    assert_eq!(mail.header("Subject"), format!("{} is your verification code", mail.code()));
    assert!(!mail.text().contains("/verify?"));

    let invited = api.post_as(&api.service_role(), "/invite", json!({ "email": "bob@example.com" })).await;
    assert!(invited.ok()["invited_at"].is_string());
    let mail = server.mail().await;
    assert_eq!(
        (mail.to[0].as_str(), mail.header("Subject")),
        ("bob@example.com", "You've been invited".to_owned())
    );
    assert!(mail.link().contains("&type=invite&"));
    assert_eq!(verify(&mail, "invite").await["user"]["email"], "bob@example.com");
}

#[actix_web::test]
async fn a_change_of_address_is_confirmed_from_both_and_the_old_one_is_told() {
    let mut config = open();
    config.email.enable_confirmations = true;
    config.email.notification.email_changed.enabled = true;
    config.email.notification.password_changed.enabled = true;
    config.rate_limit.email_sent = 100;
    let (api, server, _delivery) = Api::mailing(config).await;
    api.sign_up("jane@example.com").await;
    let access = token(&api.open_link(&server.mail().await.link()).await);
    let user = api.put_as(&access, "/user", json!({ "email": "new@example.com" })).await.ok();
    assert_eq!((&user["email"], &user["new_email"]), (&json!("jane@example.com"), &json!("new@example.com")));
    let mut mails = [server.mail().await, server.mail().await];
    mails.sort_by_key(|mail| mail.to.clone());
    let [old, new] = mails;
    assert_eq!((old.to[0].as_str(), new.to[0].as_str()), ("jane@example.com", "new@example.com"));
    assert_ne!((old.link(), old.code()), (new.link(), new.code()));
    assert!(old.text().contains("from jane@example.com to new@example.com"));
    let half = api.open_link(&old.link()).await;
    assert!(half.header("location").contains("#message=Confirmation+link+accepted"));
    let done = api.open_link(&new.link()).await;
    let access = token(&done);
    assert_eq!(api.get("/user", &access).await.ok()["email"], "new@example.com");
    let told = server.mail().await;
    assert_eq!(told.to, ["jane@example.com"]);
    assert!(told.text().contains("from jane@example.com to new@example.com"), "{}", told.text());
    api.put_as(&access, "/user", json!({ "password": "a-new-password" })).await.ok();
    let told = server.mail().await;
    assert_eq!(
        (told.to[0].as_str(), told.header("Subject")),
        ("new@example.com", "Your password was changed".to_owned())
    );
}

#[actix_web::test]
async fn notices_are_off_unless_switched_on() {
    let (api, server, _delivery) = Api::mailing(open()).await;
    let session = api.sign_up("jane@example.com").await;
    let access = session["access_token"].as_str().unwrap();
    api.put_as(access, "/user", json!({ "password": "a-new-password" })).await.ok();
    assert_eq!(api.waiting().await, "0");
    assert!(server.waiting().await.is_none());
}

#[actix_web::test]
async fn limits_answer_as_upstream_does() {
    let mut config = confirming();
    config.rate_limit.email_sent = 2;
    let (api, _server, _delivery) = Api::mailing(config).await;
    api.sign_up("a@example.com").await;
    let soon = api.post("/resend", json!({ "type": "signup", "email": "a@example.com" })).await;
    soon.refused(
        429,
        "over_email_send_rate_limit",
        "For security purposes, you can only request this after 60 seconds.",
    );
    api.sign_up("b@example.com").await;
    let body = json!({ "email": "c@example.com", "password": "password" });
    let many = api.post("/signup", body).await;
    many.refused(429, "over_email_send_rate_limit", "email rate limit exceeded");
    // No account without its mail.
    assert_eq!(api.value("select count(*) from auth.users").await.as_deref(), Some("2"));
    let mut config = confirming();
    config.email.authorized_addresses = vec!["jane@example.com".to_owned()];
    let (api, server, _delivery) = Api::mailing(config).await;
    api.sign_up("jane+label@example.com").await;
    assert_eq!(server.mail().await.to, ["jane+label@example.com"]);
    let refused = api.post("/signup", json!({ "email": "bob@example.com", "password": "password" })).await;
    refused.refused(
        400,
        "email_address_not_authorized",
        "Email address \"bob@example.com\" cannot be used as it is not authorized",
    );
}

#[actix_web::test]
async fn texts_of_the_operator_s() {
    let mut config = confirming();
    let confirmation = &mut config.email.template.confirmation;
    confirmation.subject = "Hi {{ .Data.name }}, it's you".to_owned();
    confirmation.content = "<p>{{ if eq .Data.lang \"de\" }}Hallo{{ else }}Hello{{ end }} {{ .Data.name }}: \
        <a href=\"{{ .SiteURL }}/confirm?token_hash={{ .TokenHash }}&type=email&next={{ .RedirectTo }}\">go</a></p>"
        .to_owned();
    config.email.smtp.headers.insert("X-Kind".to_owned(), vec!["$messageType".to_owned()]);
    let (api, server, _delivery) = Api::mailing(config).await;
    let data = json!({ "name": "J<b>\r\nBcc: evil@example.com", "lang": "de" });
    let body = json!({ "email": "jane@example.com", "password": "password", "data": data });
    api.post("/signup?redirect_to=https://app.test/x?a=b", body).await.ok();
    let mail = server.mail().await;
    assert_eq!(mail.to, ["jane@example.com"]);
    assert_eq!(mail.header("Subject"), "Hi J<b> Bcc: evil@example.com, it's you");
    assert!(!mail.source.split("\r\n\r\n").next().unwrap().contains("\nBcc:"));
    assert_eq!(mail.header("X-Kind"), "confirmation");
    let html = mail.html();
    assert!(html.starts_with("<p>Hallo J&lt;b&gt;"), "{html}");
    assert!(html.contains("&type=email&next=https%3A%2F%2Fapp.test%2Fx%3Fa%3Db\">go</a>"), "{html}");
    let hash = html.split("token_hash=").nth(1).unwrap().split('&').next().unwrap();
    let verified = api.post("/verify", json!({ "type": "email", "token_hash": hash })).await.ok();
    assert_eq!(verified["user"]["email"], "jane@example.com");
}

#[actix_web::test]
async fn what_the_server_is_down_for_is_sent_when_it_is_back() {
    let port = Server::start(Manner::default()).await.port;
    let api = Api::start(through(confirming(), port)).await;
    let _delivery = deliver(&api.auth);
    api.sign_up("jane@example.com").await;
    api.until(POSTPONED, "1").await;
    let server = Server::at(port, Manner::default()).await;
    api.advance(6);
    // Wakes the delivery, which takes everything that is due.
    api.sign_up("bob@example.com").await;
    let mut to = [server.mail().await.to.concat(), server.mail().await.to.concat()];
    to.sort();
    assert_eq!(to, ["bob@example.com", "jane@example.com"]);
    api.until("select count(*) from auth.basalt_outbox", "0").await;
}

/// The process ends between commit and sending, and another one starts.
#[actix_web::test]
async fn what_one_process_left_the_next_one_sends() {
    let server = Server::start(Manner::default()).await;
    let config = through(confirming(), server.port);
    let api = Api::start(config.clone()).await;
    api.sign_up("jane@example.com").await;
    assert_eq!(api.waiting().await, "1");
    // It was taken, and whoever took it never came back.
    api.sql(
        "update auth.basalt_outbox set attempts = 1, next_attempt_at = next_attempt_at + interval '60 s'",
    )
    .await;
    api.advance(61);
    let pool = api.database.pool_as("supabase_auth_admin");
    let deps = Deps {
        pool,
        keys: api.keys.clone(),
        clock: api.clock.clone(),
        captcha_sites: CaptchaSites::default(),
    };
    let next = Auth::start(config, deps).await.unwrap();
    let _delivery = deliver(&next);
    let mail = server.mail().await;
    token(&api.open_link(&mail.link()).await);
    api.until("select count(*) from auth.basalt_outbox", "0").await;
}

#[actix_web::test]
async fn what_is_of_no_use_any_more_is_not_sent() {
    let server = Server::start(Manner::default()).await;
    let api = Api::start(through(confirming(), server.port)).await;
    api.sign_up("jane@example.com").await;
    api.advance(3601);
    let _delivery = deliver(&api.auth);
    api.until("select count(*) from auth.basalt_outbox", "0").await;
    assert!(server.waiting().await.is_none());
}

#[actix_web::test]
async fn of_several_processes_one_sends() {
    let (api, server, _delivery) = Api::mailing(confirming()).await;
    let pool = api.database.pool_as("supabase_auth_admin");
    let deps = Deps {
        pool,
        keys: api.keys.clone(),
        clock: api.clock.clone(),
        captcha_sites: CaptchaSites::default(),
    };
    let other = Auth::start(through(confirming(), server.port), deps).await.unwrap();
    let _other = deliver(&other);
    for n in 0..20 {
        api.sign_up(&format!("user{n}@example.com")).await;
    }
    let mut to = Vec::new();
    for _ in 0..20 {
        to.push(server.mail().await.to.concat());
    }
    to.sort();
    to.dedup();
    assert_eq!(to.len(), 20);
    api.until("select count(*) from auth.basalt_outbox", "0").await;
    assert!(server.waiting().await.is_none());
}

#[actix_web::test]
async fn what_the_server_refuses_for_good_is_dropped() {
    let server = Server::start(Manner { refusal: Some("550 no such user"), ..Manner::default() }).await;
    let api = Api::start(through(confirming(), server.port)).await;
    let _delivery = deliver(&api.auth);
    api.sign_up("jane@example.com").await;
    api.until("select count(*) from auth.basalt_outbox", "0").await;
    let busy = Server::start(Manner { refusal: Some("451 later"), ..Manner::default() }).await;
    let api = Api::start(through(confirming(), busy.port)).await;
    let _delivery = deliver(&api.auth);
    api.sign_up("jane@example.com").await;
    api.until(POSTPONED, "1").await;
}

#[actix_web::test]
async fn a_server_that_says_nothing_keeps_no_request_waiting() {
    let server = Server::start(Manner { silent: true, ..Manner::default() }).await;
    let api = Api::start(through(confirming(), server.port)).await;
    let _delivery = deliver(&api.auth);
    let started = Instant::now();
    for n in 0..10 {
        api.sign_up(&format!("user{n}@example.com")).await;
    }
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    assert_eq!(api.waiting().await, "10");
}

#[actix_web::test]
async fn the_outbox_is_bounded_and_a_mail_that_finds_no_room_undoes_its_cause() {
    let api = Api::start(through(confirming(), 1)).await;
    api.sql(
        "insert into auth.basalt_outbox (id, created_at, expires_at, next_attempt_at, message)
         select gen_random_uuid(), now(), now(), now(), '{}' from generate_series(1, 10000)",
    )
    .await;
    let full = api.post("/signup", json!({ "email": "jane@example.com", "password": "password" })).await;
    full.refused(500, "unexpected_failure", "Error sending confirmation email");
    assert_eq!(api.value("select count(*) from auth.users").await.as_deref(), Some("0"));
}

#[actix_web::test]
async fn without_a_server_mails_are_dropped() {
    let api = Api::start(confirming()).await;
    api.sign_up("jane@example.com").await;
    assert_eq!(api.waiting().await, "0");
}

#[actix_web::test]
async fn passwords_travel_encrypted_to_a_server_that_proves_who_it_is() {
    let server = Server::start(Manner { tls: true, ..Manner::default() }).await;
    let mut config = through(confirming(), server.port);
    config.email.smtp.tls = SmtpTls::Starttls;
    config.email.smtp.user = "me".to_owned();
    config.email.smtp.pass = kernel::Secret::new("secret");
    // Nobody vouches for it.
    let api = Api::start(config.clone()).await;
    let delivery = deliver(&api.auth);
    api.sign_up("jane@example.com").await;
    api.until(POSTPONED, "1").await;
    assert!(server.waiting().await.is_none());
    drop(delivery);

    config.email.smtp.ca_file = AUTHORITY.into();
    let api = Api::start(config.clone()).await;
    let _delivery = deliver(&api.auth);
    api.sign_up("jane@example.com").await;
    let mail = server.mail().await;
    assert!(mail.encrypted);
    assert_eq!(mail.login, "\0me\0secret");

    // A server without encryption gets neither password nor mail.
    let plain = Server::start(Manner::default()).await;
    config.email.smtp.port = plain.port;
    let api = Api::start(config).await;
    let _delivery = deliver(&api.auth);
    api.sign_up("jane@example.com").await;
    api.until(POSTPONED, "1").await;
    assert!(plain.waiting().await.is_none());
}

#[actix_web::test]
async fn a_broken_template_keeps_the_service_from_starting() {
    let mut config = confirming();
    config.email.template.magic_link.content = "<p>\n{{ .Token | upper }}".to_owned();
    let database = testkit::database(&[auth::migrations()]).await;
    let pool = database.pool_as("supabase_auth_admin");
    let deps = Deps {
        pool,
        keys: jwt::KeySet::from_secret(crate::harness::SECRET).into(),
        clock: kernel::Clock::system(),
        captcha_sites: CaptchaSites::default(),
    };
    match Auth::start(config, deps).await.err() {
        Some(error @ StartError::Settings(_)) => assert_eq!(
            error.to_string(),
            "auth.email.template.magic_link: content: line 2: there is no function `upper`"
        ),
        other => panic!("{other:?}"),
    }
}

#[actix_web::test]
async fn the_mailbox_of_development() {
    let mut config = confirming();
    config.email.mailbox = true;
    config.sms.enable_signup = true;
    let api = Api::start(config).await;
    let _delivery = deliver(&api.auth);
    api.sign_up("jane@example.com").await;
    api.post("/otp", json!({ "phone": "15551234567" })).await.ok();
    let messages = async |to: &str| -> Vec<Value> {
        let answer = api.send(request(Method::GET, &format!("/../../_basalt/mail.json?to={to}"), "")).await;
        answer.ok().as_array().unwrap().clone()
    };
    let started = Instant::now();
    while messages("").await.len() < 2 {
        assert!(started.elapsed() < Duration::from_secs(20));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mail = &messages("jane@example.com").await[0];
    assert_eq!((&mail["channel"], &mail["type"]), (&json!("mail"), &json!("confirmation")));
    assert!(mail["text"].as_str().unwrap().contains("/verify?token="));
    let message = &messages("%2B15551234567").await[0];
    let code = message["text"].as_str().unwrap().strip_prefix("Your code is ").unwrap();
    let verify = json!({ "type": "sms", "phone": "15551234567", "token": code });
    assert_eq!(api.post("/verify", verify).await.ok()["user"]["phone"], "15551234567");

    let get = async |path: &str| api.send(request(Method::GET, &format!("/../../_basalt{path}"), "")).await;
    let page = get("/mail").await;
    assert!(page.text.contains("Confirm your email address") && page.text.contains("jane@example.com"));
    assert!(page.header("content-security-policy").starts_with("default-src 'none'"));
    let id = mail["id"].as_str().unwrap();
    let shown = get(&format!("/mail/{id}")).await;
    assert!(shown.text.contains(&format!("src=\"{id}/html\" sandbox=\"allow-popups")), "{}", shown.text);
    let html = get(&format!("/mail/{id}/html")).await;
    assert!(html.header("content-security-policy").starts_with("sandbox allow-popups"));
    assert_eq!(get("/mail/nonsense").await.status, 404);

    api.send(request(Method::DELETE, "/../../_basalt/mail.json?to=jane@example.com", "")).await;
    assert_eq!((messages("jane@example.com").await.len(), messages("").await.len()), (0, 1));
}

#[actix_web::test]
async fn there_is_no_mailbox_unless_it_is_switched_on() {
    let api = Api::start(confirming()).await;
    for path in ["/mail", "/mail.json"] {
        let answer = api.send(request(Method::GET, &format!("/../../_basalt{path}"), "")).await;
        assert_eq!(answer.status, 404);
    }
}
