//! What an identity provider says of somebody.

use chrono::{DateTime, Utc};
use roxmltree::Node;

use super::description::moment;
use super::xml::{self, ASSERTION};

const EMAIL: &str = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress";
const TRANSIENT: &str = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient";
const BEARER: &str = "urn:oasis:names:tc:SAML:2.0:cm:bearer";

/// An assertion, read from bytes that were signed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Assertion {
    pub(crate) id: String,
    pub(crate) issued_at: DateTime<Utc>,
    pub(crate) issuer: String,
    pub(crate) name_id: Option<NameId>,
    /// How whoever brings it shows that it is about them: by having it.
    pub(crate) bearers: Vec<Bearer>,
    pub(crate) not_before: Option<DateTime<Utc>>,
    pub(crate) not_on_or_after: Option<DateTime<Utc>>,
    /// For whom it is: each list has to name us.
    pub(crate) audiences: Vec<Vec<String>>,
    pub(crate) attributes: Vec<Attribute>,
    /// When the session at the identity provider ends.
    pub(crate) session_ends_at: Option<DateTime<Utc>>,
}

/// The name of the person at the identity provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NameId {
    pub(crate) format: String,
    pub(crate) value: String,
}

/// Under which circumstances the bearer is believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bearer {
    pub(crate) recipient: String,
    pub(crate) in_response_to: Option<String>,
    pub(crate) not_before: Option<DateTime<Utc>>,
    pub(crate) not_on_or_after: DateTime<Utc>,
}

/// Something that is said of the person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Attribute {
    pub(crate) name: String,
    pub(crate) friendly_name: String,
    pub(crate) values: Vec<String>,
}

/// The part that cannot be read, or is there twice.
pub(crate) type Unreadable = &'static str;

impl Assertion {
    /// Reads an `Assertion`.
    pub(crate) fn read(node: Node<'_, '_>) -> Result<Self, Unreadable> {
        if node.attribute("Version") != Some("2.0") {
            return Err("Version");
        }
        let subject = only(node, "Subject")?;
        let name_id = subject.map(|subject| only(subject, "NameID")).transpose()?.flatten();
        let conditions = only(node, "Conditions")?;
        let condition = |name| match conditions.and_then(|node| node.attribute(name)) {
            Some(text) => moment(text).map(Some).ok_or("Conditions"),
            None => Ok(None),
        };
        let mut session_ends_at = None;
        for statement in xml::children(node, ASSERTION, "AuthnStatement") {
            if let Some(text) = statement.attribute("SessionNotOnOrAfter") {
                let at = moment(text).ok_or("AuthnStatement")?;
                session_ends_at = session_ends_at.or(Some(at));
            }
        }
        let name_id = name_id.map(|node| {
            let value = xml::text(node).ok_or("NameID")?;
            Ok::<_, Unreadable>(NameId {
                format: node.attribute("Format").unwrap_or_default().to_owned(),
                value,
            })
        });
        Ok(Self {
            id: node.attribute("ID").filter(|id| !id.is_empty()).ok_or("ID")?.to_owned(),
            issued_at: node.attribute("IssueInstant").and_then(moment).ok_or("IssueInstant")?,
            issuer: only(node, "Issuer")?.and_then(xml::text).ok_or("Issuer")?,
            name_id: name_id.transpose()?,
            bearers: subject.map(bearers).unwrap_or_default(),
            not_before: condition("NotBefore")?,
            not_on_or_after: condition("NotOnOrAfter")?,
            audiences: conditions.map(audiences).transpose()?.unwrap_or_default(),
            attributes: attributes(node),
            session_ends_at,
        })
    }

    /// The values of an attribute, by name or friendly name, whatever the case.
    pub(crate) fn values<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        let name = name.to_lowercase();
        let is_it = move |attribute: &&Attribute| {
            attribute.name.to_lowercase() == name || attribute.friendly_name.to_lowercase() == name
        };
        self.attributes.iter().filter(is_it).flat_map(|attribute| attribute.values.iter().map(String::as_str))
    }

    /// What identifies the person for good; empty if nothing does.
    pub(crate) fn user_id(&self) -> String {
        if let Some(id) = self.values("urn:oasis:names:tc:SAML:attribute:subject-id").next() {
            return id.to_owned();
        }
        match &self.name_id {
            Some(name) if name.format == EMAIL => name.value.trim().to_lowercase(),
            Some(name) if name.format != TRANSIENT => name.value.clone(),
            _ => String::new(),
        }
    }

    /// The address, where it is usually said; empty if it is not.
    pub(crate) fn email(&self) -> &str {
        const NAMES: [&str; 5] = [
            "urn:oid:0.9.2342.19200300.100.1.3",
            "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress",
            "http://schemas.xmlsoap.org/claims/EmailAddress",
            "mail",
            "email",
        ];
        let said = NAMES.into_iter().find_map(|name| self.values(name).find(|value| !value.is_empty()));
        let name = self.name_id.as_ref().filter(|name| name.format == EMAIL).map(|name| name.value.as_str());
        said.or(name).unwrap_or_default()
    }
}

