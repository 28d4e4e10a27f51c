//! `/admin/mail`: texts looked at, and a mail sent to see whether it arrives.

use auth::Config;
use serde_json::{Value, json};

use crate::harness::{Answer, Api, confirming};
use crate::hooks::function;
use crate::smtp::{Manner, Server};

async fn test(api: &Api, body: Value) -> Answer {
    api.post_as(&api.service_role(), "/admin/mail/test", body).await
}

fn by(port: u16) -> Config {
    let mut config = confirming();
    config.email.smtp.host = "localhost".to_owned();
    config.email.smtp.port = port;
    config.email.smtp.admin_email = "noreply@basalt.test".to_owned();
    config.email.template.invite.subject = "Come, {{ .Data.name }}".to_owned();
    config.email.template.invite.content = "<p>{{ .SiteURL }} awaits {{ .Email }}</p>".to_owned();
    config
}

#[actix_web::test]
async fn administrators_look_at_the_texts_in_force() {
    let api = Api::start(by(1)).await;
    let admin = api.service_role();
    let list = api.get("/admin/mail/templates", &admin).await.ok();
    assert_eq!(list.as_array().unwrap().len(), 14);
    let invite = json!({ "template": "invite", "setting": "email.template.invite", "source": "content", "enabled": true });
    assert_eq!(list[0], invite);
    let shown = api.get("/admin/mail/templates/invite", &admin).await.ok();
    let expected = json!({
        "template": "invite", "subject": "Come, Jane",
        "html": "<p>http://127.0.0.1:3000 awaits jane@example.com</p>",
        "text": "http://127.0.0.1:3000 awaits jane@example.com\n",
    });
    assert_eq!(shown, expected);
    for text in list.as_array().unwrap() {
        let name = text["template"].as_str().unwrap();
        let shown = api.get(&format!("/admin/mail/templates/{name}"), &admin).await.ok();
        assert!(!shown["subject"].as_str().unwrap().is_empty(), "{name}");
    }
    let missing = api.get("/admin/mail/templates/nothing", &admin).await;
    missing.refused(404, "validation_failed", "Template not found");
}

#[actix_web::test]
async fn only_administrators() {
    let api = Api::start(by(1)).await;
    let anon = api.token(json!({ "role": "anon" }));
    for path in ["/admin/mail/templates", "/admin/mail/templates/invite"] {
        api.get(path, &anon).await.refused(403, "not_admin", "User not allowed");
    }
    let answer = api.post_as(&anon, "/admin/mail/test", json!({ "to": "jane@example.com" })).await;
    answer.refused(403, "not_admin", "User not allowed");
}

#[actix_web::test]
async fn a_test_mail_arrives_at_once() {
    let server = Server::start(Manner::default()).await;
    let api = Api::start(by(server.port)).await;
    let sent = test(&api, json!({ "to": "Ada@example.com", "template": "invite" })).await.ok();
    assert_eq!((&sent["sent_by"], &sent["subject"]), (&json!("smtp"), &json!("Come, Jane")));
    let mail = server.mail().await;
    assert_eq!(
        (mail.header("To").as_str(), mail.header("Subject").as_str()),
        ("ada@example.com", "Come, Jane")
    );
    // Nothing waits, and no account is made of it.
    for table in ["basalt_outbox", "users"] {
        assert_eq!(api.value(&format!("select count(*) from auth.{table}")).await.unwrap(), "0", "{table}");
    }
    let nobody = test(&api, json!({ "to": "nobody" })).await;
    assert_eq!(nobody.error(), (400, "validation_failed"));
    let missing = test(&api, json!({ "to": "ada@example.com", "template": "x" })).await;
    missing.refused(404, "validation_failed", "Template not found");
    assert!(server.waiting().await.is_none());
}

#[actix_web::test]
async fn what_the_mail_server_says_is_told() {
    let api = Api::start(by(1)).await;
    let answer = test(&api, json!({ "to": "ada@example.com" })).await;
    assert_eq!(answer.error(), (502, "unexpected_failure"));
    assert!(answer.body["msg"].as_str().unwrap().starts_with("The mail was not sent: "), "{}", answer.text);
    let nowhere = api.beside(confirming()).await;
    let answer = test(&nowhere, json!({ "to": "ada@example.com" })).await;
    answer.refused(422, "validation_failed", "No mail server is set up (auth.email.smtp.host)");
    let mut config = confirming();
    config.email.mailbox = true;
    let developing = api.beside(config.clone()).await;
    let sent = test(&developing, json!({ "to": "ada@example.com" })).await.ok();
    assert_eq!(sent["sent_by"], "mailbox");
    config.hook.send_email = function("mail_hook");
    let hooked = api.beside(config).await;
    assert_eq!(test(&hooked, json!({ "to": "ada@example.com" })).await.error(), (422, "validation_failed"));
}
