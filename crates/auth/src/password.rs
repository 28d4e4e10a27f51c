//! Passwords: rules, hashing, comparing.
//!
//! Hashing takes tens of milliseconds and tens of megabytes on purpose. It runs on the blocking
//! pool, as many at a time as there are cores, so that sign-ins can starve neither the workers
//! nor the memory; the wait for a turn is part of the request's time.
//!
//! Where there is no account, the hash of nothing is compared, of the kind that is configured.
//! Accounts imported with hashes of another kind (bcrypt, mostly) take another time and show by it
//! that they exist, until their password is changed: comparing both kinds every time would cost
//! every sign-in more than that secret is worth.

mod firebase;

use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash as Phc;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD, STANDARD_NO_PAD};
use rand::RngExt;
use tokio::sync::Semaphore;

use crate::config::{Config, PasswordHash};
use crate::error::{Error, OrInternal, Weakness};

/// Longer ones do not fit into bcrypt, which upstream writes.
const MAX_BYTES: usize = 72;
const BCRYPT_COST: u32 = 10;
/// Beyond these an imported hash is a way to keep the server busy.
const MAX_BCRYPT_COST: u32 = 15;
const MAX_ARGON2_KIB: u32 = 1024 * 1024;
const MAX_ARGON2_PASSES: u32 = 20;
const MAX_ARGON2_LANES: u32 = 16;

/// Hashes and compares, a bounded number at a time.
#[derive(Clone)]
pub(crate) struct Hasher {
    permits: Arc<Semaphore>,
    /// The hash of nothing anyone knows, compared where there is no account, so that the time an
    /// answer takes does not say whether there is one.
    dummy: Arc<str>,
}

impl Hasher {
    pub(crate) async fn new(kind: PasswordHash) -> Result<Self, Error> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let mut hasher = Self { permits: Arc::new(Semaphore::new(cores)), dummy: Arc::from("") };
        hasher.dummy = hasher.hash(kind, random(32)).await?.into();
        Ok(hasher)
    }

    /// The hash to be stored.
    pub(crate) async fn hash(&self, kind: PasswordHash, password: String) -> Result<String, Error> {
        self.run(move || match kind {
            PasswordHash::Argon2id => {
                argon2id().hash_password(password.as_bytes()).map(|hash| hash.to_string()).or_internal(FAILED)
            }
            PasswordHash::Bcrypt => bcrypt::hash(password, BCRYPT_COST).or_internal(FAILED),
        })
        .await
    }

    /// True if `password` is the one behind `stored`.
    pub(crate) async fn verify(&self, stored: &str, password: String) -> Result<bool, Error> {
        let stored = stored.to_owned();
        self.run(move || Ok(verify(&stored, &password))).await
    }

    /// Takes as long as [`Hasher::verify`] and says no.
    pub(crate) async fn verify_nobody(&self, password: String) -> Result<(), Error> {
        self.verify(&self.dummy, password).await.map(drop)
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let permit = Arc::clone(&self.permits).acquire_owned().await.or_internal(FAILED)?;
        let work = move || {
            let result = work();
            drop(permit);
            result
        };
        tokio::task::spawn_blocking(work).await.or_internal(FAILED)?
    }
}

const FAILED: &str = "Error hashing password";

fn argon2id() -> Argon2<'static> {
    // The parameters are the library's own defaults, which are OWASP's second choice: 19 MiB, 2, 1.
    Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::DEFAULT)
}

fn verify(stored: &str, password: &str) -> bool {
    match Kind::of(stored) {
        Some(Kind::Bcrypt) => bcrypt::verify(password, stored).unwrap_or_default(),
        Some(Kind::Argon2) => {
            Phc::new(stored).is_ok_and(|hash| argon2id().verify_password(password.as_bytes(), &hash).is_ok())
        }
        Some(Kind::Firebase) => firebase::Hash::parse(stored).is_some_and(|hash| hash.is_of(password)),
        None => false,
    }
}

