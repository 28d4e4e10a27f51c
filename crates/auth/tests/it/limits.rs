//! Limits that outlive the process.

use serde_json::json;

use crate::harness::{Answer, Api, confirming};
use crate::mail::deliver;

#[actix_web::test]
async fn a_start_does_not_fill_the_limit_of_mails() {
    let mut config = confirming();
    config.rate_limit.email_sent = 2;
    let api = Api::start(config.clone()).await;
    let delivery = deliver(&api.auth);
    let sign_up = async |api: &Api, name: &str| -> Answer {
        let body = json!({ "email": format!("{name}@example.com"), "password": "password" });
        api.post("/signup", body).await
    };
    for name in ["a", "b"] {
        sign_up(&api, name).await.ok();
    }
    sign_up(&api, "c").await.refused(429, "over_email_send_rate_limit", "email rate limit exceeded");
    api.until("select tokens::int from auth.basalt_limits where name = 'email_sent'", "0").await;
    drop(delivery);
    let api = api.beside(config).await;
    sign_up(&api, "c").await.refused(429, "over_email_send_rate_limit", "email rate limit exceeded");
    api.advance(1800);
    sign_up(&api, "c").await.ok();
    sign_up(&api, "d").await.refused(429, "over_email_send_rate_limit", "email rate limit exceeded");
}
