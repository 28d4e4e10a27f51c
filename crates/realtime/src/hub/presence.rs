//! Who says to be on a topic, and what they say of themselves.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

/// What one channel says.
#[derive(Clone, Debug)]
struct Meta {
    member: u64,
    /// Names this saying; clients remove what they added by it.
    reference: String,
    /// The saying that this one replaced.
    previous: Option<String>,
    payload: Map<String, Value>,
}

impl Meta {
    fn to_json(&self) -> Value {
        let mut payload = self.payload.clone();
        payload.insert("phx_ref".to_owned(), Value::from(self.reference.as_str()));
        if let Some(previous) = &self.previous {
            payload.insert("phx_ref_prev".to_owned(), Value::from(previous.as_str()));
        }
        Value::Object(payload)
    }
}

/// A change.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Diff {
    joins: Map<String, Value>,
    leaves: Map<String, Value>,
}

impl Diff {
    pub(super) fn to_json(&self) -> String {
        json!({ "joins": self.joins, "leaves": self.leaves }).to_string()
    }
}

fn one(key: &str, meta: &Meta) -> Map<String, Value> {
    Map::from_iter([(key.to_owned(), json!({ "metas": [meta.to_json()] }))])
}

/// Everybody on one topic, by the name they chose; several channels may share a name.
#[derive(Debug, Default)]
pub(super) struct Presences(BTreeMap<String, Vec<Meta>>);

impl Presences {
    /// `member` is there under `key`; nothing if it says what it said before.
    pub(super) fn track(&mut self, key: &str, member: u64, payload: Map<String, Value>) -> Option<Diff> {
        let metas = self.0.entry(key.to_owned()).or_default();
        let old = metas.iter_mut().find(|meta| meta.member == member);
        if old.as_ref().is_some_and(|old| old.payload == payload) {
            return None;
        }
        let previous = old.as_ref().map(|old| old.reference.clone());
        let new = Meta { member, reference: fresh_reference(), previous, payload };
        let joins = one(key, &new);
        let leaves = match old {
            Some(old) => one(key, &std::mem::replace(old, new)),
            None => {
                metas.push(new);
                Map::new()
            }
        };
        Some(Diff { joins, leaves })
    }

    /// `member` is there no longer; nothing if it was not.
    pub(super) fn untrack(&mut self, key: &str, member: u64) -> Option<Diff> {
        let metas = self.0.get_mut(key)?;
        let index = metas.iter().position(|meta| meta.member == member)?;
        let leaves = one(key, &metas.remove(index));
        if metas.is_empty() {
            self.0.remove(key);
        }
        Some(Diff { joins: Map::new(), leaves })
    }

    /// Everybody.
    pub(super) fn to_json(&self) -> String {
        let entry = |(key, metas): (&String, &Vec<Meta>)| {
            let metas: Vec<Value> = metas.iter().map(Meta::to_json).collect();
            (key.clone(), json!({ "metas": metas }))
        };
        Value::Object(self.0.iter().map(entry).collect()).to_string()
    }
}

fn fresh_reference() -> String {
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; 9]>())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn said(n: i64) -> Map<String, Value> {
        Map::from_iter([("n".to_owned(), Value::from(n))])
    }

    #[test]
    fn an_update_leaves_what_it_replaces() {
        let mut all = Presences::default();
        let first = all.track("k", 1, said(1)).unwrap();
        assert!(first.leaves.is_empty());
        assert!(all.track("k", 1, said(1)).is_none(), "the same again is no change");
        let second = all.track("k", 1, said(2)).unwrap();
        let reference = |map: &Map<String, Value>, name: &str| map["k"]["metas"][0][name].clone();
        assert_eq!(reference(&second.joins, "phx_ref_prev"), reference(&first.joins, "phx_ref"));
        assert_eq!(reference(&second.leaves, "phx_ref"), reference(&first.joins, "phx_ref"));
        let third = all.untrack("k", 1).unwrap();
        assert_eq!(reference(&third.leaves, "phx_ref"), reference(&second.joins, "phx_ref"));
        assert_eq!(all.to_json(), "{}");
        assert!(all.untrack("k", 1).is_none());
    }

    #[test]
    fn a_name_may_be_shared() {
        let mut all = Presences::default();
        all.track("k", 1, said(1)).unwrap();
        all.track("k", 2, said(2)).unwrap();
        let state: Value = serde_json::from_str(&all.to_json()).unwrap();
        assert_eq!(state["k"]["metas"].as_array().unwrap().len(), 2);
        let diff = all.untrack("k", 1).unwrap();
        assert_eq!(diff.leaves["k"]["metas"][0]["n"], 1);
        let state: Value = serde_json::from_str(&all.to_json()).unwrap();
        assert_eq!(state["k"]["metas"][0]["n"], 2);
    }

    #[test]
    fn nobody_chooses_the_reference() {
        let mut all = Presences::default();
        let forged = Map::from_iter([("phx_ref".to_owned(), Value::from("mine"))]);
        let diff = all.track("k", 1, forged).unwrap();
        assert_ne!(diff.joins["k"]["metas"][0]["phx_ref"], "mine");
    }
}
