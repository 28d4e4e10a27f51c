//! Who may sign requests, and what for.
//!
//! A pair of keys belongs to a service. It acts in a role, the service role by default: policies bind the others. It may be
//! bound to one bucket, to reading, and to a time. A session token is no pair: it is a user's JWT, signed with a key that
//! browsers have.

use std::sync::Arc;

use arc_swap::ArcSwap;
use jwt::Verifier;
use kernel::identity::Proof;
use kernel::{Claims, Identity, RoleName, Secret};
use serde_json::Map;
use subtle::ConstantTimeEq;

use super::error::Error;
use super::operation::Operation;
use crate::call::SERVICE_ROLE;

/// What checks signatures.
pub struct S3Keys {
    /// The keys that are accepted now.
    pub credentials: S3Credentials,
    /// The name of the region.
    pub region: String,
    /// Verifies the tokens of users.
    pub verifier: Verifier,
}

/// A pair of keys.
#[derive(Clone, Debug)]
pub struct S3Pair {
    /// The access key: no secret, but of nobody's business.
    pub access_key: Secret,
    /// The secret access key.
    pub secret: Secret,
    /// The role in which its holder comes; the service role if there is none.
    pub role: Option<RoleName>,
    /// The id of the user that its holder is.
    pub user: Option<String>,
    /// The one bucket that it opens.
    pub bucket: Option<String>,
    /// Nothing can be changed with it.
    pub read_only: bool,
    /// Until when it counts, in seconds since 1970.
    pub expires_at: Option<i64>,
}

impl S3Pair {
    /// A pair that may do everything.
    #[must_use]
    pub fn new(access_key: Secret, secret: Secret) -> Self {
        Self { access_key, secret, role: None, user: None, bucket: None, read_only: false, expires_at: None }
    }
}

/// The keys that a running server accepts. Clones share them: what one replaces, all see.
#[derive(Clone)]
pub struct S3Credentials(Arc<ArcSwap<Known>>);

/// All of them at one moment.
pub(crate) struct Known {
    pairs: Vec<S3Pair>,
    session_secrets: Vec<Secret>,
}

impl S3Credentials {
    /// These pairs, and the secrets of session tokens: the API keys that browsers have. What is empty is none.
    #[must_use]
    pub fn new(pairs: Vec<S3Pair>, session_secrets: Vec<Secret>) -> Self {
        let mut known = Known { pairs, session_secrets };
        known.pairs.retain(|pair| !pair.access_key.is_empty() && !pair.secret.is_empty());
        known.session_secrets.retain(|secret| !secret.is_empty());
        Self(Arc::new(ArcSwap::from_pointee(known)))
    }

    /// Puts the keys of `others` in the place of these.
    pub fn replace(&self, others: &Self) {
        self.0.store(others.0.load_full());
    }

    /// Those of now.
    pub(crate) fn now(&self) -> Arc<Known> {
        self.0.load_full()
    }
}

impl Known {
    /// The pair of an access key, if it counts at `now` (seconds since 1970). Takes as long for every access key.
    fn pair(&self, access_key: &str, now: i64) -> Option<&S3Pair> {
        let mut found = None;
        for pair in &self.pairs {
            if bool::from(pair.access_key.expose().as_bytes().ct_eq(access_key.as_bytes())) {
                found = Some(pair);
            }
        }
        found.filter(|pair| pair.expires_at.is_none_or(|end| now < end))
    }

    /// Who may have signed with an access key.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidAccessKeyId`]; a pair that comes with a session token.
    pub(crate) fn signer(
        &self,
        access_key: &str,
        has_token: bool,
        tenant: &str,
        now: i64,
    ) -> Result<Signer<'_>, Error> {
        match self.pair(access_key, now) {
            Some(pair) if !has_token => Ok(Signer::Pair(pair)),
            Some(_) => Err(Error::AccessDenied("These credentials take no session token".into())),
            None if has_token && access_key == tenant => Ok(Signer::Session(&self.session_secrets)),
            None => Err(Error::InvalidAccessKeyId),
        }
    }
}

/// Somebody who may have signed.
pub(crate) enum Signer<'a> {
    Pair(&'a S3Pair),
    /// A user, by one of the secrets of session tokens.
    Session(&'a [Secret]),
}

impl Signer<'_> {
    /// The secrets that the signature may be made with.
    pub(crate) fn secrets(&self) -> &[Secret] {
        match self {
            Self::Pair(pair) => std::slice::from_ref(&pair.secret),
            Self::Session(secrets) => secrets,
        }
    }
}

impl S3Pair {
    /// Whom policies see.
    ///
    /// # Errors
    ///
    /// That there is no such role.
    pub(crate) fn identity(&self) -> Result<Arc<Identity>, Error> {
        identity(self.role.clone(), self.user.as_deref())
    }

    pub(crate) fn bounds(&self) -> Bounds {
        Bounds { bucket: self.bucket.clone(), read_only: self.read_only }
    }
}

/// Somebody in a role, or else the service.
///
/// # Errors
///
/// That there is no such role.
pub(crate) fn identity(role: Option<RoleName>, user: Option<&str>) -> Result<Arc<Identity>, Error> {
    let role = role.or_else(|| RoleName::parse(SERVICE_ROLE)).ok_or(Error::InvalidAccessKeyId)?;
    let user = user.map(|user| ("sub".to_owned(), user.into()));
    let claims = Claims::new(Map::from_iter(user), &role);
    Ok(Arc::new(Identity { role, claims, proof: Proof::ApiKey }))
}

