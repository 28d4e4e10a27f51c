//! AWS Signature Version 4: what a client claims, and whether its secret made the signature.
//!
//! Written from the public documents ("Authenticating Requests: Using the Authorization Header",
//! "… Using Query Parameters"), whose examples are the tests below.

use chrono::NaiveDateTime;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::canonical::Request;
use super::error::Error;
use super::query::Query;

/// The one algorithm.
pub(crate) const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// A presigned URL lives for a week at most.
const LONGEST: u64 = 7 * 24 * 60 * 60;

/// Clocks may differ by so much, in seconds.
const SKEW: i64 = 15 * 60;

/// The digest of no bytes.
pub(crate) const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// What a key is good for: a day, a region, a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Scope {
    pub(crate) date: String,
    pub(crate) region: String,
}

impl Scope {
    /// As it is written.
    pub(crate) fn text(&self) -> String {
        format!("{}/{}/s3/aws4_request", self.date, self.region)
    }
}

/// Who signed, when, and over what; as the request claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) access_key: String,
    pub(crate) scope: Scope,
    /// Names of headers, in lower case and sorted.
    pub(crate) signed_headers: Vec<String>,
    pub(crate) signature: String,
    /// `20130524T000000Z`
    pub(crate) moment: String,
    /// The moment in seconds since 1970.
    pub(crate) at: i64,
    /// Of a presigned URL: for how long, in seconds.
    pub(crate) expires: Option<u64>,
}

impl Claim {
    /// From the header `Authorization`, and the moment in `x-amz-date` or `Date`.
    ///
    /// # Errors
    ///
    /// [`Error::AuthorizationMalformed`], or that there is no date.
    pub(crate) fn of_header(
        authorization: &str,
        amz_date: Option<&str>,
        date: Option<&str>,
    ) -> Result<Self, Error> {
        let malformed = |what: &'static str| Error::AuthorizationMalformed(what);
        let fields = authorization.strip_prefix(ALGORITHM).ok_or(Error::MissingSignature)?;
        let (mut credential, mut headers, mut signature) = (None, None, None);
        for field in fields.split(',') {
            match field.trim().split_once('=') {
                Some(("Credential", value)) => credential = Some(value),
                Some(("SignedHeaders", value)) => headers = Some(value),
                Some(("Signature", value)) => signature = Some(value),
                _ => return Err(malformed("it has an unknown part")),
            }
        }
        let credential = credential.ok_or(malformed("Credential is missing"))?;
        let headers = headers.ok_or(malformed("SignedHeaders is missing"))?;
        let signature = signature.ok_or(malformed("Signature is missing"))?;
        let no_date =
            || Error::AccessDenied("AWS authentication requires a valid Date or x-amz-date header".into());
        let moment = match (amz_date, date) {
            (Some(moment), _) => moment.to_owned(),
            (None, Some(date)) => {
                let date = httpdate::parse_http_date(date).map_err(|_| no_date())?;
                chrono::DateTime::<chrono::Utc>::from(date).format("%Y%m%dT%H%M%SZ").to_string()
            }
            (None, None) => return Err(no_date()),
        };
        let at = seconds(&moment).ok_or_else(no_date)?;
        Self::new(credential, headers, signature, moment, at, None)
            .ok_or(malformed("Credential is none of S3"))
    }

    /// From the query of a presigned URL; `None` if it is none.
    ///
    /// # Errors
    ///
    /// [`Error::QueryMalformed`].
    pub(crate) fn of_query(query: &Query) -> Result<Option<Self>, Error> {
        let Some(algorithm) = query.get("X-Amz-Algorithm") else { return Ok(None) };
        let malformed = |what: &'static str| Error::QueryMalformed(what);
        let get = |name: &str, what: &'static str| query.get(name).ok_or(malformed(what));
        if algorithm != ALGORITHM {
            return Err(malformed("X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256\""));
        }
        let credential = get("X-Amz-Credential", "X-Amz-Credential is missing")?;
        let headers = get("X-Amz-SignedHeaders", "X-Amz-SignedHeaders is missing")?;
        let signature = get("X-Amz-Signature", "X-Amz-Signature is missing")?;
        let moment = get("X-Amz-Date", "X-Amz-Date is missing")?;
        let at = seconds(moment).ok_or(malformed("X-Amz-Date must be formatted via ISO8601 Long format"))?;
        let expires = get("X-Amz-Expires", "X-Amz-Expires is missing")?;
        let expires: i64 = expires.parse().map_err(|_| malformed("X-Amz-Expires should be a number"))?;
        let expires = u64::try_from(expires).ok().filter(|expires| *expires > 0).ok_or(Error::Expired)?;
        if expires > LONGEST {
            return Err(malformed("X-Amz-Expires must be between 1 and 604800 seconds"));
        }
        let claim = Self::new(credential, headers, signature, moment.to_owned(), at, Some(expires));
        claim.map(Some).ok_or(malformed("Error parsing the X-Amz-Credential parameter"))
    }

