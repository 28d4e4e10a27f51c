//! What an identity provider says of someone, and what it is answered.

use serde_json::{Map, Value, json};

use super::Refusal;
use crate::identifier;
use crate::user::Object;

/// The name of what a person is.
pub(crate) const SCHEMA: &str = "urn:ietf:params:scim:schemas:core:2.0:User";

/// Longer texts are refused, in letters.
const LONGEST: usize = 255;

/// What kind of address one is of which nothing else is said.
pub(crate) const WORK: &str = "work";

const NAMES: [&str; 3] = ["formatted", "givenName", "familyName"];

/// Someone, as the identity provider knows them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Person {
    pub(crate) user_name: String,
    pub(crate) external_id: Option<String>,
    pub(crate) active: bool,
    /// Normalised.
    pub(crate) email: String,
    /// Which of their addresses it is: `work` unless they said otherwise.
    pub(crate) email_type: String,
    /// `displayName` and `name`, as far as they were said.
    pub(crate) attributes: Object,
}

impl Person {
    /// Reads what came; attributes that we do not keep do not count. Who says nothing of `active` leaves it as it
    /// was: nobody is let in again by being left out.
    pub(crate) fn read(said: &Object, was_active: bool) -> Result<Self, Refusal> {
        let user_name = text(said, "userName")?.ok_or_else(|| Refusal::value("userName is required"))?;
        let external_id = text(said, "externalId")?;
        let active = match field(said, "active") {
            None => was_active,
            Some(value) => truth(value).ok_or_else(|| Refusal::value("active must be true or false"))?,
        };
        let mail = mail(said)?;
        let email_type = mail.map(|mail| text(mail, "type")).transpose()?.flatten();
        let email = mail.map(|mail| text(mail, "value")).transpose()?.flatten();
        let email = email.unwrap_or_else(|| user_name.clone());
        let email = identifier::email(&email)
            .map_err(|_| Refusal::value("emails must hold an address, or userName be one"))?;
        let mut attributes = Object::new();
        if let Some(name) = text(said, "displayName")? {
            attributes.insert("displayName".to_owned(), json!(name));
        }
        let name = match field(said, "name") {
            None => None,
            Some(Value::Object(name)) => Some(name),
            Some(_) => return Err(Refusal::value("name must be an object")),
        };
        let mut kept = Map::new();
        for part in NAMES {
            if let Some(text) = name.map(|name| text(name, part)).transpose()?.flatten() {
                kept.insert(part.to_owned(), json!(text));
            }
        }
        if !kept.is_empty() {
            attributes.insert("name".to_owned(), Value::Object(kept));
        }
        let email_type = email_type.unwrap_or_else(|| WORK.to_owned());
        Ok(Self { user_name, external_id, active, email, email_type, attributes })
    }

    /// As it is read.
    pub(crate) fn write(&self) -> Object {
        let mut said = self.attributes.clone();
        said.insert("userName".to_owned(), json!(self.user_name));
        said.insert("active".to_owned(), json!(self.active));
        if let Some(id) = &self.external_id {
            said.insert("externalId".to_owned(), json!(id));
        }
        if !self.email.is_empty() {
            let mail = json!({ "value": self.email, "type": self.email_type, "primary": true });
            said.insert("emails".to_owned(), json!([mail]));
        }
        said
    }

    /// What applications see of it, where identities leave it as well.
    pub(crate) fn metadata(&self) -> Object {
        let said = |path: &[&str]| {
            let mut value = Some(&self.attributes).map(|object| Value::Object(object.clone()));
            for key in path {
                value = value.and_then(|mut value| value.get_mut(key).map(Value::take));
            }
            value.and_then(|value| value.as_str().map(str::to_owned))
        };
        let (given, family) = (said(&["name", "givenName"]), said(&["name", "familyName"]));
        let both = || match (&given, &family) {
            (Some(given), Some(family)) => Some(format!("{given} {family}")),
            (given, family) => given.clone().or_else(|| family.clone()),
        };
        let full = said(&["displayName"]).or_else(|| said(&["name", "formatted"])).or_else(both);
        let named = [("full_name", full), ("given_name", given.clone()), ("family_name", family.clone())];
        let mut metadata: Object =
            named.into_iter().filter_map(|(name, text)| Some((name.to_owned(), json!(text?)))).collect();
        metadata.insert("email".to_owned(), json!(self.email));
        metadata
    }
}

