//! Bodies: checked once, kept as raw bytes, never re-serialised.
//!
//! JSON is scanned, not built: all that is needed is that it is valid and which keys its objects
//! have. With `columns` it is not looked at at all, so the hot path of supabase-js costs nothing.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use bytes::Bytes;
use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::MediaType;
use super::csv;
use super::query::decode;
use crate::error::Error;

/// The deepest nesting of JSON that is scanned; Postgres gives up not far above.
const MAX_JSON_DEPTH: usize = 1000;

/// How much larger JSON may be than the CSV it is made of, and how many bytes more: each row repeats
/// the names of the header, which are as long as the client likes.
const CSV_GROWTH: usize = 32;
const CSV_ROOM: usize = 16 << 20;

/// The most fields of a form.
const MAX_FIELDS: usize = 65_535;

/// A body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Payload {
    /// JSON that was scanned: an object, or an array of objects that all have `keys`.
    Json {
        /// The JSON text.
        raw: Bytes,
        /// The keys of every object.
        keys: BTreeSet<String>,
    },
    /// JSON that was not looked at, because `columns` says which keys matter.
    RawJson(Bytes),
    /// Arguments of a function from a form; a repeated key is a variadic argument.
    Form(Vec<(String, String)>),
    /// The one unnamed argument of a function: text, xml or bytea.
    Raw(Bytes),
}

impl Payload {
    /// Reads a body of the given type. `has_columns` says that `columns` was given and counts;
    /// `is_call` that the body is for a function.
    pub(super) fn parse(
        raw: Bytes,
        content_type: &MediaType,
        has_columns: bool,
        is_call: bool,
    ) -> Result<Self, Error> {
        match content_type {
            MediaType::Json if has_columns => Ok(Self::RawJson(raw)),
            MediaType::Json if raw.is_empty() && is_call => {
                Ok(Self::Json { raw: Bytes::from_static(b"{}"), keys: BTreeSet::new() })
            }
            MediaType::Json => json(raw),
            MediaType::Csv => from_csv(&raw),
            MediaType::UrlEncoded if is_call => Ok(Self::Form(form(&raw)?)),
            MediaType::UrlEncoded => {
                let object: Map<_, _> =
                    form(&raw)?.into_iter().map(|(key, value)| (key, Value::String(value))).collect();
                let keys = object.keys().cloned().collect();
                Ok(Self::Json { raw: Value::Object(object).to_string().into(), keys })
            }
            MediaType::TextPlain | MediaType::TextXml | MediaType::OctetStream if is_call => {
                Ok(Self::Raw(raw))
            }
            other => Err(Error::Body(format!("Content-Type not acceptable: {}", other.mime()))),
        }
    }

    /// The columns or arguments that the body names by itself.
    pub(super) fn keys(&self) -> Option<BTreeSet<String>> {
        match self {
            Self::Json { keys, .. } => Some(keys.clone()),
            Self::Form(pairs) => Some(pairs.iter().map(|(key, _)| key.clone()).collect()),
            Self::RawJson(_) | Self::Raw(_) => None,
        }
    }
}

fn json(raw: Bytes) -> Result<Payload, Error> {
    let invalid = || Error::Body("Empty or invalid json".to_owned());
    let text = std::str::from_utf8(&raw).map_err(|_| invalid())?;
    if is_deeper_than(text, MAX_JSON_DEPTH) {
        return Err(invalid());
    }
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let shape = if text.trim_start().starts_with('[') {
        deserializer.deserialize_seq(Rows).map_err(|_| invalid())?
    } else {
        match (Element { order: &[] }).deserialize(&mut deserializer).map_err(|_| invalid())? {
            Row::Keys(keys) => Shape::Objects(owned(keys)),
            Row::SameKeys => Shape::Objects(BTreeSet::new()),
            Row::NoObject => Shape::Nothing,
        }
    };
    deserializer.end().map_err(|_| invalid())?;
    match shape {
        Shape::Objects(keys) => Ok(Payload::Json { raw, keys }),
        Shape::Nothing => Ok(Payload::Json { raw: Bytes::from_static(b"[]"), keys: BTreeSet::new() }),
        Shape::Mixed => Err(Error::Body("All object keys must match".to_owned())),
    }
}

fn owned(keys: Vec<Cow<'_, str>>) -> BTreeSet<String> {
    keys.into_iter().map(Cow::into_owned).collect()
}

fn is_deeper_than(json: &str, limit: usize) -> bool {
    let (mut depth, mut inside, mut escaped) = (0_usize, false, false);
    json.bytes().any(|byte| {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if inside => escaped = true,
            b'"' => inside = !inside,
            b'[' | b'{' if !inside => depth += 1,
            b']' | b'}' if !inside => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth > limit
    })
}

