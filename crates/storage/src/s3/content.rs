//! The body of a request while it is read: bytes come out as they are to be kept, and at the end all that
//! was promised of them is checked. Nobody may keep them before.

use actix_web::HttpRequest;
use actix_web::http::header::{CONTENT_LENGTH, HeaderMap};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::access::Payload;
use super::checksum::{Algorithm, Running};
use super::chunked::Decoder;
use super::error::Error;
use crate::upload::body::Body;

/// A body.
pub(crate) struct Content {
    body: Body,
    size: u64,
    read: u64,
    decoder: Option<Decoder>,
    /// SHA-256 that was signed, and the one that is being made.
    signed: Option<(String, Sha256)>,
    checksum: Option<(Running, Expected)>,
    md5: Option<[u8; 16]>,
}

/// Where a checksum stands that a body must have.
enum Expected {
    Header(String),
    Trailer,
    /// Nothing is promised: it is wanted here.
    Nowhere,
}

/// What is known of a body that was what it should be.
pub(crate) struct Proven {
    /// MD5, if the client sent one: whoever stores the content compares it.
    pub(crate) md5: Option<[u8; 16]>,
    pub(crate) checksum: Option<(Algorithm, String)>,
}

impl Content {
    /// The body of a request, by what its headers promise.
    ///
    /// # Errors
    ///
    /// Promises that cannot be kept.
    pub(crate) fn new(request: &HttpRequest, body: Body, payload: Payload) -> Result<Self, Error> {
        let has_trailers = matches!(payload, Payload::Chunks { trailers: true, .. });
        let checksum = promised(request.headers(), has_trailers)?;
        Ok(Self { checksum, ..Self::apart(request, body, payload)? })
    }

    /// As [`Content::new`], of a body that says what to do with something else, of which the headers tell the checksum.
    ///
    /// # Errors
    ///
    /// As [`Content::new`].
    pub(crate) fn apart(request: &HttpRequest, body: Body, payload: Payload) -> Result<Self, Error> {
        let headers = request.headers();
        let length = |name: &str| text(headers, name).and_then(|length| length.parse::<u64>().ok());
        let size = match payload {
            Payload::Chunks { .. } => length("x-amz-decoded-content-length"),
            _ => length(CONTENT_LENGTH.as_str()),
        };
        let md5 = match text(headers, "content-md5") {
            None => None,
            Some(text) => {
                let bytes = STANDARD.decode(text).map_err(|_| Error::InvalidDigest)?;
                Some(<[u8; 16]>::try_from(bytes).map_err(|_| Error::InvalidDigest)?)
            }
        };
        Ok(Self {
            body,
            size: size.ok_or(Error::MissingContentLength)?,
            read: 0,
            signed: match &payload {
                Payload::Digest(digest) => Some((digest.clone(), Sha256::new())),
                _ => None,
            },
            decoder: match payload {
                Payload::Chunks { chain, trailers } => Some(Decoder::new(chain, trailers)),
                _ => None,
            },
            checksum: None,
            md5,
        })
    }

    /// Has this checksum made, whether one is promised or not.
    ///
    /// # Errors
    ///
    /// Another one is promised.
    pub(crate) fn measure(&mut self, algorithm: Algorithm) -> Result<(), Error> {
        match self.checksum.as_ref().map(|(running, _)| running.algorithm()) {
            None => self.checksum = Some((Running::new(algorithm), Expected::Nowhere)),
            Some(promised) if promised == algorithm => {}
            Some(promised) => {
                let name = |algorithm: Algorithm| algorithm.name().to_ascii_lowercase();
                return Err(Error::InvalidRequest(
                    format!(
                        "Checksum Type mismatch occurred, expected checksum Type: {}, actual checksum Type: {}",
                        name(algorithm),
                        name(promised)
                    )
                    .into(),
                ));
            }
        }
        Ok(())
    }