/// What the keys of a request are good for, whatever policies allow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bounds {
    bucket: Option<String>,
    read_only: bool,
}

impl Bounds {
    /// To read one bucket.
    pub(crate) fn reading(bucket: &str) -> Self {
        Self { bucket: Some(bucket.to_owned()), read_only: true }
    }

    /// Whether a bucket is within them.
    pub(crate) fn opens(&self, bucket: &str) -> bool {
        self.bucket.as_deref().is_none_or(|own| own == bucket)
    }

    /// Whether an operation is. Keys of one bucket see it in the list of all, but neither make nor delete it.
    ///
    /// # Errors
    ///
    /// [`Error::AccessDenied`].
    pub(crate) fn allow(&self, operation: Operation, bucket: &str) -> Result<(), Error> {
        let is_for_all =
            matches!(operation, Operation::CreateBucket | Operation::DeleteBucket | Operation::PutAcl);
        let is_open = match operation {
            Operation::ListBuckets => true,
            _ => self.opens(bucket) && !(is_for_all && self.bucket.is_some()),
        };
        match is_open && (operation.only_reads() || !self.read_only) {
            true => Ok(()),
            false => Err(Error::AccessDenied("Access Denied".into())),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn pair(access_key: &str) -> S3Pair {
        S3Pair::new(Secret::new(access_key), Secret::new("its secret"))
    }

    #[test]
    fn signers_by_access_key() {
        let soon = S3Pair { expires_at: Some(100), ..pair("soon") };
        let all = S3Credentials::new(
            vec![pair("own"), soon, pair("")],
            vec![Secret::new("anon"), Secret::default()],
        );
        let known = all.now();
        let ask = |key: &str, has_token, now| match known.signer(key, has_token, "tenant", now) {
            Ok(signer) => signer.secrets().iter().map(Secret::expose).collect::<Vec<_>>().join(","),
            Err(error) => error.row().1.to_owned(),
        };
        assert_eq!(ask("own", false, 0), "its secret");
        assert_eq!(ask("own", true, 0), "AccessDenied");
        assert_eq!(
            (ask("soon", false, 99), ask("soon", false, 100)),
            ("its secret".into(), "InvalidAccessKeyId".into())
        );
        assert_eq!(ask("tenant", true, 0), "anon");
        for (key, has_token) in
            [("tenant", false), ("", false), ("", true), ("other", false), ("other", true)]
        {
            assert_eq!(ask(key, has_token, 0), "InvalidAccessKeyId", "{key} {has_token}");
        }
        all.clone().replace(&S3Credentials::new(Vec::new(), Vec::new()));
        assert!(all.now().signer("own", false, "tenant", 0).is_err());
    }

    #[test]
    fn pairs_act_in_their_role() {
        let identity = pair("a").identity().unwrap();
        assert_eq!((identity.role.as_str(), identity.claims.str("sub")), ("service_role", None));
        let user =
            S3Pair { role: RoleName::parse("authenticated"), user: Some("u1".to_owned()), ..pair("a") };
        let identity = user.identity().unwrap();
        assert_eq!((identity.role.as_str(), identity.claims.str("sub")), ("authenticated", Some("u1")));
    }

    #[test]
    fn bounds_hold_whatever_is_asked() {
        use Operation as Op;
        let free = Bounds::default();
        let reader = Bounds { bucket: None, read_only: true };
        let one = Bounds { bucket: Some("b".to_owned()), read_only: false };
        let check = |bounds: &Bounds, operation, bucket: &str, fits: bool| {
            assert_eq!(bounds.allow(operation, bucket).is_ok(), fits, "{bounds:?} {operation:?} {bucket}");
        };
        check(&free, Op::DeleteBucket, "b", true);
        for operation in [Op::ListBuckets, Op::ListObjectsV2, Op::GetObject, Op::HeadObject, Op::GetTagging] {
            check(&reader, operation, "b", true);
        }
        for operation in [
            Op::CreateBucket,
            Op::DeleteBucket,
            Op::PutObject,
            Op::PostObject,
            Op::DeleteObject,
            Op::DeleteObjects,
            Op::CopyObject,
            Op::PutTagging,
            Op::DeleteTagging,
            Op::CreateUpload,
            Op::UploadPart,
            Op::UploadPartCopy,
            Op::CompleteUpload,
            Op::AbortUpload,
        ] {
            check(&reader, operation, "b", false);
            check(&one, operation, "other", false);
        }
        check(&one, Op::PutObject, "b", true);
        check(&one, Op::GetObject, "other", false);
        check(&one, Op::ListBuckets, "", true);
        check(&one, Op::CreateBucket, "b", false);
        check(&one, Op::DeleteBucket, "b", false);
        check(&one, Op::PutAcl, "b", false);
        check(&Bounds::reading("b"), Op::GetObject, "b", true);
        check(&Bounds::reading("b"), Op::GetObject, "c", false);
        check(&Bounds::reading("b"), Op::PutObject, "b", false);
    }
}
