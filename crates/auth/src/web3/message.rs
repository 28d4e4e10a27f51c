//! The message that a wallet signs: EIP-4361 of Ethereum, and what Solana made of it.
//!
//! The wallet's owner saw this text and nothing else, so it is read exactly: a line that is none of
//! the format's, a field given twice or a moment that is not one refuses the whole. The rules and
//! the words of the errors are those of Supabase Auth; that a field counts once is ours.

use chrono::{DateTime, Utc};

use super::Chain;
use crate::redirect::Parts;

/// What the owner of the wallet signed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Message<'a> {
    /// The site that asked, with its port if it has one.
    pub(crate) domain: &'a str,
    pub(crate) address: &'a str,
    pub(crate) statement: Option<&'a str>,
    pub(crate) uri: &'a str,
    /// The network within the chain; empty if the message names none.
    pub(crate) network: &'a str,
    pub(crate) issued_at: DateTime<Utc>,
    pub(crate) not_before: Option<DateTime<Utc>>,
    pub(crate) expires_at: Option<DateTime<Utc>>,
}

/// Why a text is no such message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MessageError {
    #[error("message needs at least 6 lines")]
    TooShort,
    #[error("message first line does not end in \"{0}\"")]
    Header(&'static str),
    #[error("domain in first line of message is not valid")]
    Domain,
    #[error("wallet address is {0}")]
    Address(&'static str),
    #[error("third line must be empty")]
    ThirdLine,
    #[error("URI is not valid")]
    Uri,
    #[error("{0} is not a valid ISO8601 timestamp")]
    Moment(&'static str),
    #[error("{0} is not specified")]
    Missing(&'static str),
    #[error("{0} is after Expiration Time")]
    AfterExpiration(&'static str),
    #[error("Chain ID is not valid")]
    Network,
    #[error("encountered unparsable line at index {0}")]
    Line(usize),
    #[error("Version value is not supported, expected 1 got {0:?}")]
    Version(String),
    #[error("Resource at position {0} has invalid URI")]
    Resource(usize),
    #[error("{0} is specified more than once")]
    Twice(&'static str),
}

/// The lines below the statement, each at most once.
#[derive(Default)]
struct Fields<'a> {
    uri: Option<&'a str>,
    version: Option<&'a str>,
    network: Option<&'a str>,
    nonce: Option<&'a str>,
    request_id: Option<&'a str>,
    issued_at: Option<DateTime<Utc>>,
    not_before: Option<DateTime<Utc>>,
    expires_at: Option<DateTime<Utc>>,
}

const ISSUED: &str = "Issued At";
const EXPIRATION: &str = "Expiration Time";
const NOT_BEFORE: &str = "Not Before";

/// Lines before the first that may be a field.
const HEAD: usize = 3;

impl<'a> Message<'a> {
    pub(crate) fn parse(chain: Chain, text: &'a str) -> Result<Self, MessageError> {
        let lines: Vec<&str> = text.split('\n').collect();
        let [header, address, third, rest @ ..] = lines.as_slice() else {
            return Err(MessageError::TooShort);
        };
        if rest.len() < HEAD {
            return Err(MessageError::TooShort);
        }
        let domain = header.strip_suffix(chain.header()).ok_or(MessageError::Header(chain.header()))?.trim();
        if !is_domain(domain) {
            return Err(MessageError::Domain);
        }
        let address = address.trim();
        chain.check_address(address).map_err(MessageError::Address)?;
        if !third.is_empty() {
            return Err(MessageError::ThirdLine);
        }
        let (statement, rest, first) = match rest {
            [statement, "", rest @ ..] if !statement.is_empty() => (Some(*statement), rest, HEAD + 2),
            rest => (None, rest, HEAD),
        };
        let fields = Fields::read(chain, rest, first)?;
        let version = fields.version.unwrap_or_default();
        if version != "1" {
            return Err(MessageError::Version(version.chars().take(40).collect()));
        }
        let message = Self {
            domain,
            address,
            statement,
            issued_at: fields.issued_at.ok_or(MessageError::Missing(ISSUED))?,
            uri: fields.uri.ok_or(MessageError::Missing("URI"))?,
            network: fields.network.unwrap_or_default(),
            not_before: fields.not_before,
            expires_at: fields.expires_at,
        };
        let after = |moment: DateTime<Utc>| message.expires_at.is_some_and(|end| moment > end);
        if after(message.issued_at) {
            return Err(MessageError::AfterExpiration(ISSUED));
        }
        if message.not_before.is_some_and(after) {
            return Err(MessageError::AfterExpiration(NOT_BEFORE));
        }
        Ok(message)
    }
}

impl<'a> Fields<'a> {
    /// Reads `lines`, of which the first has the number `first` in the message.
    fn read(chain: Chain, lines: &[&'a str], first: usize) -> Result<Self, MessageError> {
        let mut fields = Self::default();
        let mut resources: Option<usize> = None;
        for (index, line) in (first..).zip(lines) {
            let line = line.trim();
            if let (Some(position), Some(resource)) = (resources, line.strip_prefix("- ")) {
                if !is_request_uri(resource.trim()) {
                    return Err(MessageError::Resource(position));
                }
                resources = Some(position + 1);
                continue;
            }
            resources = None;
            if line == "Resources:" {
                resources = Some(0);
            } else if !line.is_empty() {
                let (key, value) = line.split_once(':').ok_or(MessageError::Line(index))?;
                fields.put(chain, key, value.trim())?;
            }
        }
        Ok(fields)
    }

    fn put(&mut self, chain: Chain, key: &str, value: &'a str) -> Result<(), MessageError> {
        match key {
            "URI" if !is_request_uri(value) => Err(MessageError::Uri),
            "URI" => once(&mut self.uri, "URI", value),
            "Version" => once(&mut self.version, "Version", value),
            "Chain ID" if !chain.is_network(value) => Err(MessageError::Network),
            "Chain ID" => once(&mut self.network, "Chain ID", value),
            "Nonce" => once(&mut self.nonce, "Nonce", value),
            "Request ID" => once(&mut self.request_id, "Request ID", value),
            ISSUED => once(&mut self.issued_at, ISSUED, moment(ISSUED, value)?),
            EXPIRATION => once(&mut self.expires_at, EXPIRATION, moment(EXPIRATION, value)?),
            NOT_BEFORE => once(&mut self.not_before, NOT_BEFORE, moment(NOT_BEFORE, value)?),
            // Fields that are not known say nothing here.
            _ => Ok(()),
        }
    }
}

fn once<T>(slot: &mut Option<T>, key: &'static str, value: T) -> Result<(), MessageError> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(MessageError::Twice(key)),
    }
}

/// RFC 3339, in capital letters as Go wants it.
fn moment(key: &'static str, text: &str) -> Result<DateTime<Utc>, MessageError> {
    let plain = text.bytes().all(|b| b.is_ascii_digit() || b"-:+.TZ".contains(&b));
    let moment = plain.then(|| DateTime::parse_from_rfc3339(text).ok()).flatten();
    moment.map(|moment| moment.to_utc()).ok_or(MessageError::Moment(key))
}

/// `localhost` or a name with a top-level domain of letters, and perhaps a port.
fn is_domain(text: &str) -> bool {
    let (name, port) = match text.split_once(':') {
        Some((name, port)) => (name, Some(port)),
        None => (text, None),
    };
    let is_port = |port: &str| (1..=5).contains(&port.len()) && port.bytes().all(|b| b.is_ascii_digit());
    if !port.is_none_or(is_port) {
        return false;
    }
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name == "localhost"
        || name.rsplit_once('.').is_some_and(|(labels, top)| {
            top.len() >= 2 && top.bytes().all(|b| b.is_ascii_alphabetic()) && labels.split('.').all(is_label)
        })
}

/// An absolute URL or a path, without anything that would have to be escaped.
fn is_request_uri(text: &str) -> bool {
    let escaped = |(at, _): (usize, &str)| {
        let digits = text.get(at + 1..at + 3);
        digits.is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))
    };
    !text.chars().any(char::is_control)
        && text.match_indices('%').all(escaped)
        && (text.starts_with('/') || Parts::of(text).is_some())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ADDRESS: &str = "0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2";

    fn of(lines: &[&str]) -> Result<(), MessageError> {
        Message::parse(Chain::Ethereum, &lines.join("\n")).map(drop)
    }

    /// A good message with further or other lines.
    fn with(more: &[&str]) -> Result<(), MessageError> {
        let head = ["example.com wants you to sign in with your Ethereum account:", ADDRESS, ""];
        let good = ["URI: https://example.com", "Version: 1", "Issued At: 2024-01-01T00:00:00Z"];
        let named =
            |line: &&&str| !more.iter().any(|other| other.split(':').next() == line.split(':').next());
        let kept: Vec<&str> = good.iter().filter(named).copied().collect();
        of(&[&head, kept.as_slice(), more, &[""; 3]].concat())
    }

    #[test]
    fn the_example_of_the_standard() {
        // EIP-4361, "Message with Scheme, Statement, …", without the scheme, which upstream refuses.
        let text = format!(
            "example.com wants you to sign in with your Ethereum account:\n{ADDRESS}\n\n\
             I accept the ExampleOrg Terms of Service: https://example.com/tos\n\n\
             URI: https://example.com/login\nVersion: 1\nChain ID: 1\nNonce: 32891756\n\
             Issued At: 2021-09-30T16:25:24Z\nResources:\n\
             - ipfs://bafybeiemxf5abjwjbikoz4mc3a3dla6ual3jsgpdr4cjr3oz3evfyavhwq/\n\
             - https://example.com/my-web2-claim.json"
        );
        let expected = Message {
            domain: "example.com",
            address: ADDRESS,
            statement: Some("I accept the ExampleOrg Terms of Service: https://example.com/tos"),
            uri: "https://example.com/login",
            network: "1",
            issued_at: "2021-09-30T16:25:24Z".parse().unwrap(),
            not_before: None,
            expires_at: None,
        };
        assert_eq!(Message::parse(Chain::Ethereum, &text), Ok(expected));
        assert_eq!(
            Message::parse(Chain::Solana, &text),
            Err(MessageError::Header(" wants you to sign in with your Solana account:"))
        );
    }

    #[test]
    fn the_head() {
        let head = "example.com wants you to sign in with your Ethereum account:";
        let check =
            |lines: &[&str], expected: MessageError| assert_eq!(of(lines), Err(expected), "{lines:?}");
        let long = ["", "URI: https://a.test", "Version: 1"];
        check(&[head, ADDRESS, "", "", ""], MessageError::TooShort);
        check(&[], MessageError::TooShort);
        let crlf = format!("{head}\r");
        check(
            &[&[crlf.as_str(), ADDRESS, ""], long.as_slice()].concat(),
            MessageError::Header(Chain::Ethereum.header()),
        );
        let foreign = format!("https://{head}");
        check(&[&[foreign.as_str(), ADDRESS, ""], long.as_slice()].concat(), MessageError::Domain);
        let address = MessageError::Address("not a valid Ethereum address");
        check(&[&[head, "0x12", ""], long.as_slice()].concat(), address);
        check(&[&[head, ADDRESS, "x"], long.as_slice()].concat(), MessageError::ThirdLine);
    }

    #[test]
    fn fields() {
        assert_eq!(with(&[]), Ok(()));
        assert_eq!(with(&["Something: else", "  Nonce:  x "]), Ok(()));
        let check = |more: &[&str], expected: MessageError| assert_eq!(with(more), Err(expected), "{more:?}");
        check(&["Version: 2"], MessageError::Version("2".to_owned()));
        check(&["Version:"], MessageError::Version(String::new()));
        check(&["URI: not a uri"], MessageError::Uri);
        check(&["URI:"], MessageError::Uri);
        check(&["URI: https://example.com/%zz"], MessageError::Uri);
        check(&["Chain ID: 0"], MessageError::Network);
        check(&["Chain ID: -1"], MessageError::Network);
        check(&["Chain ID:"], MessageError::Network);
        check(&["Issued At: yesterday"], MessageError::Moment("Issued At"));
        check(&["Issued At: 2024-01-01t00:00:00z"], MessageError::Moment("Issued At"));
        check(&["Expiration Time: 2024-13-01T00:00:00Z"], MessageError::Moment("Expiration Time"));
        check(&["Not Before: 2024-01-01"], MessageError::Moment("Not Before"));
        check(&["Expiration Time: 2023-12-31T00:00:00Z"], MessageError::AfterExpiration("Issued At"));
        check(
            &["Expiration Time: 2024-01-02T00:00:00Z", "Not Before: 2024-01-03T00:00:00Z"],
            MessageError::AfterExpiration("Not Before"),
        );
        check(&["nonsense"], MessageError::Line(6));
        check(&["Resources:", "- https://a.test/", "- no uri"], MessageError::Resource(1));
        check(&["Resources:", "- https://a.test/", "", "- nothing"], MessageError::Line(9));
        check(&["Nonce: a", "Nonce: b"], MessageError::Twice("Nonce"));
        check(&["Version: 1", "Version: 1"], MessageError::Twice("Version"));
        let head = ["example.com wants you to sign in with your Ethereum account:", ADDRESS, ""];
        let rest = ["", "Version: 1", "", ""];
        assert_eq!(of(&[head.as_slice(), &rest].concat()), Err(MessageError::Missing("Issued At")));
        let rest = ["Version: 1", "Issued At: 2024-01-01T00:00:00Z", ""];
        assert_eq!(of(&[head.as_slice(), &rest].concat()), Err(MessageError::Missing("URI")));
    }

    #[test]
    fn domains() {
        for domain in ["localhost", "localhost:3000", "a.io", "a-b.example.com:8443", "1.example.com"] {
            assert!(is_domain(domain), "{domain}");
        }
        for domain in [
            "",
            "example",
            "127.0.0.1",
            "-a.com",
            "a-.com",
            "a..com",
            ".com",
            "a.c",
            "a.com:",
            "a.com:123456",
            "a.com:8x",
            "a.com/",
            "user@a.com",
            "localhost.",
            "[::1]",
            "a.c0m",
            "é.com",
        ] {
            assert!(!is_domain(domain), "{domain}");
        }
    }

    proptest! {
        #[test]
        fn no_text_brings_the_parser_down(text in "(.|\n){0,400}") {
            for chain in [Chain::Ethereum, Chain::Solana] {
                let _ = Message::parse(chain, &text);
            }
        }

        /// Nearly good messages: the lines of one, some of them bent.
        #[test]
        fn what_is_read_stands_in_the_text(
            lines in proptest::collection::vec(
                prop_oneof![
                    Just("URI: https://example.com".to_owned()),
                    Just("Version: 1".to_owned()),
                    Just("Issued At: 2024-01-01T00:00:00Z".to_owned()),
                    Just("Resources:".to_owned()),
                    Just("- https://example.com".to_owned()),
                    Just(String::new()),
                    "(URI|Version|Chain ID|Nonce|Issued At|Not Before|Expiration Time|[a-z]{0,3}):? ?[ -~]{0,30}",
                ],
                0..12,
            )
        ) {
            let text = format!(
                "example.com wants you to sign in with your Ethereum account:\n{ADDRESS}\n\n{}",
                lines.join("\n")
            );
            if let Ok(message) = Message::parse(Chain::Ethereum, &text) {
                let uri = format!("URI:{}", message.uri);
                let squeezed = text.replace("URI: ", "URI:").replace("URI:  ", "URI:");
                prop_assert!(squeezed.contains(uri.trim()) || text.contains(message.uri));
                prop_assert_eq!(message.address, ADDRESS);
                prop_assert!(text.contains("Version:"));
            }
        }
    }
}
