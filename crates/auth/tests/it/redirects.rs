//! Where browsers are sent, and with what: byte for byte, because clients read it from the address.

use actix_web::http::Method;
use auth::Config;

use crate::harness::{Api, confirming, request};

const ERROR: &str =
    "error=access_denied&error_code=otp_expired&error_description=Email+link+is+invalid+or+has+expired";

fn config() -> Config {
    let mut config = confirming();
    config.site_url = "https://site.test".to_owned();
    config.additional_redirect_urls =
        ["https://*.example.com/**", "https://exact.test/in?x=1", "myapp://**", "http://192.168.0.1/**"]
            .map(str::to_owned)
            .to_vec();
    config
}

fn escaped(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

#[actix_web::test]
async fn a_wished_target_has_to_be_allowed() {
    let api = Api::start(config()).await;
    for (wished, target) in [
        ("https://site.test", "https://site.test"),
        ("https://site.test/any/where?a=b", "https://site.test/any/where?a=b"),
        ("https://a.example.com/in", "https://a.example.com/in"),
        ("https://a.example.com/in/deep?x=1", "https://a.example.com/in/deep?x=1"),
        ("https://exact.test/in?x=1", "https://exact.test/in?x=1"),
        // What stands behind it is not compared, and gives way.
        ("https://a.example.com/in#part", "https://a.example.com/in"),
        ("myapp://callback", "myapp://callback"),
        // All others lead to the site.
        ("http://site.test/", "https://site.test"),
        ("https://site.test:444/", "https://site.test"),
        ("https://site.test@evil.test/", "https://site.test"),
        ("https://site.test.evil.test/", "https://site.test"),
        ("https://a.b.example.com/in", "https://site.test"),
        ("https://a.example.com.evil.test/", "https://site.test"),
        ("https://evil.test/a.example.com/", "https://site.test"),
        ("https://exact.test/in?x=2", "https://site.test"),
        ("https://exact.test/in", "https://site.test"),
        ("http://2130706433/", "https://site.test"),
        ("http://192.168.0.1/in", "https://site.test"),
        ("//evil.test/", "https://site.test"),
        ("javascript:alert(1)", "https://site.test"),
        ("nonsense", "https://site.test"),
        ("", "https://site.test"),
    ] {
        let path = format!("/verify?token=x&type=signup&redirect_to={}", escaped(wished));
        let answer = api.get(&path, "").await;
        assert_eq!(answer.status, 303, "{wished}");
        assert_eq!(answer.header("location"), format!("{target}#{ERROR}&sb="), "{wished}");
    }
}

#[actix_web::test]
async fn the_header_counts_before_the_query_and_both_before_the_referer() {
    let api = Api::start(config()).await;
    let [header, query, referer] =
        ["https://h.example.com/", "https://q.example.com/", "https://r.example.com/"];
    for (headers, query, target) in [
        (vec![("redirect_to", header), ("referer", referer)], query, header),
        (vec![("referer", referer)], query, query),
        (vec![("referer", referer)], "", referer),
        (vec![("referer", "https://evil.test/")], "", "https://site.test"),
    ] {
        let path = format!("/verify?token=x&type=signup&redirect_to={}", escaped(query));
        let mut ask = request(Method::GET, &path, "");
        for pair in headers {
            ask = ask.insert_header(pair);
        }
        let answer = api.send(ask).await;
        assert_eq!(answer.header("location"), format!("{target}#{ERROR}&sb="));
    }
}

#[actix_web::test]
async fn what_a_link_answers() {
    let api = Api::start(config()).await;
    let to = "redirect_to=https%3A%2F%2Fa.example.com%2Fin%3Fx%3D1";
    // A link of a client that exchanges a code: the error stands in the query too.
    let answer = api.get(&format!("/verify?token=pkce_x&type=signup&{to}"), "").await;
    let both = format!("https://a.example.com/in?{ERROR}&x=1#{ERROR}&sb=");
    assert_eq!((answer.status, answer.header("location")), (303, both.as_str()));
    let kind = "https://site.test#error=invalid_request&error_code=validation_failed\
                &error_description=Invalid+email+verification+type&sb=";
    assert_eq!(api.get("/verify?token=x&type=fax", "").await.header("location"), kind);
    // Without type or token nobody knows where to: no redirect.
    let missing = api.get(&format!("/verify?token=x&{to}"), "").await;
    missing.refused(400, "validation_failed", "Verify requires a verification type");
    let missing = api.get(&format!("/verify?type=signup&{to}"), "").await;
    missing.refused(400, "validation_failed", "Verify requires a token or a token hash");
    api.sql(
        "insert into auth.users (instance_id, id, aud, email, email_confirmed_at, email_change, email_change_token_current,
                                 email_change_token_new, email_change_sent_at)
         values ('00000000-0000-0000-0000-000000000000', '11111111-1111-4111-8111-111111111111', 'authenticated',
                 'old@example.com', now(), 'new@example.com', 'current', 'pkce_new', '2027-01-15 07:59:59Z');
         insert into auth.one_time_tokens (id, user_id, token_type, token_hash, relates_to)
         values (gen_random_uuid(), '11111111-1111-4111-8111-111111111111', 'email_change_token_current', 'current', 'old@example.com'),
                (gen_random_uuid(), '11111111-1111-4111-8111-111111111111', 'email_change_token_new', 'pkce_new', 'new@example.com')",
    )
    .await;
    let half = "message=Confirmation+link+accepted.+Please+proceed+to+confirm+link+sent+to+the+other+email";
    let answer = api.get(&format!("/verify?token=current&type=email_change&{to}"), "").await;
    assert_eq!(answer.header("location"), format!("https://a.example.com/in?x=1#{half}&sb="));
    // A ban is no bad request and no lack of rights: it names itself.
    api.sql("update auth.users set banned_until = '2100-01-01'").await;
    let answer = api.get("/verify?token=pkce_new&type=email_change", "").await;
    let banned = "error=access_denied&error_code=user_banned&error_description=User+is+banned";
    assert_eq!(answer.header("location"), format!("https://site.test?{banned}#{banned}&sb="));
}
