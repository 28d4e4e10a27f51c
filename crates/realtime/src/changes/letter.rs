//! The frames of one change: receivers with the same rights and wishes share them.

use std::collections::HashMap;

use super::registry::Receiver;
use super::wanted::Event;
use crate::protocol::Version;
use crate::protocol::outgoing::{Frame, push};

/// The forms of one change, each written once.
#[derive(Default)]
pub(super) struct Letters<'a> {
    letters: Vec<Letter<'a>>,
    frames: HashMap<Form, Frame>,
}

/// What tells frames apart.
#[derive(PartialEq, Eq, Hash)]
struct Form {
    letter: usize,
    version: Version,
    topic: Box<str>,
    is_legacy: bool,
    ids: Vec<u64>,
}

/// A change for a role that chose columns.
struct Letter<'a> {
    role: &'a str,
    select: Option<&'a [String]>,
    json: String,
}

impl<'a> Letters<'a> {
    /// The place of the letter for a role that chose columns; `write` writes it if it is the first.
    pub(super) fn letter(
        &mut self,
        role: &'a str,
        select: Option<&'a [String]>,
        write: impl FnOnce() -> String,
    ) -> usize {
        let known = self.letters.iter().position(|letter| letter.role == role && letter.select == select);
        known.unwrap_or_else(|| {
            self.letters.push(Letter { role, select, json: write() });
            self.letters.len() - 1
        })
    }

    /// A letter as a receiver gets it.
    pub(super) fn frame(
        &mut self,
        letter: usize,
        receiver: &Receiver,
        ids: &[u64],
        event: Event,
    ) -> Option<&Frame> {
        let json = &self.letters.get(letter)?.json;
        let form = Form {
            letter,
            version: receiver.version,
            topic: receiver.topic.clone(),
            is_legacy: receiver.is_legacy,
            ids: ids.to_vec(),
        };
        Some(self.frames.entry(form).or_insert_with(|| {
            if receiver.is_legacy {
                return push(receiver.version, None, &receiver.topic, event.name(), json);
            }
            let ids: Vec<String> = ids.iter().map(u64::to_string).collect();
            let payload = format!(r#"{{"ids":[{}],"data":{json}}}"#, ids.join(","));
            push(receiver.version, None, &receiver.topic, "postgres_changes", &payload)
        }))
    }
}