/// A form of hash that we can compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Bcrypt,
    Argon2,
    Firebase,
}

impl Kind {
    /// The form of `hash`, or `None` if we do not know it or it asks for too much work.
    pub(crate) fn of(hash: &str) -> Option<Self> {
        if let Some(rest) = ["$2a$", "$2b$", "$2y$"].iter().find_map(|prefix| hash.strip_prefix(prefix)) {
            let (cost, rest) = rest.split_once('$')?;
            let fits = cost.parse::<u32>().is_ok_and(|cost| (4..=MAX_BCRYPT_COST).contains(&cost));
            return (fits && rest.len() == 53).then_some(Self::Bcrypt);
        }
        if hash.starts_with("$fbscrypt$") {
            return firebase::Hash::parse(hash).map(|_| Self::Firebase);
        }
        let phc = Phc::new(hash).ok()?;
        let known = matches!(phc.algorithm.as_str(), "argon2i" | "argon2id") && phc.version == Some(19);
        let plain = !["keyid", "data"].iter().any(|name| phc.params.get(*name).is_some());
        let params = Params::try_from(&phc).ok()?;
        let fits = params.m_cost() <= MAX_ARGON2_KIB
            && params.t_cost() <= MAX_ARGON2_PASSES
            && params.p_cost() <= MAX_ARGON2_LANES;
        (known && plain && fits && phc.salt.is_some() && phc.hash.is_some()).then_some(Self::Argon2)
    }
}

/// Checks only that the password can be kept at all.
pub(crate) fn check_length(password: &str) -> Result<(), Error> {
    if password.len() > MAX_BYTES {
        return Err(Error::invalid("Password cannot be longer than 72 characters"));
    }
    Ok(())
}

/// Checks the installation's rules.
pub(crate) fn check_strength(config: &Config, password: &str) -> Result<(), Error> {
    check_length(password)?;
    let minimum = config.minimum_password_length.max(6);
    let required = config.required_characters();
    let (mut texts, mut reasons) = (Vec::new(), Vec::new());
    if password.len() < minimum {
        reasons.push("length");
        texts.push(format!("Password should be at least {minimum} characters."));
    }
    let lacks = |set: &&str| !set.is_empty() && !password.contains(|c| set.contains(c));
    if required.iter().any(lacks) {
        reasons.push("characters");
        texts.push(format!(
            "Password should contain at least one character of each: {}.",
            required.join(", ")
        ));
    }
    if reasons.is_empty() {
        return Ok(());
    }
    Err(Error::WeakPassword(Weakness { message: texts.join(" "), reasons }))
}

/// A hash like others, of a password that nobody knows: drawn, not computed, so that it takes no time.
pub(crate) fn hash_of_nobody(kind: PasswordHash) -> String {
    let (salt, hash): ([u8; 16], [u8; 32]) = (rand::random(), rand::random());
    match kind {
        PasswordHash::Argon2id => {
            let (m, t, p) = (Params::DEFAULT.m_cost(), Params::DEFAULT.t_cost(), Params::DEFAULT.p_cost());
            let (salt, hash) = (STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(hash));
            format!("$argon2id$v=19$m={m},t={t},p={p}${salt}${hash}")
        }
        PasswordHash::Bcrypt => {
            let alphabet = GeneralPurpose::new(&alphabet::BCRYPT, NO_PAD);
            // A hash of bcrypt has a byte less than it could have.
            let (salt, hash) = (alphabet.encode(salt), alphabet.encode(&hash[..23]));
            format!("$2b${BCRYPT_COST}${salt}{hash}")
        }
    }
}

