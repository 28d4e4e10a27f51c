//! Asking a name server where a domain takes mail: one question, one datagram.
//!
//! The system's resolver knows addresses only. What is asked here decides nothing but whether a mail is
//! sent, so a lost or forged answer costs no more than that.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::timeout;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Addresses of IPv4.
    A,
    /// Servers that take mail.
    Mx,
    /// Addresses of IPv6.
    Aaaa,
}

/// Why nothing is known.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("the name cannot be asked for")]
    Name,
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("the name server does not answer")]
    Silence,
    #[error("the name server answers with code {0}")]
    Refused(u16),
    #[error("the answer cannot be read")]
    Unreadable,
}

/// How long one datagram is waited for, and how many are sent.
const PATIENCE: (Duration, u8) = (Duration::from_millis(1200), 2);

const PORT: u16 = 53;
const INTERNET: u16 = 1;
const RECURSION_WANTED: u16 = 0x0100;
const IS_ANSWER: u16 = 0x8000;
const TRUNCATED: u16 = 0x0200;
const NO_SUCH_NAME: u16 = 3;

impl Kind {
    fn number(self) -> u16 {
        match self {
            Self::A => 1,
            Self::Mx => 15,
            Self::Aaaa => 28,
        }
    }
}

/// The name server of the system.
pub(super) async fn system_server() -> Option<SocketAddr> {
    let text = tokio::fs::read_to_string("/etc/resolv.conf").await.ok()?;
    first_server(&text)
}

fn first_server(text: &str) -> Option<SocketAddr> {
    text.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        let address = words.next().filter(|word| *word == "nameserver").and(words.next())?;
        Some(SocketAddr::new(address.parse::<IpAddr>().ok()?, PORT))
    })
}

/// What the name server knows of a name: servers by name, or addresses. Nothing, if there is nothing.
///
/// # Errors
///
/// If that cannot be found out.
pub(super) async fn ask(server: SocketAddr, name: &str, kind: Kind) -> Result<Vec<String>, Failure> {
    let id: u16 = rand::random();
    let question = question(id, name, kind).ok_or(Failure::Name)?;
    let here =
        if server.is_ipv4() { IpAddr::V4(Ipv4Addr::UNSPECIFIED) } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((here, 0)).await?;
    // From here on nobody else is heard.
    socket.connect(server).await?;
    let mut buffer = vec![0; 4096];
    for _ in 0..PATIENCE.1 {
        socket.send(&question).await?;
        if let Ok(length) = timeout(PATIENCE.0, socket.recv(&mut buffer)).await {
            return read(id, kind, buffer.get(..length?).unwrap_or_default());
        }
    }
    Err(Failure::Silence)
}

fn question(id: u16, name: &str, kind: Kind) -> Option<Vec<u8>> {
    let mut message = Vec::with_capacity(name.len() + 18);
    for word in [id, RECURSION_WANTED, 1, 0, 0, 0] {
        message.extend(word.to_be_bytes());
    }
    for label in name.trim_end_matches('.').split('.') {
        let length = u8::try_from(label.len()).ok().filter(|length| (1..=63).contains(length))?;
        message.push(length);
        message.extend(label.as_bytes());
    }
    message.push(0);
    message.extend(kind.number().to_be_bytes());
    message.extend(INTERNET.to_be_bytes());
    Some(message)
}

fn read(id: u16, kind: Kind, message: &[u8]) -> Result<Vec<String>, Failure> {
    let mut reader = Reader { message, at: 0 };
    let header = [(); 6].map(|()| reader.word());
    let [Some(theirs), Some(flags), Some(questions), Some(answers), ..] = header else {
        return Err(Failure::Unreadable);
    };
    if theirs != id || flags & IS_ANSWER == 0 {
        return Err(Failure::Unreadable);
    }
    match flags & 0x000f {
        0 => {}
        NO_SUCH_NAME => return Ok(Vec::new()),
        code => return Err(Failure::Refused(code)),
    }
    let found = records(&mut reader, (questions, answers), kind).ok_or(Failure::Unreadable)?;
    match found.is_empty() && flags & TRUNCATED != 0 {
        true => Err(Failure::Unreadable),
        false => Ok(found),
    }
}

fn records(reader: &mut Reader<'_>, (questions, answers): (u16, u16), kind: Kind) -> Option<Vec<String>> {
    for _ in 0..questions {
        reader.name()?;
        reader.take(4)?;
    }
    let mut found = Vec::new();
    for _ in 0..answers {
        // What does not fit was cut off.
        if reader.at >= reader.message.len() {
            break;
        }
        reader.name()?;
        let number = reader.word()?;
        reader.take(6)?;
        let length = usize::from(reader.word()?);
        let end = reader.at.checked_add(length)?;
        if number == kind.number() {
            found.push(match kind {
                Kind::A => Ipv4Addr::from(<[u8; 4]>::try_from(reader.take(4)?).ok()?).to_string(),
                Kind::Aaaa => Ipv6Addr::from(<[u8; 16]>::try_from(reader.take(16)?).ok()?).to_string(),
                Kind::Mx => {
                    reader.word()?;
                    reader.name()?
                }
            });
        }
        reader.at = end;
    }
    Some(found)
}

