//! Bodies in signed or unsigned chunks (`aws-chunked`), with or without trailers.
//!
//! ```text
//! 400;chunk-signature=…\r\n <1024 bytes> \r\n
//! 0;chunk-signature=…\r\n
//! x-amz-checksum-crc32c:sOO8/Q==\r\n
//! x-amz-trailer-signature:…\r\n
//! \r\n
//! ```
//!
//! Each signature covers the one before it, so that no chunk can be left out, repeated or moved. Data is
//! handed on before its signature is known to be good: nobody may keep it before [`Decoder::finish`].

use bytes::{Buf, Bytes, BytesMut};
use sha2::{Digest, Sha256};

use super::signature::{EMPTY, Scope, SigningKey, digest};

/// The longest line before a chunk.
const LINE: usize = 256;
/// All trailers together.
const TRAILERS: usize = 4096;

/// What a chain of signatures begins with.
#[derive(Clone)]
pub(crate) struct Chain {
    pub(crate) key: SigningKey,
    pub(crate) moment: String,
    pub(crate) scope: Scope,
    /// The last signature; at first that of the request.
    pub(crate) last: String,
}

impl Chain {
    fn accepts(&mut self, kind: &str, hashes: &str, signature: &str) -> bool {
        let text = format!("{kind}\n{}\n{}\n{}\n{hashes}", self.moment, self.scope.text(), self.last);
        let is_good = self.key.made(&text, signature);
        signature.clone_into(&mut self.last);
        is_good
    }
}

/// Why a body is not what it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Not in this encoding.
    Malformed,
    /// It ends too early.
    Incomplete,
    /// A signature that the secret did not make.
    Signature,
    /// A trailer that was announced, or its signature, is not there.
    Trailer,
}

enum State {
    Line,
    Data(u64),
    /// Behind the data of a chunk.
    Break,
    Trailers,
    /// Behind the last chunk of a body without trailers.
    Last,
    Done,
}

/// Takes a body as it comes and gives the data in it.
pub(crate) struct Decoder {
    chain: Option<Chain>,
    expects_trailers: bool,
    state: State,
    buffer: BytesMut,
    /// Of the chunk that is being read.
    hash: Sha256,
    signature: String,
    trailers: Vec<(String, String)>,
}

impl Decoder {
    /// With a chain every chunk must be signed.
    pub(crate) fn new(chain: Option<Chain>, expects_trailers: bool) -> Self {
        Self {
            chain,
            expects_trailers,
            state: State::Line,
            buffer: BytesMut::new(),
            hash: Sha256::new(),
            signature: String::new(),
            trailers: Vec::new(),
        }
    }

    /// Takes some of the body.
    pub(crate) fn push(&mut self, bytes: &Bytes) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Some data, or `None` if more of the body is needed.
    pub(crate) fn pull(&mut self) -> Result<Option<Bytes>, Fault> {
        loop {
            match self.state {
                State::Line => {
                    let Some(line) = self.line(LINE)? else { return Ok(None) };
                    let left = self.begin(&line)?;
                    self.state = if left > 0 { State::Data(left) } else { self.end()? };
                }
                State::Data(left) => {
                    let length = usize::try_from(left).unwrap_or(usize::MAX).min(self.buffer.len());
                    if length == 0 {
                        return Ok(None);
                    }
                    let data = self.buffer.split_to(length).freeze();
                    if self.chain.is_some() {
                        self.hash.update(&data);
                    }
                    let left = left - length as u64;
                    self.state = if left > 0 { State::Data(left) } else { State::Break };
                    return Ok(Some(data));
                }
                State::Break => {
                    if !self.line_break()? {
                        return Ok(None);
                    }
                    self.check_chunk()?;
                    self.state = State::Line;
                }
                State::Trailers => match self.line(TRAILERS)? {
                    None => return Ok(None),
                    Some(line) if line.is_empty() => {
                        self.check_trailers()?;
                        self.state = State::Done;
                    }
                    Some(line) => self.trailer(&line)?,
                },
                State::Last => {
                    if !self.line_break()? {
                        return Ok(None);
                    }
                    self.state = State::Done;
                }
                State::Done if self.buffer.is_empty() => return Ok(None),
                State::Done => return Err(Fault::Malformed),
            }
        }
    }

    /// The trailers, if all of the body was there.
    pub(crate) fn finish(self) -> Result<Vec<(String, String)>, Fault> {
        match self.state {
            State::Done => Ok(self.trailers),
            State::Trailers => Err(Fault::Trailer),
            _ => Err(Fault::Incomplete),
        }
    }

    fn line(&mut self, most: usize) -> Result<Option<String>, Fault> {
        let Some(end) = memchr::memmem::find(&self.buffer, b"\r\n") else {
            return if self.buffer.len() > most { Err(Fault::Malformed) } else { Ok(None) };
        };
        if end > most {
            return Err(Fault::Malformed);
        }
        let line = self.buffer.split_to(end);
        self.buffer.advance(2);
        String::from_utf8(line.to_vec()).map(Some).map_err(|_| Fault::Malformed)
    }

