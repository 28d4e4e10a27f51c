//! How often one client may ask.
//!
//! Token buckets in memory: full at first, refilled evenly. Those of mails and messages are written
//! down (`task::limits`), because a start must not fill them. Without configuration they count by
//! the client's address; a network of IPv6 counts as one client, because every subscriber has one.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::config::RateLimits;

/// Buckets kept at most per limiter: beyond that the fullest half is forgotten.
const MAX_BUCKETS: usize = 50_000;

const MINUTE: Duration = Duration::from_secs(60);
const FIVE_MINUTES: Duration = Duration::from_secs(300);
const HOUR: Duration = Duration::from_secs(3600);

/// All limiters of the service.
pub(crate) struct Limits {
    pub(crate) signup: Limiter<Client>,
    pub(crate) anonymous: Limiter<Client>,
    pub(crate) otp: Limiter<Client>,
    pub(crate) magic_link: Limiter<Client>,
    pub(crate) recover: Limiter<Client>,
    pub(crate) resend: Limiter<Client>,
    pub(crate) user: Limiter<Client>,
    pub(crate) token: Limiter<Client>,
    pub(crate) web3: Limiter<Client>,
    /// Ways to other providers that begin: each leaves a row.
    pub(crate) authorize: Limiter<Client>,
    pub(crate) refresh: Limiter<Uuid>,
    /// Refresh tokens that we never issued.
    pub(crate) forged: Limiter<Client>,
    pub(crate) verify: Limiter<Client>,
    pub(crate) factor_challenge: Limiter<Client>,
    pub(crate) factor_verify: Limiter<Client>,
    pub(crate) passkey: Limiter<Client>,
    pub(crate) passkey_verify: Limiter<Client>,
    pub(crate) oauth_registration: Limiter<Client>,
    pub(crate) oauth_authorize: Limiter<Client>,
    /// Wrong secrets and codes of applications.
    pub(crate) oauth_guesses: Limiter<Client>,
    /// Codes of devices that are none, by who types them in.
    pub(crate) user_codes: Limiter<Uuid>,
    pub(crate) sso: Limiter<Client>,
    pub(crate) saml: Limiter<Client>,
    pub(crate) email: Limiter<()>,
    pub(crate) sms: Limiter<()>,
}

impl Limits {
    pub(crate) fn new(limits: &RateLimits) -> Self {
        let entry = || Limiter::new(limits.sign_in_sign_ups, FIVE_MINUTES);
        let second_factor = || Limiter::new(limits.mfa_challenge_and_verify, MINUTE);
        Self {
            signup: entry(),
            anonymous: Limiter::new(limits.anonymous_users, HOUR),
            otp: entry(),
            magic_link: entry(),
            recover: entry(),
            resend: entry(),
            user: entry(),
            token: Limiter::new(limits.token_refresh, FIVE_MINUTES),
            web3: Limiter::new(limits.web3, FIVE_MINUTES),
            authorize: Limiter::new(limits.token_refresh, FIVE_MINUTES),
            refresh: Limiter::new(limits.token_refresh, FIVE_MINUTES),
            forged: Limiter::new(limits.token_refresh, FIVE_MINUTES),
            verify: Limiter::new(limits.token_verifications, FIVE_MINUTES),
            factor_challenge: second_factor(),
            factor_verify: second_factor(),
            passkey: Limiter::new(limits.passkey, FIVE_MINUTES),
            passkey_verify: Limiter::new(limits.passkey, FIVE_MINUTES),
            oauth_registration: Limiter::new(limits.oauth_client_registrations, FIVE_MINUTES),
            oauth_authorize: Limiter::new(limits.token_refresh, FIVE_MINUTES),
            oauth_guesses: Limiter::new(limits.token_refresh, FIVE_MINUTES),
            user_codes: Limiter::new(limits.token_verifications, FIVE_MINUTES),
            sso: Limiter::new(limits.sso, FIVE_MINUTES),
            saml: Limiter::new(limits.saml_assertion, FIVE_MINUTES),
            email: Limiter::new(limits.email_sent, HOUR),
            sms: Limiter::new(limits.sms_sent, HOUR),
        }
    }
}