struct Reader<'a> {
    message: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(length)?;
        let bytes = self.message.get(self.at..end)?;
        self.at = end;
        Some(bytes)
    }

    fn word(&mut self) -> Option<u16> {
        self.take(2).and_then(|bytes| bytes.try_into().ok()).map(u16::from_be_bytes)
    }

    /// A name, in small letters and without the last dot. It may go on where another begins.
    fn name(&mut self) -> Option<String> {
        let (mut name, mut at, mut after) = (String::new(), self.at, None);
        // As many labels and jumps as the longest name could have.
        for _ in 0..128 {
            let length = usize::from(*self.message.get(at)?);
            match length {
                0 => {
                    self.at = after.unwrap_or(at + 1);
                    return Some(name);
                }
                1..=63 => {
                    let label = self.message.get(at + 1..at + 1 + length)?;
                    if !name.is_empty() {
                        name.push('.');
                    }
                    name.push_str(&String::from_utf8_lossy(label).to_ascii_lowercase());
                    at += 1 + length;
                }
                192.. => {
                    let low = usize::from(*self.message.get(at + 1)?);
                    after.get_or_insert(at + 2);
                    at = (length & 0x3f) << 8 | low;
                }
                _ => return None,
            }
        }
        None
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// An answer to `question` with these records, each with its type and data.
    fn answer(question: &[u8], flags: u16, records: &[(u16, &[u8])]) -> Vec<u8> {
        let mut message = question.to_vec();
        message[2..4].copy_from_slice(&(IS_ANSWER | flags).to_be_bytes());
        message[6..8].copy_from_slice(&u16::try_from(records.len()).unwrap().to_be_bytes());
        for (number, data) in records {
            // The name is that of the question.
            message.extend([0xc0, 12]);
            message.extend(number.to_be_bytes());
            message.extend([0, 1, 0, 0, 0, 60]);
            message.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
            message.extend(*data);
        }
        message
    }

    #[test]
    fn answers() {
        let asked = question(7, "Example.com.", Kind::Mx).unwrap();
        assert_eq!(&asked[12..], b"\x07Example\x03com\0\0\x0f\0\x01");
        let known = |flags, records: &[(u16, &[u8])], kind| read(7, kind, &answer(&asked, flags, records));
        let servers =
            known(0, &[(5, b"\x01a\0"), (15, b"\0\x0a\x04Mail\xc0\x0c"), (15, b"\0\x14\x01b\0")], Kind::Mx);
        assert_eq!(servers.unwrap(), ["mail.example.com", "b"]);
        assert_eq!(known(0, &[(1, &[192, 0, 2, 1])], Kind::A).unwrap(), ["192.0.2.1"]);
        let six = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
        assert_eq!(known(0, &[(28, &six)], Kind::Aaaa).unwrap(), ["2001:db8::1"]);
        assert_eq!(known(0, &[], Kind::Mx).unwrap(), [""; 0]);
        assert_eq!(known(3, &[], Kind::Mx).unwrap(), [""; 0]);
        assert!(matches!(known(2, &[], Kind::Mx), Err(Failure::Refused(2))));
        assert!(matches!(known(TRUNCATED, &[], Kind::Mx), Err(Failure::Unreadable)));
        assert!(matches!(read(8, Kind::Mx, &answer(&asked, 0, &[])), Err(Failure::Unreadable)));
        assert!(matches!(read(7, Kind::Mx, &asked), Err(Failure::Unreadable)));
    }

    #[test]
    fn names_that_go_on_in_themselves_end() {
        let asked = question(7, "a.test", Kind::Mx).unwrap();
        let place = u8::try_from(asked.len() + 14).unwrap();
        let looping = answer(&asked, 0, &[(15, &[0, 1, 0xc0, place])]);
        assert!(matches!(read(7, Kind::Mx, &looping), Err(Failure::Unreadable)));
    }

    #[test]
    fn names_that_cannot_be_asked_for() {
        for name in ["", "a..test", &"x".repeat(64)] {
            assert_eq!(question(1, name, Kind::A), None, "{name}");
        }
    }

    #[test]
    fn the_system_s_server() {
        let text = "# made\nsearch test\nnameserver 192.0.2.53\nnameserver 192.0.2.54\n";
        assert_eq!(first_server(text), "192.0.2.53:53".parse().ok());
        assert_eq!(first_server("options ndots:5"), None);
    }

    proptest! {
        #[test]
        fn nothing_that_comes_is_trusted(bytes in proptest::collection::vec(any::<u8>(), 0..200), head in any::<bool>()) {
            let mut message = bytes;
            if head && message.len() > 4 {
                message[..3].copy_from_slice(&[0, 7, 0x80]);
                message[3] = 0;
            }
            for kind in [Kind::A, Kind::Mx, Kind::Aaaa] {
                let _ = read(7, kind, &message);
            }
        }
    }
}