/// A password nobody knows.
fn random(length: usize) -> String {
    const ALPHABET: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    let mut random = rand::rng();
    let letter = || char::from(ALPHABET[random.random_range(0..ALPHABET.len())]);
    std::iter::repeat_with(letter).take(length).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const ARGON2ID: &str =
        "$argon2id$v=19$m=19456,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$rk2Mi3E4dgRMg0fHaYaptWVZRKqs//6b6k3/nntqGJk";

    #[test]
    fn vectors() {
        assert!(verify(ARGON2ID, "correct horse"));
        assert!(!verify(ARGON2ID, "correct horsf"));
        let bcrypt = bcrypt::hash("correct horse", 4).unwrap();
        assert!(verify(&bcrypt, "correct horse"));
        assert!(verify(&bcrypt.replacen("$2b$", "$2a$", 1), "correct horse"));
        assert!(!verify(&bcrypt, "wrong"));
    }

    #[test]
    fn what_asks_for_too_much_or_too_little_is_no_hash() {
        for hash in [
            "",
            "password",
            "$2b$31$aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "$2b$10$short",
            "$argon2d$v=19$m=19456,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$rk2Mi3E4dgRMg0fHaYaptWVZRKqs//6b6k3/nntqGJk",
            "$argon2id$v=16$m=19456,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$rk2Mi3E4dgRMg0fHaYaptWVZRKqs//6b6k3/nntqGJk",
            "$argon2id$v=19$m=4194304,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$rk2Mi3E4dgRMg0fHaYaptWVZRKqs//6b6k3/nntqGJk",
            "$argon2id$v=19$m=19456,t=99,p=1$MDEyMzQ1Njc4OWFiY2RlZg$rk2Mi3E4dgRMg0fHaYaptWVZRKqs//6b6k3/nntqGJk",
            "$argon2id$v=19$m=19456,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg",
        ] {
            assert_eq!(Kind::of(hash), None, "{hash}");
            assert!(!verify(hash, "correct horse"));
        }
        assert_eq!(Kind::of(ARGON2ID), Some(Kind::Argon2));
    }

    #[tokio::test]
    async fn what_is_hashed_is_recognised() {
        let hasher = Hasher::new(PasswordHash::Argon2id).await.unwrap();
        let hash = hasher.hash(PasswordHash::Argon2id, "hunter22".to_owned()).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(hasher.verify(&hash, "hunter22".to_owned()).await.unwrap());
        assert!(!hasher.verify(&hash, "hunter23".to_owned()).await.unwrap());
    }

    #[test]
    fn nobody_knows_what_was_never_hashed() {
        for (kind, form) in [(PasswordHash::Argon2id, Kind::Argon2), (PasswordHash::Bcrypt, Kind::Bcrypt)] {
            let hash = hash_of_nobody(kind);
            assert_eq!(Kind::of(&hash), Some(form), "{hash}");
            assert_ne!(hash, hash_of_nobody(kind));
            assert!(!verify(&hash, "") && !verify(&hash, "password"));
        }
        // As whoever takes over the database reads it, the parameters are those of other hashes.
        assert!(hash_of_nobody(PasswordHash::Argon2id).starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(bcrypt::verify("x", &hash_of_nobody(PasswordHash::Bcrypt)).is_ok());
    }

    #[test]
    fn strength() {
        let check = |config: &Config, password: &str, message: Option<&str>| {
            let error = check_strength(config, password).err();
            assert_eq!(error.map(|error| error.to_string()).as_deref(), message, "{password}");
        };
        let plain = Config::default();
        check(&plain, "secret", None);
        check(&plain, "secre", Some("Password should be at least 6 characters."));
        check(&plain, "", Some("Password should be at least 6 characters."));
        check(&plain, &"é".repeat(37), Some("Password cannot be longer than 72 characters"));
        let strict = Config {
            minimum_password_length: 8,
            password_required_characters: vec!["abc".to_owned(), "123".to_owned()],
            ..Config::default()
        };
        check(&strict, "aaaaaaa1", None);
        check(
            &strict,
            "aaa",
            Some(
                "Password should be at least 8 characters. \
                 Password should contain at least one character of each: abc, 123.",
            ),
        );
    }
}
