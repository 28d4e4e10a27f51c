//! Addresses and numbers, brought into the form in which they are kept.

use crate::error::Error;

const MAX_EMAIL: usize = 255;

/// An address in small letters.
pub(crate) fn email(text: &str) -> Result<String, Error> {
    if text.is_empty() {
        return Err(Error::invalid("An email address is required"));
    }
    if text.len() > MAX_EMAIL {
        return Err(Error::invalid("An email address is too long"));
    }
    if !is_email(text) {
        return Err(Error::invalid("Unable to validate email address: invalid format"));
    }
    Ok(text.to_lowercase())
}

/// HTML's notion of an address, which is upstream's.
fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let local_letter = |b: u8| b.is_ascii_alphanumeric() || b".!#$%&'*+/=?^_`{|}~-".contains(&b);
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    !local.is_empty() && local.bytes().all(local_letter) && domain.split('.').all(label)
}

/// A number in digits, without the leading `+`.
pub(crate) fn phone(text: &str) -> Result<String, Error> {
    let digits = normal_phone(text);
    let fits = (2..=15).contains(&digits.len())
        && digits.bytes().all(|b| b.is_ascii_digit())
        && !digits.starts_with('0');
    if !fits {
        return Err(Error::invalid("Invalid phone number format (E.164 required)"));
    }
    Ok(digits)
}

/// The number without decoration; not checked.
pub(crate) fn normal_phone(text: &str) -> String {
    text.strip_prefix('+').unwrap_or(text).replace(' ', "")
}

/// As many letters as the columns of audiences and roles hold.
const MAX_NAME: usize = 255;

/// The name of an audience.
pub(crate) fn audience(text: &str) -> Result<&str, Error> {
    if text.chars().count() > MAX_NAME {
        return Err(Error::invalid("The audience is too long"));
    }
    Ok(text)
}

/// The name of an account's role, without the spaces around it.
pub(crate) fn role(text: &str) -> Result<&str, Error> {
    let name = text.trim();
    if name.chars().count() > MAX_NAME {
        return Err(Error::invalid("The role is too long"));
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn emails() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(email(text).ok().as_deref(), expected, "{text}");
        };
        check("Jane@Example.com", Some("jane@example.com"));
        check("a+b.c@localhost", Some("a+b.c@localhost"));
        check("a@b@c.com", None);
        check("@example.com", None);
        check("jane@", None);
        check("jane@-example.com", None);
        check("jane@example..com", None);
        check("jane doe@example.com", None);
        check("jäne@example.com", None);
        check("'; drop table auth.users; --@example.com", None);
        check("a\0@example.com", None);
        check(&format!("{}@example.com", "a".repeat(250)), None);
    }

    #[test]
    fn phones() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(phone(text).ok().as_deref(), expected, "{text}");
        };
        check("+1 555 123 4567", Some("15551234567"));
        check("15551234567", Some("15551234567"));
        check("++15551234567", None);
        check("05551234567", None);
        check("1", None);
        check("1234567890123456", None);
        check("1555' or 1=1", None);
    }

    proptest! {
        #[test]
        fn an_address_in_its_form_stays(text in "\\PC{0,40}|[A-Za-z.+_-]{1,20}@[A-Za-z0-9.-]{1,30}") {
            if let Ok(address) = email(&text) {
                prop_assert_eq!(email(&address).ok(), Some(address.clone()));
                prop_assert!(address.is_ascii() && !address.contains(char::is_uppercase));
                prop_assert!(!address.contains(|c: char| c.is_whitespace() || c.is_control()));
                prop_assert_eq!(address.matches('@').count(), 1);
            }
        }

        #[test]
        fn a_number_in_its_form_stays(text in "\\PC{0,24}|[+]?[0-9 ]{0,24}") {
            if let Ok(number) = phone(&text) {
                prop_assert_eq!(phone(&number).ok(), Some(number.clone()));
                let signed = format!("+{number}");
                prop_assert_eq!(phone(&signed).ok(), Some(number.clone()));
                prop_assert!((2..=15).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit()));
            }
        }
    }
}