    fn line_break(&mut self) -> Result<bool, Fault> {
        if self.buffer.len() < 2 {
            return Ok(false);
        }
        if !self.buffer.starts_with(b"\r\n") {
            return Err(Fault::Malformed);
        }
        self.buffer.advance(2);
        Ok(true)
    }

    /// The length of the chunk that a line announces.
    fn begin(&mut self, line: &str) -> Result<u64, Fault> {
        let (length, extension) = line.split_once(';').unwrap_or((line, ""));
        let is_hex = (1..=16).contains(&length.len()) && length.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_hex {
            return Err(Fault::Malformed);
        }
        if self.chain.is_some() {
            let signature = extension.trim().strip_prefix("chunk-signature=").ok_or(Fault::Signature)?;
            signature.clone_into(&mut self.signature);
        }
        u64::from_str_radix(length, 16).map_err(|_| Fault::Malformed)
    }

    /// Behind the line of the last chunk.
    fn end(&mut self) -> Result<State, Fault> {
        self.check_chunk()?;
        Ok(if self.expects_trailers { State::Trailers } else { State::Last })
    }

    fn check_chunk(&mut self) -> Result<(), Fault> {
        let hash = hex::encode(self.hash.finalize_reset());
        let Some(chain) = &mut self.chain else { return Ok(()) };
        let signature = std::mem::take(&mut self.signature);
        match chain.accepts("AWS4-HMAC-SHA256-PAYLOAD", &format!("{EMPTY}\n{hash}"), &signature) {
            true => Ok(()),
            false => Err(Fault::Signature),
        }
    }

    fn trailer(&mut self, line: &str) -> Result<(), Fault> {
        let (name, value) = line.split_once(':').ok_or(Fault::Malformed)?;
        let taken: usize = self.trailers.iter().map(|(name, value)| name.len() + value.len()).sum();
        if taken + line.len() > TRAILERS {
            return Err(Fault::Malformed);
        }
        self.trailers.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
        Ok(())
    }

