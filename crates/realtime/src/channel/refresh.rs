//! A new token for a channel.

use serde::Deserialize;

use super::opening::log;
use super::{Channel, Flow, Writable};
use crate::authz::{Readable, Unanswered};
use crate::token::is_opaque;

#[derive(Deserialize)]
struct Refresh {
    access_token: Option<String>,
}

impl Channel {
    /// Takes over a token, if it is another one. No answer: the channel goes on, or it ends.
    pub(super) async fn access_token(&mut self, payload: &[u8]) -> Flow {
        let token = match serde_json::from_slice::<Refresh>(payload) {
            Ok(Refresh { access_token: Some(token) }) => token,
            _ => return Flow::On,
        };
        if is_opaque(&token) || *token == *self.caller.token {
            return Flow::On;
        }
        let role_before = self.caller.identity.role.clone();
        match self.link.service.tokens.token(&token) {
            Ok(caller) => self.caller = caller,
            Err(refused) => return Flow::Shut(refused.to_string()),
        }
        self.may_write = Writable::default();
        if !self.is_private {
            return self.refresh_changes(role_before.as_str()).await;
        }
        let before = Readable {
            broadcast: self.rights.may_read_broadcasts(),
            presence: self.rights.may_read_presence(),
        };
        // Until it is known, what the last token allowed holds: nothing is to be lost by a refresh.
        match self.question().readable(self.presence.is_wanted).await {
            Ok(now) => match self.go_on(before, now) {
                Flow::On => self.refresh_changes(role_before.as_str()).await,
                end => end,
            },
            Err(error) => {
                log(&error);
                Flow::Shut(self.explained(error))
            }
        }
    }

    fn go_on(&self, before: Readable, now: Readable) -> Flow {
        if now.is_nothing() {
            let name = &self.name;
            return Flow::Shut(format!(
                "You do not have permissions to read from this Channel topic: {name}"
            ));
        }
        if before.broadcast && !now.broadcast || before.presence && !now.presence {
            let name = &self.name;
            return Flow::Shut(format!(
                "You no longer have permission to read from this Channel topic: {name}"
            ));
        }
        self.rights.set(now.broadcast, now.presence);
        Flow::On
    }

    fn explained(&self, error: Unanswered) -> String {
        match error {
            Unanswered::Policy(_) => {
                format!("You do not have permissions to read from this Channel topic: {}", self.name)
            }
            Unanswered::Cancelled(_) => "Query was cancelled, please try again".to_owned(),
            _ => "Realtime was unable to connect to the project database".to_owned(),
        }
    }
}