    /// From the fields of a form; what is signed is its policy.
    ///
    /// # Errors
    ///
    /// That there is no signature, or none of ours.
    pub(crate) fn of_form<'a>(get: impl Fn(&str) -> Option<&'a str>) -> Result<Self, Error> {
        let malformed = |what: &'static str| Error::QueryMalformed(what);
        if get("x-amz-algorithm").is_none() && get("awsaccesskeyid").is_some() {
            return Err(Error::InvalidRequest(
                "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256."
                    .into(),
            ));
        }
        if get("x-amz-algorithm").ok_or(Error::MissingSignature)? != ALGORITHM {
            return Err(malformed("X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256\""));
        }
        let (credential, signature) = (get("x-amz-credential"), get("x-amz-signature"));
        let (Some(credential), Some(signature), Some(moment)) = (credential, signature, get("x-amz-date"))
        else {
            return Err(Error::InvalidArgument(
                "Bucket POST must contain the fields X-Amz-Credential, X-Amz-Date and X-Amz-Signature."
                    .into(),
            ));
        };
        let at = seconds(moment).ok_or(malformed("X-Amz-Date must be formatted via ISO8601 Long format"))?;
        // Its policy says until when it counts.
        let claim = Self::new(credential, "", signature, moment.to_owned(), at, Some(LONGEST));
        claim.ok_or(malformed("Error parsing the X-Amz-Credential parameter"))
    }

    fn new(
        credential: &str,
        headers: &str,
        signature: &str,
        moment: String,
        at: i64,
        expires: Option<u64>,
    ) -> Option<Self> {
        // An access key may hold slashes; the scope has none.
        let mut parts = credential.rsplitn(5, '/');
        let (end, service, region, date, access_key) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        if end != "aws4_request" || service != "s3" || !moment.starts_with(date) || date.len() != 8 {
            return None;
        }
        let mut signed_headers: Vec<String> = headers.split(';').map(str::to_ascii_lowercase).collect();
        signed_headers.sort();
        signed_headers.dedup();
        Some(Self {
            access_key: access_key.to_owned(),
            scope: Scope { date: date.to_owned(), region: region.to_owned() },
            signed_headers,
            signature: signature.to_owned(),
            moment,
            at,
            expires,
        })
    }

    /// Whether the signature counts at `now` (seconds since 1970).
    ///
    /// # Errors
    ///
    /// [`Error::Skewed`], [`Error::Expired`].
    pub(crate) fn is_timely(&self, now: i64) -> Result<(), Error> {
        if self.at > now.saturating_add(SKEW) {
            return Err(Error::Skewed);
        }
        match self.expires {
            Some(expires) => {
                let end = self.at.saturating_add(i64::try_from(expires).unwrap_or(i64::MAX));
                if now > end { Err(Error::Expired) } else { Ok(()) }
            }
            None if self.at < now.saturating_sub(SKEW) => Err(Error::Skewed),
            None => Ok(()),
        }
    }

    /// Whether this key signed one of these spellings of the request.
    pub(crate) fn is_signed_by<'a>(
        &self,
        key: &SigningKey,
        mut spellings: impl Iterator<Item = Request<'a>>,
    ) -> bool {
        spellings.any(|request| {
            let text = format!("{ALGORITHM}\n{}\n{}\n{}", self.moment, self.scope.text(), request.digest());
            key.made(&text, &self.signature)
        })
    }
}