    fn check_trailers(&mut self) -> Result<(), Fault> {
        let Some(chain) = &mut self.chain else { return Ok(()) };
        let is_signature = |(name, _): &(String, String)| name == "x-amz-trailer-signature";
        let at = self.trailers.iter().position(is_signature).ok_or(Fault::Trailer)?;
        let (_, signature) = self.trailers.remove(at);
        let text: String = self.trailers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
        match chain.accepts("AWS4-HMAC-SHA256-TRAILER", &digest(text.as_bytes()), &signature) {
            true => Ok(()),
            false => Err(Fault::Signature),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

    /// The chains of the examples in the documents.
    fn chain(seed: &str) -> Chain {
        let scope = Scope { date: "20130524".to_owned(), region: "us-east-1".to_owned() };
        Chain {
            key: SigningKey::new(SECRET, &scope),
            moment: "20130524T000000Z".to_owned(),
            scope,
            last: seed.to_owned(),
        }
    }

    fn plain() -> Chain {
        chain("4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9")
    }

    fn trailing() -> Chain {
        chain("106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e")
    }

    type Outcome = Result<(Vec<u8>, Vec<(String, String)>), Fault>;

    fn decode(mut decoder: Decoder, body: &[u8], piece: usize) -> Outcome {
        let mut data = Vec::new();
        for piece in body.chunks(piece.max(1)) {
            decoder.push(&Bytes::copy_from_slice(piece));
            while let Some(bytes) = decoder.pull()? {
                data.extend_from_slice(&bytes);
            }
        }
        Ok((data, decoder.finish()?))
    }

    fn body(chunks: &[(usize, &str)], end: &str) -> Vec<u8> {
        let mut body = Vec::new();
        for (length, signature) in chunks {
            body.extend_from_slice(format!("{length:x};chunk-signature={signature}\r\n").as_bytes());
            if *length > 0 {
                body.extend_from_slice(&vec![b'a'; *length]);
                body.extend_from_slice(b"\r\n");
            }
        }
        body.extend_from_slice(end.as_bytes());
        body
    }

    const PLAIN: [(usize, &str); 3] = [
        (65_536, "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648"),
        (1024, "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497"),
        (0, "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9"),
    ];

    const TRAILING: [(usize, &str); 3] = [
        (65_536, "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2"),
        (1024, "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7"),
        (0, "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992"),
    ];

    const TRAILER: &str = "x-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n";

    #[test]
    fn the_examples_of_the_documents() {
        for piece in [1, 7, 1000, 100_000] {
            let (data, trailers) =
                decode(Decoder::new(Some(plain()), false), &body(&PLAIN, "\r\n"), piece).unwrap();
            assert_eq!((data.len(), trailers.len()), (66_560, 0), "{piece}");
            let (data, trailers) =
                decode(Decoder::new(Some(trailing()), true), &body(&TRAILING, TRAILER), piece).unwrap();
            assert_eq!(data.len(), 66_560);
            assert_eq!(trailers, [("x-amz-checksum-crc32c".to_owned(), "sOO8/Q==".to_owned())]);
        }
    }

    #[track_caller]
    fn refused(chain: Option<Chain>, trailers: bool, body: &[u8], fault: Fault) {
        assert_eq!(decode(Decoder::new(chain, trailers), body, 100_000), Err(fault));
    }

    #[test]
    fn no_chunk_can_be_forged_left_out_repeated_or_moved() {
        let mut forged = body(&PLAIN, "\r\n");
        forged[1000] = b'b';
        refused(Some(plain()), false, &forged, Fault::Signature);
        let [first, second, last] = PLAIN;
        for chunks in [
            vec![second, last],
            vec![first, last],
            vec![first, first, second, last],
            vec![second, first, last],
        ] {
            refused(Some(plain()), false, &body(&chunks, "\r\n"), Fault::Signature);
        }
        refused(Some(plain()), false, &body(&[first, second], ""), Fault::Incomplete);
        refused(Some(plain()), false, b"5\r\naaaaa\r\n0\r\n\r\n", Fault::Signature);
        refused(Some(trailing()), false, &body(&PLAIN, "\r\n"), Fault::Signature);
    }

    #[test]
    fn trailers_are_signed_and_there() {
        let other = TRAILER.replace("sOO8", "sOO9");
        refused(Some(trailing()), true, &body(&TRAILING, &other), Fault::Signature);
        refused(
            Some(trailing()),
            true,
            &body(&TRAILING, "x-amz-checksum-crc32c:sOO8/Q==\r\n\r\n"),
            Fault::Trailer,
        );
        refused(Some(trailing()), true, &body(&TRAILING, ""), Fault::Trailer);
        refused(Some(trailing()), true, &body(&TRAILING, "\r\n"), Fault::Trailer);
    }

    #[test]
    fn unsigned_bodies() {
        let read = |body: &[u8]| decode(Decoder::new(None, true), body, 3);
        let (data, trailers) =
            read(b"5\r\nhello\r\n1\r\n!\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n").unwrap();
        assert_eq!((data.as_slice(), trailers.len()), (b"hello!".as_slice(), 1));
        for (bad, fault) in [
            (b"5\r\nhello".as_slice(), Fault::Incomplete),
            (b"5\r\nhello\r\n", Fault::Incomplete),
            (b"", Fault::Incomplete),
            (b"5\r\nhelloo\r\n0\r\n\r\n", Fault::Malformed),
            (b"\r\n", Fault::Malformed),
            (b"-1\r\n", Fault::Malformed),
            (b"+5\r\nhello\r\n0\r\n\r\n", Fault::Malformed),
            (b"ffffffffffffffffff\r\n", Fault::Malformed),
            (b"0\r\nnonsense\r\n\r\n", Fault::Malformed),
            (b"0\r\n\r\nmore", Fault::Malformed),
            (b"0\r\nx-amz-checksum-crc32:AAAAAA==\r\n", Fault::Trailer),
        ] {
            assert_eq!(read(bad), Err(fault), "{}", String::from_utf8_lossy(bad));
        }
        let long = [b"1;".as_slice(), &[b'x'; 300], b"\r\na\r\n0\r\n\r\n"].concat();
        assert_eq!(read(&long), Err(Fault::Malformed));
        let many = [b"0\r\n".as_slice(), &b"x-a:b\r\n".repeat(2000), b"\r\n"].concat();
        assert_eq!(read(&many), Err(Fault::Malformed));
    }

    proptest! {
        #[test]
        fn what_is_cut_anywhere_is_the_same(data in proptest::collection::vec(any::<u8>(), 1..400), chunk in 1usize..50, piece in 1usize..60) {
            let mut body = Vec::new();
            for part in data.chunks(chunk) {
                body.extend_from_slice(format!("{:x}\r\n", part.len()).as_bytes());
                body.extend_from_slice(part);
                body.extend_from_slice(b"\r\n");
            }
            body.extend_from_slice(b"0\r\n\r\n");
            let (read, _) = decode(Decoder::new(None, true), &body, piece).unwrap();
            prop_assert_eq!(read, data);
            let cut = body.len() - 1;
            prop_assert!(decode(Decoder::new(None, true), &body[..cut], piece).is_err());
        }

        #[test]
        fn no_body_is_read_with_a_panic(body in proptest::collection::vec(any::<u8>(), 0..200), piece in 1usize..40) {
            let _ = decode(Decoder::new(None, true), &body, piece);
            let _ = decode(Decoder::new(Some(plain()), false), &body, piece);
        }
    }
}
