//! Broadcasts of a client.

use bytes::Bytes;

use super::opening::log;
use super::{Channel, Flow};
use crate::authz::Extension;
use crate::protocol::message::Content;
use crate::protocol::outgoing::Shared;
use crate::socket::Address;

impl Channel {
    /// One that came as text is passed on as text, whole and unchanged.
    pub(super) async fn text_broadcast(&mut self, address: &Address, payload: &Bytes) -> Flow {
        let message = Shared::Event { event: "broadcast", payload: payload.clone() };
        self.broadcast(address, &message).await
    }

    /// One that came as a binary frame.
    pub(super) async fn binary_broadcast(
        &mut self,
        address: &Address,
        event: &str,
        metadata: &Bytes,
        content: &Content,
    ) -> Flow {
        let message =
            Shared::Broadcast { event: event.into(), metadata: metadata.clone(), content: content.clone() };
        self.broadcast(address, &message).await
    }

    async fn broadcast(&mut self, address: &Address, message: &Shared) -> Flow {
        if !self.may_broadcast().await {
            // Upstream's rule: silence, even where an answer was asked for.
            return Flow::On;
        }
        let service = &self.link.service;
        if service.has_too_many_events() {
            return Flow::Shut("Too many messages per second".to_owned());
        }
        if message.len() > service.config().max_payload.get() {
            tracing::warn!(
                topic = &*self.name,
                size = message.len(),
                "a broadcast is too large and was dropped"
            );
            if self.ack {
                self.link.reply(address, false, r#""payload_size_exceeded""#);
            }
            return Flow::On;
        }
        service.metrics.broadcasts.add(message.len());
        let delivered = self.membership.broadcast(message, self.to_self);
        service.counters.events.add(service.now(), 1 + delivered);
        if self.ack {
            self.link.reply(address, true, "{}");
        }
        Flow::On
    }

    /// Asked once for each token.
    async fn may_broadcast(&mut self) -> bool {
        if !self.is_private {
            return true;
        }
        if let Some(known) = self.may_write.broadcast {
            return known;
        }
        match self.question().is_writable(Extension::Broadcast).await {
            Ok(may) => {
                self.may_write.broadcast = Some(may);
                may
            }
            Err(error) => {
                log(&error);
                false
            }
        }
    }
}