    /// How many bytes there will be.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// The next bytes; `None` at the end.
    ///
    /// # Errors
    ///
    /// A client that has gone, chunks that are none.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        let Some(bytes) = self.decoded().await? else { return Ok(None) };
        self.read += bytes.len() as u64;
        if self.read > self.size {
            return Err(Error::IncompleteBody);
        }
        if let Some((_, hash)) = &mut self.signed {
            hash.update(&bytes);
        }
        if let Some((running, _)) = &mut self.checksum {
            running.update(&bytes);
        }
        Ok(Some(bytes))
    }

    async fn decoded(&mut self) -> Result<Option<Bytes>, Error> {
        let Some(decoder) = &mut self.decoder else { return Ok(self.body.next().await?) };
        loop {
            if let Some(bytes) = decoder.pull()? {
                return Ok(Some(bytes));
            }
            match self.body.next().await? {
                Some(bytes) => decoder.push(&bytes),
                None => return Ok(None),
            }
        }
    }

    /// Checks what was promised of the bytes that have been read.
    ///
    /// # Errors
    ///
    /// What was not kept.
    pub(crate) fn prove(&mut self) -> Result<Proven, Error> {
        let trailers = match self.decoder.take() {
            Some(decoder) => decoder.finish()?,
            None => Vec::new(),
        };
        if self.read != self.size {
            return Err(Error::IncompleteBody);
        }
        if let Some((expected, hash)) = self.signed.take()
            && !bool::from(expected.as_bytes().ct_eq(hex::encode(hash.finalize()).as_bytes()))
        {
            return Err(Error::PayloadMismatch);
        }
        let mut checksum = None;
        if let Some((running, expected)) = self.checksum.take() {
            let algorithm = running.algorithm();
            let made = running.finish();
            let expected = match expected {
                Expected::Header(value) => Some(value),
                Expected::Trailer => {
                    let found = trailers.iter().find(|(name, _)| name == algorithm.header());
                    Some(found.map(|(_, value)| value.clone()).ok_or(Error::MalformedTrailer)?)
                }
                Expected::Nowhere => None,
            };
            if expected.is_some_and(|expected| expected != made) {
                return Err(Error::BadDigest);
            }
            checksum = Some((algorithm, made));
        }
        Ok(Proven { md5: self.md5, checksum })
    }

    /// All of a body that is no content but says what to do.
    ///
    /// # Errors
    ///
    /// More than `most` bytes; and as [`Content::next`] and [`Content::prove`].
    pub(crate) async fn all(mut self, most: u64) -> Result<Bytes, Error> {
        if self.size > most {
            return Err(Error::MalformedXml);
        }
        let mut all = BytesMut::new();
        while let Some(bytes) = self.next().await? {
            all.extend_from_slice(&bytes);
        }
        let proven = self.prove()?;
        let all = all.freeze();
        let made: [u8; 16] = md5::Md5::digest(&all).into();
        if proven.md5.is_some_and(|md5| md5 != made) {
            return Err(Error::BadDigest);
        }
        Ok(all)
    }

    /// Reads some of what is left, so that the client reads the answer and not a reset.
    pub(crate) async fn drain(&mut self) {
        self.body.drain().await;
    }
}

/// The checksum that headers tell or announce.
fn promised(headers: &HeaderMap, has_trailers: bool) -> Result<Option<(Running, Expected)>, Error> {
    let mut all = Vec::new();
    for algorithm in Algorithm::ALL {
        if let Some(value) = text(headers, algorithm.header()) {
            if !algorithm.is_value(value) {
                return Err(Error::InvalidRequest(
                    format!("Value for {} header is invalid.", algorithm.header()).into(),
                ));
            }
            all.push((Running::new(algorithm), Expected::Header(value.to_owned())));
        }
    }
    if has_trailers {
        let announced = text(headers, "x-amz-trailer").unwrap_or_default().split(',');
        for algorithm in announced.filter_map(|name| Algorithm::of_header(name.trim())) {
            all.push((Running::new(algorithm), Expected::Trailer));
        }
    }
    if all.len() > 1 {
        return Err(Error::InvalidRequest("Expecting a single x-amz-checksum- header".into()));
    }
    Ok(all.pop())
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