/// Seconds since 1970 of a moment such as `20130524T000000Z`.
fn seconds(moment: &str) -> Option<i64> {
    let moment = NaiveDateTime::parse_from_str(moment, "%Y%m%dT%H%M%SZ").ok()?;
    Some(moment.and_utc().timestamp())
}

/// The key of one secret for one scope.
#[derive(Clone)]
pub(crate) struct SigningKey([u8; 32]);

impl SigningKey {
    pub(crate) fn new(secret: &str, scope: &Scope) -> Self {
        let mut key = mac(format!("AWS4{secret}").as_bytes(), &scope.date);
        for part in [scope.region.as_str(), "s3", "aws4_request"] {
            key = mac(&key, part);
        }
        Self(key)
    }

    /// The signature of a text, in hex.
    pub(crate) fn sign(&self, text: &str) -> String {
        hex::encode(mac(&self.0, text))
    }

    /// Whether this key made a signature of a text; takes as long whether it did or not.
    pub(crate) fn made(&self, text: &str, signature: &str) -> bool {
        self.sign(text).as_bytes().ct_eq(signature.as_bytes()).into()
    }
}

fn mac(key: &[u8], text: &str) -> [u8; 32] {
    // A key of any length will do.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return [0; 32] };
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().into()
}

/// The hex digest of some bytes.
pub(crate) fn digest(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;
    use crate::s3::canonical;

    // The credentials of the examples in the S3 documents.
    const ACCESS: &str = "AKIAIOSFODNN7EXAMPLE";
    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    const MOMENT: &str = "20130524T000000Z";

    fn headers(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn claim(signed: &str, signature: &str) -> Claim {
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={ACCESS}/20130524/us-east-1/s3/aws4_request, SignedHeaders={signed}, Signature={signature}"
        );
        Claim::of_header(&authorization, Some(MOMENT), None).unwrap()
    }

    #[track_caller]
    fn check(method: &str, path: &str, query: &str, pairs: &[(&str, &str)], payload: &str, signature: &str) {
        let headers = headers(pairs);
        let signed = pairs.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
        let claim = claim(&signed, signature);
        let key = SigningKey::new(SECRET, &claim.scope);
        let (path, query) = (canonical::path(path), canonical::query(query));
        let request = Request { method, path: &path, query: &query, headers: &headers, payload };
        assert!(claim.is_signed_by(&key, std::iter::once(request)));
        for other in [
            Request { method: "POST", ..request },
            Request { path: "/other", ..request },
            Request { query: "other=", ..request },
            Request { payload: "UNSIGNED-PAYLOAD", ..request },
            Request { headers: &[], ..request },
        ] {
            assert!(!claim.is_signed_by(&key, std::iter::once(other)), "{other:?}");
        }
    }

    const HOST: (&str, &str) = ("host", "examplebucket.s3.amazonaws.com");

    #[test]
    fn get_object_of_the_documents() {
        check(
            "GET",
            "/test.txt",
            "",
            &[HOST, ("range", "bytes=0-9"), ("x-amz-content-sha256", EMPTY), ("x-amz-date", MOMENT)],
            EMPTY,
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        );
    }

    #[test]
    fn put_object_of_the_documents() {
        let payload = "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072";
        check(
            "PUT",
            "/test$file.text",
            "",
            &[
                ("date", "Fri, 24 May 2013 00:00:00 GMT"),
                HOST,
                ("x-amz-content-sha256", payload),
                ("x-amz-date", MOMENT),
                ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
            ],
            payload,
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
        );
    }

    #[test]
    fn subresource_and_list_of_the_documents() {
        let pairs = [HOST, ("x-amz-content-sha256", EMPTY), ("x-amz-date", MOMENT)];
        let lifecycle = "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543";
        check("GET", "/", "lifecycle", &pairs, EMPTY, lifecycle);
        let list = "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7";
        check("GET", "/", "max-keys=2&prefix=J", &pairs, EMPTY, list);
    }

    #[test]
    fn presigned_url_of_the_documents() {
        let raw = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";
        let claim = Claim::of_query(&Query::read(raw)).unwrap().unwrap();
        assert_eq!(claim.expires, Some(86_400));
        let key = SigningKey::new(SECRET, &claim.scope);
        let (headers, query) = (headers(&[HOST]), canonical::query(raw));
        let request = Request {
            method: "GET",
            path: "/test.txt",
            query: &query,
            headers: &headers,
            payload: "UNSIGNED-PAYLOAD",
        };
        assert!(claim.is_signed_by(&key, std::iter::once(request)));
        let start = claim.at;
        assert!(claim.is_timely(start + 86_400).is_ok());
        assert!(matches!(claim.is_timely(start + 86_401), Err(Error::Expired)));
        assert!(matches!(claim.is_timely(start - 901), Err(Error::Skewed)));
    }

    #[test]
    fn clocks_may_differ_by_a_quarter_of_an_hour() {
        let claim = claim("host", "00");
        for (shift, fits) in [(0, true), (900, true), (-900, true), (901, false), (-901, false)] {
            assert_eq!(claim.is_timely(claim.at + shift).is_ok(), fits, "{shift}");
        }
    }

    #[test]
    fn what_is_no_claim_is_refused() {
        let credential = "Credential=a/20130524/r/s3/aws4_request";
        for bad in [
            String::new(),
            "Bearer x".to_owned(),
            format!("{ALGORITHM} {credential}, SignedHeaders=host"),
            format!("{ALGORITHM} {credential}, Signature=00"),
            format!("{ALGORITHM} SignedHeaders=host, Signature=00"),
            format!("{ALGORITHM} Credential=a/20130524/r/s3, SignedHeaders=host, Signature=00"),
            format!("{ALGORITHM} Credential=a/20130524/r/ec2/aws4_request, SignedHeaders=host, Signature=00"),
            format!("{ALGORITHM} Credential=a/20130525/r/s3/aws4_request, SignedHeaders=host, Signature=00"),
            format!("{ALGORITHM} Credential=a/2013/r/s3/aws4_request, SignedHeaders=host, Signature=00"),
        ] {
            assert!(Claim::of_header(&bad, Some(MOMENT), None).is_err(), "{bad}");
        }
        let good = format!("{ALGORITHM} {credential},SignedHeaders=host;X-Amz-Date,Signature=00");
        assert!(Claim::of_header(&good, None, None).is_err());
        assert!(Claim::of_header(&good, Some("yesterday"), None).is_err());
        let claim = Claim::of_header(&good, None, Some("Fri, 24 May 2013 00:00:00 GMT")).unwrap();
        assert_eq!((claim.moment.as_str(), claim.signed_headers.len()), (MOMENT, 2));
        for expires in ["0", "604801", "-1", "x"] {
            let raw = format!(
                "X-Amz-Algorithm={ALGORITHM}&X-Amz-Credential=a/20130524/r/s3/aws4_request&X-Amz-Date={MOMENT}&X-Amz-Expires={expires}&X-Amz-SignedHeaders=host&X-Amz-Signature=00"
            );
            assert!(Claim::of_query(&Query::read(&raw)).is_err(), "{expires}");
        }
        assert_eq!(Claim::of_query(&Query::read("prefix=a")).unwrap(), None);
    }

    proptest! {
        #[test]
        fn no_text_is_read_with_a_panic(text in ".{0,80}") {
            let _ = Claim::of_header(&format!("{ALGORITHM} {text}"), Some(MOMENT), None);
            let _ = Claim::of_query(&Query::read(&format!("X-Amz-Algorithm={ALGORITHM}&{text}")));
        }

        #[test]
        fn another_secret_signs_otherwise(secret in "[a-z0-9]{1,40}", text in ".{0,40}") {
            let scope = Scope { date: "20130524".to_owned(), region: "local".to_owned() };
            let key = SigningKey::new(&secret, &scope);
            let signature = key.sign(&text);
            prop_assert!(key.made(&text, &signature));
            let altered = format!("{text}.");
            prop_assert!(!key.made(&altered, &signature));
            let other = format!("{secret}.");
            prop_assert!(!SigningKey::new(&other, &scope).made(&text, &signature));
        }
    }
}