fn from_csv(raw: &[u8]) -> Result<Payload, Error> {
    let text = std::str::from_utf8(raw).map_err(|_| Error::Body("The CSV is not valid UTF-8".to_owned()))?;
    let mut records = csv::records(text);
    let header = records.next().unwrap_or_else(|| Err(Error::Body("not enough input".to_owned())))?;
    let room = text.len().saturating_mul(CSV_GROWTH).saturating_add(CSV_ROOM);
    let mut json = String::from("[");
    let mut is_empty = true;
    for record in records {
        let record = record?;
        if record.len() < header.len() {
            return Err(Error::Body("All lines must have same number of fields".to_owned()));
        }
        let cell = |text: String| if text == "NULL" { Value::Null } else { Value::String(text) };
        let object: Map<_, _> = header.iter().cloned().zip(record.into_iter().map(cell)).collect();
        json.push_str(if is_empty { "" } else { "," });
        json.push_str(&Value::Object(object).to_string());
        is_empty = false;
        if json.len() > room {
            return Err(Error::Body("The CSV is too large with its header in every row".to_owned()));
        }
    }
    json.push(']');
    let keys = if is_empty { BTreeSet::new() } else { header.into_iter().collect() };
    Ok(Payload::Json { raw: json.into(), keys })
}

fn form(raw: &[u8]) -> Result<Vec<(String, String)>, Error> {
    let invalid = |_| Error::Body("The form is not valid UTF-8".to_owned());
    let fields = || raw.split(|&byte| byte == b'&' || byte == b';').filter(|part| !part.is_empty());
    if fields().count() > MAX_FIELDS {
        return Err(Error::Body(format!("The form has more than {MAX_FIELDS} fields")));
    }
    fields()
        .map(|part| {
            let mut halves = part.splitn(2, |&byte| byte == b'=');
            let mut half = || decode(halves.next().unwrap_or_default()).map_err(invalid);
            Ok((half()?, half()?))
        })
        .collect()
}

/// What a JSON document is made of.
enum Shape {
    /// An object, or objects that all have these keys.
    Objects(BTreeSet<String>),
    /// No row: an empty array, or a scalar, which upstream takes for one.
    Nothing,
    /// Something else.
    Mixed,
}

/// Reads an array.
struct Rows;

impl<'de> Visitor<'de> for Rows {
    type Value = Shape;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Shape, A::Error> {
        let first = match array.next_element_seed(Element { order: &[] })? {
            None => return Ok(Shape::Nothing),
            Some(Row::Keys(keys)) => keys,
            Some(Row::SameKeys) => Vec::new(),
            Some(Row::NoObject) => {
                while array.next_element::<IgnoredAny>()?.is_some() {}
                return Ok(Shape::Mixed);
            }
        };
        let canonical: BTreeSet<&str> = first.iter().map(AsRef::as_ref).collect();
        let mut matching = true;
        while let Some(row) = array.next_element_seed(Element { order: &first })? {
            matching &= match row {
                Row::SameKeys => true,
                Row::Keys(keys) => keys.iter().map(AsRef::as_ref).collect::<BTreeSet<_>>() == canonical,
                Row::NoObject => false,
            };
        }
        if !matching {
            return Ok(Shape::Mixed);
        }
        Ok(Shape::Objects(owned(first)))
    }
}

/// An element of the array; `order` is the keys of the first, most likely those of all.
struct Element<'a, 'de> {
    order: &'a [Cow<'de, str>],
}

enum Row<'de> {
    SameKeys,
    Keys(Vec<Cow<'de, str>>),
    NoObject,
}

impl<'de> DeserializeSeed<'de> for Element<'_, 'de> {
    type Value = Row<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Row<'de>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Element<'_, 'de> {
    type Value = Row<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Row<'de>, A::Error> {
        Ok(object_keys(map, self.order)?.map_or(Row::SameKeys, Row::Keys))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Row<'de>, A::Error> {
        while array.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Row::NoObject)
    }

    fn visit_unit<E: de::Error>(self) -> Result<Row<'de>, E> {
        Ok(Row::NoObject)
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<Row<'de>, E> {
        Ok(Row::NoObject)
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<Row<'de>, E> {
        Ok(Row::NoObject)
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<Row<'de>, E> {
        Ok(Row::NoObject)
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<Row<'de>, E> {
        Ok(Row::NoObject)
    }

    fn visit_str<E: de::Error>(self, _: &str) -> Result<Row<'de>, E> {
        Ok(Row::NoObject)
    }
}

/// The keys of an object, `None` if they are exactly `order`.
fn object_keys<'de, A: MapAccess<'de>>(
    mut map: A,
    order: &[Cow<'de, str>],
) -> Result<Option<Vec<Cow<'de, str>>>, A::Error> {
    let mut same = 0;
    let mut other: Option<Vec<Cow<'de, str>>> = None;
    while let Some(Key(key)) = map.next_key()? {
        match &mut other {
            Some(keys) => keys.push(key),
            None if order.get(same).is_some_and(|expected| *expected == key) => same += 1,
            None => {
                let mut keys: Vec<_> = order.iter().take(same).cloned().collect();
                keys.push(key);
                other = Some(keys);
            }
        }
        map.next_value::<IgnoredAny>()?;
    }
    Ok(match other {
        None if same < order.len() => Some(order.iter().take(same).cloned().collect()),
        other => other,
    })
}

/// A key, borrowed from the text where it holds no escapes.
struct Key<'de>(Cow<'de, str>);

impl<'de> de::Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;
        impl<'de> Visitor<'de> for KeyVisitor {
            type Value = Key<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_borrowed_str<E: de::Error>(self, key: &'de str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Borrowed(key)))
            }

            fn visit_str<E: de::Error>(self, key: &str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(key.to_owned())))
            }
        }
        deserializer.deserialize_str(KeyVisitor)
    }
}

#[cfg(test)]
#[path = "body/tests.rs"]
mod tests;
