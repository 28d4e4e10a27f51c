//! How much is used of what is allowed, asked from the running server.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use kernel::Secret;

use crate::installation::Installation;

/// How long the server may take for each step.
const PATIENCE: Duration = Duration::from_secs(1);

/// Bytes of the answer at most.
const MOST: u64 = 1024 * 1024;

/// A limit, and how much of it is used.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Figure {
    pub(super) name: String,
    /// Nothing if it is no sum that is used up: what one socket, channel or message may have.
    pub(super) used: Option<u64>,
    pub(super) most: u64,
}

/// A connection to the server, if it runs.
pub(super) fn connect(installation: &Installation) -> Option<TcpStream> {
    let reachable = |address: &SocketAddr| {
        let ip = if address.ip().is_unspecified() { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { address.ip() };
        TcpStream::connect_timeout(&SocketAddr::new(ip, address.port()), PATIENCE).ok()
    };
    installation.listen.iter().find_map(reachable)
}

/// Asks the server; nothing if it does not answer.
pub(super) fn ask(mut stream: TcpStream, key: &Secret) -> Vec<Figure> {
    let mut answer = String::new();
    let mut talk = || {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let key = key.expose();
        write!(stream, "GET /metrics HTTP/1.0\r\nhost: localhost\r\napikey: {key}\r\n\r\n")?;
        (&mut stream).take(MOST).read_to_string(&mut answer)
    };
    match talk() {
        Ok(_) => read(&answer),
        Err(_) => Vec::new(),
    }
}

/// The lines about limits.
fn read(text: &str) -> Vec<Figure> {
    let all = |metric: &str| {
        let lines = text.lines().filter_map(move |line| {
            let (name, value) = line.strip_prefix(metric)?.strip_prefix("{limit=\"")?.split_once("\"} ")?;
            Some((name.to_owned(), value.parse::<u64>().ok()?))
        });
        lines.collect::<Vec<_>>()
    };
    let used = all("basalt_realtime_used");
    let figure = |(name, most): (String, u64)| {
        let used = used.iter().find(|(other, _)| *other == name).map(|(_, used)| *used);
        Figure { name: name.replace('_', " "), used, most }
    };
    all("basalt_realtime_limit").into_iter().map(figure).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_and_their_use_are_found() {
        let text = "HTTP/1.0 200 OK\r\n\r\n# HELP x y\nbasalt_realtime_limit{limit=\"sockets\"} 10000\n\
                    basalt_realtime_limit{limit=\"joins_per_second\"} 5\nbasalt_realtime_limit{limit=\"bytes_of_a_frame\"} 9\nbasalt_realtime_used{limit=\"joins_per_second\"} 0\n\
                    basalt_realtime_used{limit=\"sockets\"} 3\n";
        let figure = |name: &str, used, most| Figure { name: name.to_owned(), used, most };
        let expected = [
            figure("sockets", Some(3), 10_000),
            figure("joins per second", Some(0), 5),
            figure("bytes of a frame", None, 9),
        ];
        assert_eq!(read(text), expected);
        assert_eq!(read("HTTP/1.0 401 Unauthorized\r\n\r\n{}"), []);
    }
}
