//! `/admin/mail`: the texts of mails looked at, and one sent to see whether it arrives. Ours: upstream has no
//! such endpoints.

use actix_web::HttpResponse;
use actix_web::web::Path;
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::super::call::{Body, Call};
use crate::error::{Error, OrInternal};
use crate::hook::Point;
use crate::identifier;
use crate::mail::Kind;
use crate::mail::preview::{self, Preview};
use crate::outbox::{Message, Post};

const WRITING: &str = "Error writing email";

pub(crate) async fn list(call: Call) -> Result<HttpResponse, Error> {
    call.admin().await?;
    Ok(HttpResponse::Ok().json(preview::list(call.ctx.config())))
}

/// The mail as it is sent at present, with made-up data.
pub(crate) async fn get(call: Call, name: Path<String>) -> Result<HttpResponse, Error> {
    call.admin().await?;
    let kind = Kind::named(&name).ok_or(Error::TemplateNotFound)?;
    let texts = &call.ctx.settings.wordings.mail;
    let letter = preview::letter(texts, call.ctx.config(), kind, "jane@example.com").or_internal(WRITING)?;
    Ok(HttpResponse::Ok().json(Preview::of(letter)))
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Request {
    to: String,
    template: String,
}

/// Sends a mail with made-up data and waits for what the mail server says. It goes past the outbox, which would
/// try again, and past the limits of mails.
pub(crate) async fn test(call: Call, body: Body) -> Result<HttpResponse, Error> {
    call.admin().await?;
    let ctx = &call.ctx;
    let Request { to, template } = body.json()?;
    let to = identifier::email(&to)?;
    let kind = match template.as_str() {
        "" => Kind::Confirmation,
        name => Kind::named(name).ok_or(Error::TemplateNotFound)?,
    };
    if ctx.settings.hooks.has(Point::SendEmail) {
        let text = "Mails are sent by the hook send_email, which is not asked to send this one";
        return Err(Error::Unprocessable(text.into()));
    }
    let ways = &ctx.settings.ways;
    let sent_by = match ways.post {
        Post::Server(_) => "smtp",
        Post::Mailbox => "mailbox",
        Post::Nowhere => {
            return Err(Error::Unprocessable("No mail server is set up (auth.email.smtp.host)".into()));
        }
    };
    let letter =
        preview::letter(&ctx.settings.wordings.mail, ctx.config(), kind, &to).or_internal(WRITING)?;
    let subject = letter.subject.clone();
    let id = Uuid::new_v4();
    let outbox = &ctx.service.outbox;
    let sent = ways.send((&outbox.outbound, &outbox.mailbox), id, &Message::Mail(letter)).await;
    sent.map_err(|failure| Error::MailRefused(failure.to_string()))?;
    tracing::info!(%id, sent_by, "a test mail was sent");
    let template = kind.name();
    Ok(HttpResponse::Ok().json(json!({
        "id": id, "to": to, "template": template, "subject": subject, "sent_by": sent_by,
    })))
}
