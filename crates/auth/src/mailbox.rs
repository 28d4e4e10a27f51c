//! The mailbox of development: what would have been sent, kept in memory.
//!
//! Bounded: the oldest messages make room. Gone with the process.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

use crate::outbox::Message;

/// Messages kept at most.
const MAX_MESSAGES: usize = 200;

/// The messages, oldest first.
#[derive(Default)]
pub(crate) struct Mailbox(Mutex<VecDeque<Received>>);

/// A message that arrived, as it is shown.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Received {
    pub(crate) id: Uuid,
    pub(crate) at: DateTime<Utc>,
    /// `mail`, or how the message would have reached a phone.
    pub(crate) channel: &'static str,
    /// The kind of the mail, as headers name it; empty for messages.
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    /// Address, or number with its plus sign.
    pub(crate) to: String,
    pub(crate) subject: String,
    pub(crate) text: String,
    pub(crate) html: String,
}

impl Mailbox {
    fn messages(&self) -> MutexGuard<'_, VecDeque<Received>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a message in; one that is there already stays as it is.
    pub(crate) fn put(&self, id: Uuid, message: Message) {
        let at = Utc::now();
        let received = match message {
            Message::Mail(letter) => Received {
                id,
                at,
                channel: "mail",
                kind: letter.kind.message_type(),
                to: letter.to,
                subject: letter.subject,
                text: letter.text,
                html: letter.html,
            },
            Message::Phone(text) => Received {
                id,
                at,
                channel: text.channel.name(),
                kind: "",
                to: format!("+{}", text.phone),
                subject: String::new(),
                text: text.body,
                html: String::new(),
            },
            Message::Nobody { .. } => return,
        };
        let mut messages = self.messages();
        if messages.iter().any(|message| message.id == id) {
            return;
        }
        if messages.len() >= MAX_MESSAGES {
            messages.pop_front();
        }
        messages.push_back(received);
    }

    /// The messages to `to`, or all if it is empty; newest first.
    pub(crate) fn list(&self, to: &str) -> Vec<Received> {
        self.messages().iter().rev().filter(|message| is_to(message, to)).cloned().collect()
    }

    pub(crate) fn find(&self, id: Uuid) -> Option<Received> {
        self.messages().iter().find(|message| message.id == id).cloned()
    }

    /// Forgets the messages to `to`, or all if it is empty.
    pub(crate) fn clear(&self, to: &str) {
        self.messages().retain(|message| !is_to(message, to));
    }
}

fn is_to(message: &Received, to: &str) -> bool {
    let bare = |text: &str| text.trim_start_matches('+').to_lowercase();
    to.is_empty() || bare(&message.to) == bare(to)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::{Kind, Letter};

    fn mail(to: &str) -> Message {
        Message::Mail(Letter::new(Kind::Invite, to, "s", String::new(), String::new()))
    }

    #[test]
    fn it_is_bounded_and_tells_recipients_apart() {
        let mailbox = Mailbox::default();
        let id = Uuid::new_v4();
        mailbox.put(id, mail("a@example.com"));
        mailbox.put(id, mail("a@example.com"));
        mailbox.put(Uuid::new_v4(), mail("b@example.com"));
        assert_eq!(mailbox.list("A@example.com").len(), 1);
        assert_eq!(mailbox.list("").len(), 2);
        mailbox.clear("a@example.com");
        assert!(mailbox.find(id).is_none() && mailbox.list("").len() == 1);
        (0..MAX_MESSAGES + 5).for_each(|_| mailbox.put(Uuid::new_v4(), mail("c@example.com")));
        assert_eq!(mailbox.list("").len(), MAX_MESSAGES);
        assert!(mailbox.list("b@example.com").is_empty());
    }
}
