//! What travels over a socket, as values: pure, without IO and without knowledge of channels.
//!
//! - [`message`]: what a client sends, whatever its encoding; [`text`]: both JSON encodings;
//!   [`binary`]: the frames of user broadcasts.
//! - [`outgoing`]: what the server sends, encoded once per version and shared.
//! - [`join`]: the payload of a join, read as leniently as upstream does.
//!
//! A frame that cannot be read is an error here and is dropped by the caller: it never ends a socket.

pub(crate) mod binary;
pub(crate) mod join;
pub(crate) mod message;
pub(crate) mod outgoing;
pub(crate) mod text;

#[cfg(test)]
mod tests;

/// The version of the protocol that a socket speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Version {
    /// JSON objects.
    V1,
    /// JSON arrays, and binary frames for broadcasts.
    V2,
}

impl Version {
    /// What `vsn` asks for: `~> 1.0.0` or `~> 2.0.0`; nothing means the first.
    pub(crate) fn parse(vsn: Option<&str>) -> Option<Self> {
        let Some(vsn) = vsn.filter(|vsn| !vsn.is_empty()) else { return Some(Self::V1) };
        let mut parts = vsn.split('.');
        let (major, minor, patch, rest) = (parts.next()?, parts.next()?, parts.next()?, parts.next());
        let is_number = !patch.is_empty() && patch.bytes().all(|byte| byte.is_ascii_digit());
        match (major, minor, is_number, rest) {
            ("1", "0", true, None) => Some(Self::V1),
            ("2", "0", true, None) => Some(Self::V2),
            _ => None,
        }
    }
}

/// What the wire calls the topics of this service; the rest of a topic is the channel's own name.
pub(crate) const PREFIX: &str = "realtime:";
