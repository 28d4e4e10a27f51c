//! Presence of a channel: under which name, and what its client says of itself.

use serde_json::{Map, Value};

use super::opening::log;
use super::{Channel, Flow};
use crate::authz::{Extension, Unanswered};
use crate::protocol::outgoing::push;
use crate::socket::Address;

/// What a channel knows of its presence.
pub(super) struct Presence {
    key: String,
    /// The client wants to know who is there. Policies have been asked about it.
    pub(super) is_wanted: bool,
}

impl Presence {
    pub(super) fn new(key: String, is_wanted: bool) -> Self {
        Self { key, is_wanted }
    }
}

/// What was asked for.
enum Call {
    Track(Map<String, Value>),
    Untrack,
}

/// Why a call was not followed.
enum Denied {
    /// What was said is no object.
    NoObject,
    /// Not allowed, unknown, or not to be found out.
    Silently,
    /// The channel ends.
    Shut(&'static str),
}

impl Channel {
    /// Who is there, for those who want to know.
    pub(super) fn greet_with_presence(&mut self) -> Flow {
        if !self.presence.is_wanted || !self.rights.may_read_presence() {
            return Flow::On;
        }
        let service = &self.link.service;
        let now = service.now();
        if service.counters.presence_per_second(now) > service.config().max_presence_events_per_second {
            return Flow::Shut("Too many presence messages per second".to_owned());
        }
        service.counters.presence.add(now, 1);
        let (link, topic, join_ref) = (&self.link, &self.topic, self.join_ref.as_ref());
        self.membership.presence_state(|state| {
            link.push(&push(link.version, join_ref, topic, "presence_state", &state));
        });
        Flow::On
    }

    /// A presence call.
    pub(super) async fn presence(&mut self, address: &Address, payload: &[u8]) -> Flow {
        let payload: Value = serde_json::from_slice(payload).unwrap_or_default();
        let Some(event) = payload.get("event").and_then(Value::as_str) else {
            // Upstream answers what it does not understand as if it had.
            self.link.reply(address, true, "{}");
            return Flow::On;
        };
        let result = self.call(event, &payload).await;
        match result {
            Ok(()) => self.link.reply(address, true, "{}"),
            Err(Denied::NoObject) => self.link.refuse(address, "Presence track payload must be a map"),
            Err(Denied::Silently) => self.link.reply(address, false, "{}"),
            Err(Denied::Shut(message)) => return Flow::Shut(message.to_owned()),
        }
        Flow::On
    }

    async fn call(&mut self, event: &str, payload: &Value) -> Result<(), Denied> {
        let config = self.link.service.config();
        let (most, window) = (config.max_presence_calls, config.presence_window.0);
        if !self.calls.admits(self.link.service.now(), most, window) {
            return Err(Denied::Shut("Client presence rate limit exceeded"));
        }
        match self.understood(event, payload).await? {
            Call::Track(said) => self.track(said),
            Call::Untrack => {
                let told = self.membership.untrack();
                self.link.service.counters.presence.add(self.link.service.now(), told);
                Ok(())
            }
        }
    }

    /// What is called for, if the caller may.
    async fn understood(&mut self, event: &str, payload: &Value) -> Result<Call, Denied> {
        if event.eq_ignore_ascii_case("untrack") {
            return Ok(Call::Untrack);
        }
        if !event.eq_ignore_ascii_case("track") {
            return Err(Denied::Silently);
        }
        if self.is_private && !self.may_be_present().await.map_err(|error| silently(&error))? {
            return Err(Denied::Silently);
        }
        match payload.get("payload") {
            None => Ok(Call::Track(Map::new())),
            Some(Value::Object(said)) => Ok(Call::Track(said.clone())),
            Some(_) => Err(Denied::NoObject),
        }
    }

    fn track(&mut self, said: Map<String, Value>) -> Result<(), Denied> {
        let service = &self.link.service;
        let size = serde_json::to_string(&said).map_or(usize::MAX, |text| text.len());
        if size > service.config().max_payload.get() {
            return Err(Denied::Shut("Track message size exceeded"));
        }
        let now = service.now();
        if service.counters.presence_per_second(now) > service.config().max_presence_events_per_second {
            return Err(Denied::Shut("Too many presence messages per second"));
        }
        service.metrics.presences.add(size);
        self.presence.is_wanted = true;
        let told = self.membership.track(&self.presence.key, said);
        service.counters.presence.add(now, 1 + told);
        Ok(())
    }

    /// Asked once for each token. Who joined without presence is asked here whether it may read, too.
    async fn may_be_present(&mut self) -> Result<bool, Unanswered> {
        if let Some(known) = self.may_write.presence {
            return Ok(known);
        }
        if !self.presence.is_wanted {
            let readable = self.question().readable(true).await?;
            self.rights.set(self.rights.may_read_broadcasts(), readable.presence);
        }
        let may = self.question().is_writable(Extension::Presence).await?;
        self.may_write.presence = Some(may);
        Ok(may)
    }
}

fn silently(error: &Unanswered) -> Denied {
    log(error);
    Denied::Silently
}