/// An attribute; capital letters in its name say nothing, and null is none.
pub(super) fn field<'a>(object: &'a Object, name: &str) -> Option<&'a Value> {
    let found = object.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value).filter(|value| !value.is_null())
}

/// An attribute that is a text; an empty one is none.
fn text(object: &Object, name: &str) -> Result<Option<String>, Refusal> {
    match field(object, name) {
        None => Ok(None),
        Some(Value::String(text)) if text.chars().count() > LONGEST || text.contains('\0') => {
            Err(Refusal::value(format!("{name} must have at most {LONGEST} letters")))
        }
        Some(Value::String(text)) => Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty())),
        Some(_) => Err(Refusal::value(format!("{name} must be a string"))),
    }
}

/// Some identity providers write truths as texts.
fn truth(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(truth) => Some(*truth),
        Value::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// The primary address, else the first.
fn mail(said: &Object) -> Result<Option<&Object>, Refusal> {
    let list = match field(said, "emails") {
        None => return Ok(None),
        Some(Value::Array(list)) => list,
        Some(_) => return Err(Refusal::value("emails must be a list")),
    };
    let mails: Vec<&Object> = list.iter().filter_map(Value::as_object).collect();
    Ok(mails.iter().find(|mail| is_primary(mail)).or(mails.first()).copied())
}

pub(super) fn is_primary(mail: &Object) -> bool {
    field(mail, "primary").and_then(truth) == Some(true)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn read(said: Value) -> Result<Person, String> {
        Person::read(said.as_object().unwrap(), true).map_err(|refusal| refusal.to_string())
    }

    #[test]
    fn people() {
        let jane = read(json!({
            "schemas": [SCHEMA], "UserName": "Jane", "externalId": "7", "title": "Dr", "active": "False",
            "name": { "givenName": "Jane", "familyName": "Doe", "middleName": "X" },
            "emails": [{ "value": "home@example.com" }, { "value": "Jane@Example.com", "primary": true }],
        }))
        .unwrap();
        assert_eq!((jane.user_name.as_str(), jane.email.as_str()), ("Jane", "jane@example.com"));
        assert_eq!((jane.external_id.as_deref(), jane.active), (Some("7"), false));
        assert_eq!(json!(jane.attributes), json!({ "name": { "givenName": "Jane", "familyName": "Doe" } }));
        let metadata = json!({
            "full_name": "Jane Doe", "given_name": "Jane", "family_name": "Doe", "email": "jane@example.com",
        });
        assert_eq!(json!(jane.metadata()), metadata);
        assert_eq!(Person::read(&jane.write(), true).ok(), Some(jane));
        let john = read(json!({ "userName": "john@example.com", "displayName": "John", "externalId": null }));
        let john = john.unwrap();
        assert_eq!((john.email.as_str(), john.active, john.external_id), ("john@example.com", true, None));
        let home = json!({ "userName": "j", "emails": [{ "value": "j@example.com", "type": "home" }] });
        let home = Person::read(home.as_object().unwrap(), false).unwrap();
        assert_eq!((home.active, &home.write()["emails"][0]["type"]), (false, &json!("home")));
    }

    #[test]
    fn what_cannot_be_used() {
        let check = |said: Value, expected: &str| assert_eq!(read(said).err().as_deref(), Some(expected));
        check(json!({}), "userName is required");
        check(json!({ "userName": " " }), "userName is required");
        check(json!({ "userName": 7 }), "userName must be a string");
        check(json!({ "userName": "jane" }), "emails must hold an address, or userName be one");
        check(json!({ "userName": "j@example.com", "active": 1 }), "active must be true or false");
        check(json!({ "userName": "j@example.com", "name": "J" }), "name must be an object");
        check(json!({ "userName": "j@example.com", "emails": "x" }), "emails must be a list");
        check(json!({ "userName": "x".repeat(256) }), "userName must have at most 255 letters");
    }
}