/// The network of an address that belongs to one owner: the address itself, and of IPv6 its upper half.
/// Whose it is, and from where an account is known, is decided by it.
pub(crate) fn network(address: IpAddr) -> (IpAddr, u8) {
    match address.to_canonical() {
        address @ IpAddr::V4(_) => (address, 32),
        IpAddr::V6(address) => (Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(), 64),
    }
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Client {
    Network(IpAddr),
    /// Without an address all share one bucket.
    Unknown,
}

impl Client {
    pub(crate) fn of(address: Option<IpAddr>) -> Self {
        address.map_or(Self::Unknown, |address| Self::Network(network(address).0))
    }
}

/// One kind of request: so many per period, by key.
pub(crate) struct Limiter<K> {
    capacity: f64,
    per_second: f64,
    buckets: Mutex<HashMap<K, Bucket>>,
}

struct Bucket {
    tokens: f64,
    at: DateTime<Utc>,
}

impl<K: Eq + Hash> Limiter<K> {
    pub(crate) fn new(events: u32, per: Duration) -> Self {
        let capacity = f64::from(events);
        Self { capacity, per_second: capacity / per.as_secs_f64(), buckets: Mutex::new(HashMap::new()) }
    }

    /// Takes one token of `key`.
    ///
    /// # Errors
    ///
    /// The seconds until there is one, if there is none.
    pub(crate) fn take(&self, key: K, now: DateTime<Utc>) -> Result<(), u64> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= MAX_BUCKETS && !buckets.contains_key(&key) {
            self.make_room(&mut buckets, now);
        }
        let bucket = buckets.entry(key).or_insert(Bucket { tokens: self.capacity, at: now });
        bucket.tokens = self.level(bucket, now);
        bucket.at = bucket.at.max(now);
        self.enough(bucket.tokens)?;
        bucket.tokens -= 1.0;
        Ok(())
    }

    /// Whether there is a token of `key`, without taking it.
    ///
    /// # Errors
    ///
    /// As [`Limiter::take`].
    pub(crate) fn look<Q: Eq + Hash + ?Sized>(&self, key: &Q, now: DateTime<Utc>) -> Result<(), u64>
    where
        K: Borrow<Q>,
    {
        let buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        self.enough(buckets.get(key).map_or(self.capacity, |bucket| self.level(bucket, now)))
    }

    /// What is in the bucket of `key`, and since when; `None` if nothing was ever taken.
    pub(crate) fn bucket(&self, key: &K) -> Option<(f64, DateTime<Utc>)> {
        let buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        buckets.get(key).map(|bucket| (bucket.tokens, bucket.at))
    }

    /// Sets what is in the bucket of `key`; never more than fits.
    pub(crate) fn set_bucket(&self, key: K, tokens: f64, at: DateTime<Utc>) {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        // Whatever was written down is trusted no further than this.
        let tokens = if tokens.is_finite() { tokens.clamp(0.0, self.capacity) } else { 0.0 };
        buckets.insert(key, Bucket { tokens, at });
    }

    /// The seconds until there is a whole token, if there is none.
    fn enough(&self, tokens: f64) -> Result<(), u64> {
        if tokens >= 1.0 {
            return Ok(());
        }
        let missing = (1.0 - tokens) / self.per_second;
        Err(if missing.is_finite() { missing.ceil() as u64 } else { 3600 })
    }

    fn level(&self, bucket: &Bucket, now: DateTime<Utc>) -> f64 {
        let elapsed = now.signed_duration_since(bucket.at).to_std().unwrap_or_default();
        (bucket.tokens + elapsed.as_secs_f64() * self.per_second).min(self.capacity)
    }

    /// A full bucket says nothing; if there are too few of them, the fuller half goes as well.
    fn make_room(&self, buckets: &mut HashMap<K, Bucket>, now: DateTime<Utc>) {
        buckets.retain(|_, bucket| self.level(bucket, now) < self.capacity);
        if buckets.len() >= MAX_BUCKETS {
            let mut levels: Vec<f64> = buckets.values().map(|bucket| self.level(bucket, now)).collect();
            levels.sort_by(f64::total_cmp);
            let median = levels.get(levels.len() / 2).copied().unwrap_or_default();
            buckets.retain(|_, bucket| self.level(bucket, now) < median);
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    fn start() -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000, 0).unwrap_or_default()
    }

    #[test]
    fn a_bucket_empties_and_refills() {
        let limiter = Limiter::new(3, Duration::from_secs(30));
        for _ in 0..3 {
            assert_eq!(limiter.take(1, start()), Ok(()));
        }
        assert_eq!(limiter.take(1, start()), Err(10));
        assert_eq!(limiter.take(2, start()), Ok(()));
        assert_eq!(limiter.take(1, start() + TimeDelta::seconds(10)), Ok(()));
        assert_eq!(limiter.take(1, start() + TimeDelta::seconds(10)), Err(10));
    }

    #[test]
    fn a_clock_that_goes_back_gives_nothing() {
        let limiter = Limiter::new(1, Duration::from_secs(10));
        assert_eq!(limiter.take(1, start()), Ok(()));
        assert!(limiter.take(1, start() - TimeDelta::hours(1)).is_err());
        assert!(limiter.take(1, start() + TimeDelta::seconds(5)).is_err());
    }

    #[test]
    fn looking_takes_nothing() {
        let limiter = Limiter::new(1, Duration::from_secs(10));
        for _ in 0..3 {
            assert_eq!(limiter.look(&1, start()), Ok(()));
        }
        assert_eq!(limiter.take(1, start()), Ok(()));
        assert_eq!(limiter.look(&1, start()), Err(10));
        assert_eq!(limiter.look(&1, start() + TimeDelta::seconds(10)), Ok(()));
    }

    #[test]
    fn a_bucket_goes_on_where_it_was() {
        let before = Limiter::new(3, Duration::from_secs(30));
        assert_eq!(before.bucket(&()), None);
        for _ in 0..3 {
            assert_eq!(before.take((), start()), Ok(()));
        }
        let (tokens, at) = before.bucket(&()).unwrap_or_default();
        let after = Limiter::new(3, Duration::from_secs(30));
        after.set_bucket((), tokens, at);
        assert_eq!(after.take((), start() + TimeDelta::seconds(1)), Err(9));
        assert_eq!(after.take((), start() + TimeDelta::seconds(10)), Ok(()));
        after.set_bucket((), f64::NAN, start());
        assert!(after.take((), start()).is_err());
        after.set_bucket((), 1e9, start());
        assert_eq!(after.bucket(&()), Some((3.0, start())));
    }

    #[test]
    fn zero_is_never() {
        assert_eq!(Limiter::new(0, HOUR).take(1, start()), Err(3600));
    }

    #[test]
    fn memory_is_bounded() {
        let limiter = Limiter::new(2, HOUR);
        for client in 0..(MAX_BUCKETS as u64 * 2 + 10) {
            assert_eq!(limiter.take(client, start()), Ok(()));
        }
        let kept = limiter.buckets.lock().unwrap_or_else(PoisonError::into_inner).len();
        assert!(kept <= MAX_BUCKETS, "{kept}");
    }

    #[test]
    fn a_network_is_one_client() {
        let client = |text: &str| Client::of(text.parse().ok());
        assert_eq!(client("2001:db8:1:2::1"), client("2001:db8:1:2:ffff::9"));
        assert_ne!(client("2001:db8:1:2::1"), client("2001:db8:1:3::1"));
        assert_eq!(client("::ffff:10.0.0.1"), client("10.0.0.1"));
        assert_ne!(client("10.0.0.1"), client("10.0.0.2"));
    }
}