/// The only child of this name.
fn only<'a, 'i: 'a>(node: Node<'a, 'i>, name: &'static str) -> Result<Option<Node<'a, 'i>>, Unreadable> {
    let mut found = xml::children(node, ASSERTION, name);
    match (found.next(), found.next()) {
        (_, Some(_)) => Err(name),
        (found, None) => Ok(found),
    }
}

/// The confirmations that can be checked; one of them has to hold.
fn bearers(subject: Node<'_, '_>) -> Vec<Bearer> {
    let confirmations = xml::children(subject, ASSERTION, "SubjectConfirmation");
    let confirmations = confirmations.filter(|node| node.attribute("Method") == Some(BEARER));
    let read = |node: Node<'_, '_>| {
        let data = xml::child(node, ASSERTION, "SubjectConfirmationData")?;
        let not_before = match data.attribute("NotBefore") {
            Some(text) => Some(moment(text)?),
            None => None,
        };
        Some(Bearer {
            recipient: data.attribute("Recipient")?.to_owned(),
            in_response_to: data.attribute("InResponseTo").map(str::to_owned),
            not_before,
            not_on_or_after: moment(data.attribute("NotOnOrAfter")?)?,
        })
    };
    confirmations.filter_map(read).collect()
}

fn audiences(conditions: Node<'_, '_>) -> Result<Vec<Vec<String>>, Unreadable> {
    let restrictions = xml::children(conditions, ASSERTION, "AudienceRestriction");
    let audiences = |node| xml::children(node, ASSERTION, "Audience").map(xml::text).collect::<Option<_>>();
    restrictions.map(|node| audiences(node).ok_or("Audience")).collect()
}

fn attributes(node: Node<'_, '_>) -> Vec<Attribute> {
    let statements = xml::children(node, ASSERTION, "AttributeStatement");
    let attributes = statements.flat_map(|statement| xml::children(statement, ASSERTION, "Attribute"));
    let text = |node: Node<'_, '_>, name: &str| node.attribute(name).unwrap_or_default().to_owned();
    attributes
        .map(|node| Attribute {
            name: text(node, "Name"),
            friendly_name: text(node, "FriendlyName"),
            values: xml::children(node, ASSERTION, "AttributeValue").map(xml::own_text).collect(),
        })
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn with(name_id: Option<(&str, &str)>, attributes: &[(&str, &[&str])]) -> Assertion {
        let attribute = |(name, values): &(&str, &[&str])| Attribute {
            name: (*name).to_owned(),
            friendly_name: format!("friendly-{name}"),
            values: values.iter().map(|value| (*value).to_owned()).collect(),
        };
        let name_id =
            name_id.map(|(format, value)| NameId { format: format.to_owned(), value: value.to_owned() });
        Assertion { name_id, attributes: attributes.iter().map(attribute).collect(), ..Assertion::default() }
    }

    #[test]
    fn what_identifies_the_person() {
        let check = |name_id, attributes: &[(&str, &[&str])], expected: &str| {
            assert_eq!(with(name_id, attributes).user_id(), expected, "{name_id:?} {attributes:?}");
        };
        let subject_id = "urn:oasis:names:tc:SAML:attribute:subject-id";
        check(Some((EMAIL, " Jane@X.test ")), &[], "jane@x.test");
        check(Some(("", "Jane")), &[], "Jane");
        check(Some((TRANSIENT, "Jane")), &[], "");
        check(None, &[], "");
        check(Some((TRANSIENT, "Jane")), &[(subject_id, &["j@x", "k@x"])], "j@x");
        check(Some(("", "Jane")), &[(&subject_id.to_uppercase(), &["j@x"])], "j@x");
    }

    #[test]
    fn where_the_address_is() {
        let check = |name_id, attributes: &[(&str, &[&str])], expected: &str| {
            assert_eq!(with(name_id, attributes).email(), expected, "{name_id:?} {attributes:?}");
        };
        check(None, &[], "");
        check(Some((EMAIL, "n@x")), &[], "n@x");
        check(Some(("", "n@x")), &[], "");
        check(Some((EMAIL, "n@x")), &[("Mail", &["", "m@x"])], "m@x");
        check(None, &[("email", &["e@x"]), ("urn:oid:0.9.2342.19200300.100.1.3", &["o@x"])], "o@x");
        let assertion = with(None, &[("a", &["1"]), ("A", &["2"]), ("b", &["3"])]);
        assert_eq!(assertion.values("FRIENDLY-a").collect::<Vec<_>>(), ["1", "2"]);
    }
}
