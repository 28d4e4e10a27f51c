//! Who says to be on a topic, and what they say of themselves: channels of this instance, and of others.
//!
//! What is said is kept as the JSON text it is sent as.

use std::collections::BTreeMap;
use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::relay::envelope::Entry;
use crate::protocol::text::quoted;

/// The names that are ours in what is said.
const REFERENCE: &str = "phx_ref";
const PREVIOUS: &str = "phx_ref_prev";

/// A channel: the instance that holds its socket, and its number there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Who {
    pub(crate) instance: u64,
    pub(crate) member: u64,
}

/// What one channel says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Saying {
    /// Names this saying; clients remove what they added by it.
    pub(crate) reference: Box<str>,
    /// The saying that this one replaced.
    pub(crate) previous: Option<Box<str>>,
    /// A JSON object, without the two above.
    pub(crate) payload: Box<str>,
}

impl Saying {
    fn to_json(&self) -> String {
        let mut json = format!(r#"{{"{REFERENCE}":{}"#, quoted(&self.reference));
        if let Some(previous) = &self.previous {
            // Writing to a string does not fail.
            let _ = write!(json, r#","{PREVIOUS}":{}"#, quoted(previous));
        }
        match self.payload.strip_prefix('{') {
            None | Some("}") => json.push('}'),
            Some(rest) => {
                json.push(',');
                json.push_str(rest);
            }
        }
        json
    }
}

/// Sayings as JSON, by name.
type Metas = BTreeMap<Box<str>, Vec<String>>;

/// A change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Diff {
    joins: Metas,
    leaves: Metas,
}

impl Diff {
    pub(super) fn to_json(&self) -> String {
        format!(r#"{{"joins":{},"leaves":{}}}"#, object(&self.joins), object(&self.leaves))
    }
}

/// `{name: {"metas": […]}}`
fn object(metas: &Metas) -> String {
    let entries =
        metas.iter().map(|(name, metas)| format!(r#"{}:{{"metas":[{}]}}"#, quoted(name), metas.join(",")));
    format!("{{{}}}", entries.collect::<Vec<_>>().join(","))
}

/// Everybody on one topic, by the name they chose; several channels may share a name.
#[derive(Debug, Default)]
pub(crate) struct Presences(BTreeMap<Box<str>, Vec<(Who, Saying)>>);

impl Presences {
    /// A channel of this instance is there under `name`; nothing if it says what it said before.
    pub(super) fn say(
        &mut self,
        name: &str,
        who: Who,
        mut payload: Map<String, Value>,
    ) -> Option<(Diff, Saying)> {
        payload.remove(REFERENCE);
        payload.remove(PREVIOUS);
        let payload = Value::Object(payload).to_string().into_boxed_str();
        let old = self.find(name, who);
        if old.is_some_and(|old| old.payload == payload) {
            return None;
        }
        let previous = old.map(|old| old.reference.clone());
        let saying = Saying { reference: fresh_reference(), previous, payload };
        self.put(name, who, saying.clone()).map(|diff| (diff, saying))
    }

    /// `who` is there under `name` and says this; nothing if that is known.
    pub(super) fn put(&mut self, name: &str, who: Who, saying: Saying) -> Option<Diff> {
        if self.find(name, who) == Some(&saying) {
            return None;
        }
        let mut diff = Diff::default();
        diff.joins.insert(name.into(), vec![saying.to_json()]);
        let metas = self.0.entry(name.into()).or_default();
        match metas.iter_mut().find(|(there, _)| *there == who) {
            Some((_, old)) => {
                diff.leaves.insert(name.into(), vec![std::mem::replace(old, saying).to_json()]);
            }
            None => metas.push((who, saying)),
        }
        Some(diff)
    }

    fn find(&self, name: &str, who: Who) -> Option<&Saying> {
        self.0.get(name)?.iter().find(|(there, _)| *there == who).map(|(_, saying)| saying)
    }

    /// `who` is there no longer; nothing if it was not.
    pub(super) fn remove(&mut self, name: &str, who: Who) -> Option<Diff> {
        let metas = self.0.get_mut(name)?;
        let index = metas.iter().position(|(there, _)| *there == who)?;
        let (_, saying) = metas.remove(index);
        if metas.is_empty() {
            self.0.remove(name);
        }
        let mut diff = Diff::default();
        diff.leaves.insert(name.into(), vec![saying.to_json()]);
        Some(diff)
    }

    /// Of those of `instance`, only `entries` are there; nothing if nothing changes.
    pub(super) fn replace(&mut self, instance: u64, entries: Vec<Entry>) -> Option<Diff> {
        let mut diff = Diff::default();
        let stays = |name: &str, who: Who| {
            who.instance != instance
                || entries.iter().any(|entry| *entry.name == *name && entry.member == who.member)
        };
        self.0.retain(|name, metas| {
            metas.retain(|(who, saying)| {
                let stays = stays(name, *who);
                if !stays {
                    diff.leaves.entry(name.clone()).or_default().push(saying.to_json());
                }
                stays
            });
            !metas.is_empty()
        });
        for Entry { name, member, saying } in entries {
            if let Some(change) = self.put(&name, Who { instance, member }, saying) {
                for (all, some) in [(&mut diff.joins, change.joins), (&mut diff.leaves, change.leaves)] {
                    some.into_iter().for_each(|(name, metas)| all.entry(name).or_default().extend(metas));
                }
            }
        }
        (diff != Diff::default()).then_some(diff)
    }

    /// Those of `instance`.
    pub(super) fn of(&self, instance: u64) -> Vec<Entry> {
        let all =
            self.0.iter().flat_map(|(name, metas)| metas.iter().map(move |(who, said)| (name, who, said)));
        let own = all.filter(|(_, who, _)| who.instance == instance);
        own.map(|(name, who, said)| Entry { name: name.clone(), member: who.member, saying: said.clone() })
            .collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Everybody.
    pub(super) fn to_json(&self) -> String {
        let entries = self
            .0
            .iter()
            .map(|(name, metas)| (name.clone(), metas.iter().map(|(_, saying)| saying.to_json()).collect()));
        object(&entries.collect())
    }
}

fn fresh_reference() -> Box<str> {
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; 9]>()).into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    fn said(n: i64) -> Map<String, Value> {
        Map::from_iter([("n".to_owned(), Value::from(n))])
    }

    fn who(instance: u64, member: u64) -> Who {
        Who { instance, member }
    }

    fn read(diff: &Diff) -> Value {
        serde_json::from_str(&diff.to_json()).unwrap()
    }

    #[test]
    fn an_update_leaves_what_it_replaces() {
        let mut all = Presences::default();
        let (first, _) = all.say("k", who(0, 1), said(1)).unwrap();
        assert!(first.leaves.is_empty());
        assert!(all.say("k", who(0, 1), said(1)).is_none(), "the same again is no change");
        let (second, _) = all.say("k", who(0, 1), said(2)).unwrap();
        let reference = |diff: &Diff, side: &str, name: &str| read(diff)[side]["k"]["metas"][0][name].clone();
        assert_eq!(reference(&second, "joins", "phx_ref_prev"), reference(&first, "joins", "phx_ref"));
        assert_eq!(reference(&second, "leaves", "phx_ref"), reference(&first, "joins", "phx_ref"));
        let third = all.remove("k", who(0, 1)).unwrap();
        assert_eq!(reference(&third, "leaves", "phx_ref"), reference(&second, "joins", "phx_ref"));
        assert_eq!(all.to_json(), "{}");
        assert!(all.remove("k", who(0, 1)).is_none());
    }

    #[test]
    fn a_name_may_be_shared() {
        let mut all = Presences::default();
        all.say("k", who(0, 1), said(1)).unwrap();
        all.say("k", who(0, 2), said(2)).unwrap();
        let state: Value = serde_json::from_str(&all.to_json()).unwrap();
        assert_eq!(state["k"]["metas"].as_array().unwrap().len(), 2);
        let diff = read(&all.remove("k", who(0, 1)).unwrap());
        assert_eq!(diff["leaves"]["k"]["metas"][0]["n"], 1);
        let state: Value = serde_json::from_str(&all.to_json()).unwrap();
        assert_eq!(state["k"]["metas"][0]["n"], 2);
    }

    #[test]
    fn nobody_chooses_the_reference() {
        let mut all = Presences::default();
        let forged = Map::from_iter(["phx_ref", "phx_ref_prev"].map(|name| (name.to_owned(), "mine".into())));
        let (diff, saying) = all.say("k", who(0, 1), forged).unwrap();
        let expected =
            json!({ "joins": { "k": { "metas": [{ "phx_ref": &*saying.reference }] } }, "leaves": {} });
        assert_eq!(read(&diff), expected);
    }

    #[test]
    fn what_another_instance_says_last_counts() {
        let (mut there, mut here) = (Presences::default(), Presences::default());
        there.say("a", who(7, 1), said(1)).unwrap();
        there.say("b", who(7, 2), said(2)).unwrap();
        here.say("a", who(1, 1), said(0)).unwrap();
        let diff = read(&here.replace(7, there.of(7)).unwrap());
        assert_eq!((&diff["joins"]["a"]["metas"][0]["n"], &diff["leaves"]), (&json!(1), &json!({})));
        assert_eq!(here.replace(7, there.of(7)), None, "the same again is no change");
        there.remove("a", who(7, 1)).unwrap();
        there.say("b", who(7, 2), said(3)).unwrap();
        let diff = read(&here.replace(7, there.of(7)).unwrap());
        assert_eq!(diff["joins"]["b"]["metas"][0]["n"], 3);
        assert_eq!(diff["leaves"]["a"]["metas"][0]["n"], 1);
        assert_eq!(diff["leaves"]["b"]["metas"][0]["n"], 2);
        here.replace(7, Vec::new()).unwrap();
        assert_eq!(here.of(7), []);
        assert_eq!(here.of(1).len(), 1, "others stay");
    }
}
