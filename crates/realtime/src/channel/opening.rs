//! The checks of a join, in upstream's order.

use std::rc::Rc;
use std::sync::Arc;

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::changes::{self, Changes};
use super::presence::Presence;
use super::replay::replay;
use super::{Channel, Opening, Writable};
use crate::authz::{Question, Readable, Unanswered};
use crate::changes::registry::Destination;
use crate::changes::wanted::{self, Wanted};
use crate::error::JoinError;
use crate::hub::Key;
use crate::hub::topic::{Member, Rights};
use crate::limit::Window;
use crate::protocol::join::Join;
use crate::protocol::outgoing::reply;
use crate::socket::Link;
use crate::token::{Caller, is_opaque};

/// Joins a topic and answers that it is joined.
///
/// # Errors
///
/// Why not; then nothing was answered.
pub(super) async fn open(link: &Rc<Link>, opening: &Opening) -> Result<Box<Channel>, JoinError> {
    let service = &link.service;
    let join = Join::parse(&opening.payload);
    if join.is_odd {
        tracing::info!(
            error_code = "InvalidJoinPayload",
            "a join of an odd shape; what could be read was taken"
        );
    }
    admit(link, opening, &join)?;
    let caller = caller(link, join.token.as_deref())?;
    let readable = readable(link, opening, &join, &caller).await?;
    let replayed = replay(link, &opening.name, &join, readable).await?;

    let rights = Rights::new(readable.broadcast, readable.presence);
    let key = Key { private: join.private, name: Arc::clone(&opening.name) };
    let member = Member {
        outbox: Arc::clone(&link.outbox),
        version: link.version,
        rights: Arc::clone(&rights),
        replayed: replayed.rows.into(),
    };
    let address = &opening.address;
    let asked = if join.is_legacy { vec![Wanted::of_topic(&opening.name)] } else { join.changes };
    let plan = changes::plan(service, &asked, &caller.identity).await;
    let (ids, echoed): (Vec<u64>, Vec<Value>) = asked.iter().map(with_id).unzip();
    let response = json!({ "postgres_changes": echoed }).to_string();
    let greeting = reply(
        link.version,
        address.join_ref.as_ref(),
        address.reference.as_ref(),
        &address.topic,
        true,
        &response,
    );
    let since = if service.changes.keeps() { wanted::since(&asked) } else { None };
    let greet = || service.hub.join(&key, member, &greeting);
    let (subscribed, membership) = match &plan {
        Some(plan) if !plan.wanted.is_empty() => {
            let to = Destination {
                outbox: Arc::clone(&link.outbox),
                version: link.version,
                topic: address.topic.clone(),
                is_legacy: join.is_legacy,
                resumes: since.is_some(),
            };
            let wanted = ids.into_iter().zip(plan.wanted.iter().cloned()).collect();
            let identity = plan.outcome.is_ok().then(|| Arc::clone(&caller.identity));
            let (subscribed, membership) = service.changes.registry.enter(to, wanted, identity, greet);
            (Some(subscribed), membership)
        }
        _ => (None, greet()),
    };
    replayed.frames.iter().for_each(|frame| link.push(frame));
    let presence_key = join.presence_key.unwrap_or_else(|| Uuid::new_v4().to_string());
    Ok(Box::new(Channel {
        link: Rc::clone(link),
        topic: address.topic.clone(),
        name: key.name,
        join_ref: address.join_ref.clone(),
        caller,
        is_private: join.private,
        ack: join.ack,
        to_self: join.to_self,
        presence: Presence::new(presence_key, join.presence),
        rights,
        may_write: Writable::default(),
        calls: Window::new(service.now()),
        wants_stream: join.replication_ready,
        changes: plan.map(|plan| Changes::new(link, plan, subscribed, since)),
        membership,
    }))
}

fn admit(link: &Link, opening: &Opening, join: &Join) -> Result<(), JoinError> {
    let service = &link.service;
    if opening.name.is_empty() {
        return Err(JoinError::NoTopic);
    }
    if service.sockets.is_draining() {
        return Err(JoinError::Restarting);
    }
    if service.config().private_only && !join.private {
        return Err(JoinError::PrivateOnly);
    }
    let now = service.now();
    if service.counters.joins_per_second(now) >= service.config().max_joins_per_second {
        return Err(JoinError::TooManyJoins);
    }
    service.counters.joins.add(now, 1);
    if opening.others >= service.config().max_channels_per_socket {
        return Err(JoinError::TooManyChannels);
    }
    Ok(())
}

/// Who joins: the caller of the token that came along, or who opened the socket.
fn caller(link: &Link, token: Option<&str>) -> Result<Caller, JoinError> {
    let tokens = &link.service.tokens;
    match token {
        Some(token) if !is_opaque(token) && *token != *link.caller.token => {
            tokens.token(token).map_err(JoinError::Token)
        }
        _ => {
            tokens.unexpired(link.caller.expires_at).map_err(JoinError::Token)?;
            Ok(link.caller.clone())
        }
    }
}

async fn readable(
    link: &Link,
    opening: &Opening,
    join: &Join,
    caller: &Caller,
) -> Result<Readable, JoinError> {
    if !join.private {
        return Ok(Readable { broadcast: true, presence: true });
    }
    let question =
        Question { fleet: &link.service.fleet, caller, topic: &opening.name, headers: &link.headers };
    let readable = question.readable(join.presence).await.map_err(|error| {
        log(&error);
        JoinError::unanswered(error, &opening.name)
    })?;
    if readable.is_nothing() {
        return Err(JoinError::Unauthorized(opening.name.to_string()));
    }
    Ok(readable)
}

/// An operator must hear of it: clients only see that they may not.
pub(super) fn log(error: &Unanswered) {
    tracing::warn!(%error, error_code = "RlsPolicyError", "the rights to a private channel could not be found out");
}

/// What was asked for, with an id: the same for the same parameters, never 0, and exact in JavaScript.
fn with_id(change: &Map<String, Value>) -> (u64, Value) {
    let digest = Sha256::digest(Value::Object(change.clone()).to_string());
    let mut id = [0; 8];
    for (to, from) in id.iter_mut().skip(2).zip(digest.iter()) {
        *to = *from;
    }
    let id = u64::from_be_bytes(id) | 1;
    let mut change = change.clone();
    change.insert("id".to_owned(), Value::from(id));
    (id, Value::Object(change))
}
