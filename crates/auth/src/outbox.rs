//! Mails and messages between the transaction that caused them and their delivery.
//!
//! A message is a row of `auth.basalt_outbox`, written in that transaction: it exists if and only if its
//! cause does. `task::deliver` takes rows, sends them and deletes them. What is sent was written once,
//! with its code; the row goes as soon as the server has taken the message, or when it is of no use
//! any more. A crash between sending and deleting sends it again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::TimeDelta;
use kernel::units::Span;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use uuid::Uuid;

use crate::access_token::delta;
use crate::config::Config;
use crate::error::{Error, OrInternal};
use crate::mail::{self, Letter, Texts};
use crate::mailbox::Mailbox;
use crate::outbound::Outbound;
use crate::service::Context;
use crate::sms::{Provider, Text};
use crate::store::outbox;

/// Messages that wait, at most: more are refused.
const MAX_WAITING: i64 = 10_000;

/// A message, written out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub(crate) enum Message {
    Mail(Letter),
    Phone(Text),
    /// What would have been sent if there were an account: it takes its time and goes nowhere.
    Nobody {
        of: Box<Message>,
    },
}

/// Why a message did not go out.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Failure {
    /// It may go out later.
    #[error("{0}")]
    Again(String),
    /// It never will.
    #[error("{0}")]
    Final(String),
}

/// How mails leave.
pub(crate) enum Post {
    /// Through a mail server.
    Server(Box<mail::Server>),
    /// Into the mailbox of development.
    Mailbox,
    /// Not at all: nothing is set up.
    Nowhere,
}

/// How messages to phones leave.
pub(crate) enum Phone {
    Provider(Provider),
    Mailbox,
    Nowhere,
}

/// The ways out that the settings name.
pub(crate) struct Ways {
    pub(crate) post: Post,
    pub(crate) phone: Phone,
}

impl Ways {
    /// The ways of these settings, which were checked before.
    pub(crate) fn of(config: &Config) -> Self {
        let post = match config.email.smtp.is_used() && !config.email.mailbox {
            true => mail::Server::new(config).map_or(Post::Nowhere, |server| Post::Server(Box::new(server))),
            false if config.email.mailbox => Post::Mailbox,
            false => Post::Nowhere,
        };
        let phone = match Provider::of(&config.sms) {
            Some(provider) => Phone::Provider(provider),
            None if config.email.mailbox => Phone::Mailbox,
            None => Phone::Nowhere,
        };
        Self { post, phone }
    }

    /// Hands a message over; returns what whoever took it calls it.
    pub(crate) async fn send(
        &self,
        (outbound, mailbox): (&Outbound, &Mailbox),
        id: Uuid,
        message: &Message,
    ) -> Result<String, Failure> {
        match (message, &self.post, &self.phone) {
            (Message::Nobody { .. }, ..) => Ok(id.to_string()),
            (Message::Mail(letter), Post::Server(server), _) => {
                server.send(id, letter).await.map(|()| id.to_string())
            }
            (Message::Phone(text), _, Phone::Provider(provider)) => {
                provider.send(outbound, &id.to_string(), text).await
            }
            (Message::Mail(_), Post::Mailbox, _) | (Message::Phone(_), _, Phone::Mailbox) => {
                mailbox.put(id, message.clone());
                Ok(id.to_string())
            }
            // Left from before: who set it up may do so again while it is of use.
            (Message::Mail(_), Post::Nowhere, _) => {
                Err(Failure::Again("no mail server is set up".to_owned()))
            }
            (Message::Phone(_), _, Phone::Nowhere) => Err(Failure::Again("no provider is set up".to_owned())),
        }
    }
}

/// What one running instance needs to deliver.
pub(crate) struct Outbox {
    pub(crate) outbound: Outbound,
    pub(crate) mailbox: Mailbox,
    bell: Notify,
}

impl Outbox {
    pub(crate) fn new(outbound: Outbound) -> Self {
        Self { outbound, mailbox: Mailbox::default(), bell: Notify::new() }
    }

    /// Returns when something was put in since the last time.
    pub(crate) async fn rung(&self) {
        self.bell.notified().await;
    }
}

/// Rings for the delivery when the request that put something in is over: not before its transaction
/// is.
pub(crate) struct Bell {
    outbox: Arc<Outbox>,
    due: AtomicBool,
}

impl Bell {
    pub(crate) fn new(outbox: Arc<Outbox>) -> Self {
        Self { outbox, due: AtomicBool::new(false) }
    }
}

impl Drop for Bell {
    fn drop(&mut self) {
        if self.due.load(Ordering::Relaxed) {
            self.outbox.bell.notify_one();
        }
    }
}

/// Puts a message in, within the transaction that causes it. It is of use for `lifetime`. Returns its
/// id. `failed` is what may be said if it cannot be put in.
pub(crate) async fn put(
    ctx: &Context,
    tx: &mut db::Session,
    message: &Message,
    lifetime: Span,
    failed: &'static str,
) -> Result<Uuid, Error> {
    let id = Uuid::new_v4();
    let content = serde_json::to_value(message).or_internal(failed)?;
    let expires_at = ctx.now + delta(lifetime).max(TimeDelta::minutes(5));
    let room =
        outbox::insert(tx, id, &content, (ctx.now, expires_at), MAX_WAITING).await.or_internal(failed)?;
    if !room {
        return Err(Error::internal(failed, "the outbox is full"));
    }
    ctx.bell.due.store(true, Ordering::Relaxed);
    Ok(id)
}

/// The texts of messages and mails in force.
pub(crate) struct Wordings {
    pub(crate) mail: Texts,
    pub(crate) sms: crate::template::Template,
    /// Of a second factor's code.
    pub(crate) mfa: crate::template::Template,
}
