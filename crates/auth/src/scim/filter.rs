//! Whom an identity provider looks for: `attribute eq "value"`, which is all that identity providers ask.

use uuid::Uuid;

use super::Refusal;

/// Whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Filter {
    Everybody,
    /// Small and capital letters are one.
    UserName(String),
    ExternalId(String),
    Email(String),
    Id(Uuid),
    /// An id that nobody can have.
    Nobody,
}

impl Filter {
    pub(crate) fn parse(text: &str) -> Result<Self, Refusal> {
        let invalid = || Refusal::Invalid {
            kind: "invalidFilter",
            detail: "only userName, externalId, id and emails.value can be looked for, each by eq".to_owned(),
        };
        let text = text.trim();
        if text.is_empty() {
            return Ok(Self::Everybody);
        }
        let (attribute, rest) = text.split_once(' ').ok_or_else(invalid)?;
        let (operator, value) = rest.trim_start().split_once(' ').ok_or_else(invalid)?;
        let value: String = serde_json::from_str(value.trim()).map_err(|_| invalid())?;
        if !operator.eq_ignore_ascii_case("eq") || value.contains('\0') {
            return Err(invalid());
        }
        match attribute.to_ascii_lowercase().as_str() {
            "username" => Ok(Self::UserName(value)),
            "externalid" => Ok(Self::ExternalId(value)),
            "emails" | "emails.value" => Ok(Self::Email(value)),
            "id" => Ok(Uuid::try_parse(&value).map_or(Self::Nobody, Self::Id)),
            _ => Err(invalid()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn filters() {
        let check = |text: &str, expected: Option<Filter>| {
            assert_eq!(Filter::parse(text).ok(), expected, "{text}");
        };
        check("", Some(Filter::Everybody));
        check(r#"userName eq "jane@example.com""#, Some(Filter::UserName("jane@example.com".to_owned())));
        check(r#"USERNAME  EQ  "a \"b\" c""#, Some(Filter::UserName(r#"a "b" c"#.to_owned())));
        check(r#"externalId eq "7""#, Some(Filter::ExternalId("7".to_owned())));
        check(r#"emails.value eq "x""#, Some(Filter::Email("x".to_owned())));
        check(r#"id eq "x""#, Some(Filter::Nobody));
        for text in [
            "userName",
            "userName eq",
            "userName eq jane",
            r#"userName co "j""#,
            r#"title eq "x""#,
            r#"userName eq "a" or id eq "b""#,
        ] {
            check(text, None);
        }
    }

    proptest! {
        /// What is looked for is what was quoted, whatever it holds.
        #[test]
        fn nothing_of_a_value_is_a_filter(value in "\\PC{0,40}", around in " {1,3}") {
            let quoted = serde_json::Value::from(value.clone());
            let text = format!("userName{around}eq{around}{quoted}{around}");
            prop_assert_eq!(Filter::parse(&text).ok(), Some(Filter::UserName(value)));
        }

        #[test]
        fn whatever_comes_is_read_or_refused(text in "\\PC{0,60}") {
            let _ = Filter::parse(&text);
        }
    }
}
