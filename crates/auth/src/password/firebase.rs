//! Password hashes of Firebase, as people bring them: `$fbscrypt$v=1,n=…,r=…,p=…,ss=…,sk=…$salt$hash`.
//!
//! The password is stretched by scrypt into a key of AES-256, which in counter mode encrypts the signer
//! key of the project they come from; the result is the hash. `n` is the exponent of the cost, `ss`
//! what goes behind every salt. All but the numbers is padded base64.

use aws_lc_rs::cipher::{AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use scrypt::{Params, scrypt};
use subtle::ConstantTimeEq;

/// Bytes of memory that one comparison may take; Firebase itself takes 16 MiB.
const MAX_MEMORY: u64 = 128 << 20;

/// How often the memory may be gone through at most.
const MAX_LANES: u32 = 4;

/// A hash with everything it is compared by.
pub(super) struct Hash {
    params: Params,
    /// With what goes behind it.
    salt: Vec<u8>,
    signer_key: Vec<u8>,
    hash: Vec<u8>,
}

impl Hash {
    /// `None` if the text is none, or asks for too much work.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.strip_prefix("$fbscrypt$")?.split('$');
        let (fields, salt, hash) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        let mut given = fields.split(',');
        let mut field = |name: &str| given.next()?.strip_prefix(name)?.strip_prefix('=');
        let version = field("v")?;
        let mut number = |name| field(name)?.parse::<u32>().ok();
        let (n, r, p) = (number("n")?, number("r")?, number("p")?);
        let separator = STANDARD.decode(field("ss")?).ok()?;
        let signer_key = STANDARD.decode(field("sk")?).ok()?;
        let memory = 1_u64.checked_shl(n)?.checked_mul(u64::from(r))?.checked_mul(128)?;
        if version != "1" || n == 0 || n > 30 || memory > MAX_MEMORY || p > MAX_LANES {
            return None;
        }
        let mut salt = STANDARD.decode(salt).ok()?;
        salt.extend(separator);
        let hash = STANDARD.decode(hash).ok()?;
        let params = Params::new(u8::try_from(n).ok()?, r, p).ok()?;
        (!signer_key.is_empty() && given.next().is_none()).then_some(Self { params, salt, signer_key, hash })
    }

    /// Whether this is the hash of `password`.
    pub(super) fn is_of(&self, password: &str) -> bool {
        self.of(password).is_some_and(|hash| hash.ct_eq(&self.hash).into())
    }

    fn of(&self, password: &str) -> Option<Vec<u8>> {
        let mut key = [0; 32];
        scrypt(password.as_bytes(), &self.salt, &self.params, &mut key).ok()?;
        let key = EncryptingKey::ctr(UnboundCipherKey::new(&AES_256, &key).ok()?).ok()?;
        let mut text = self.signer_key.clone();
        // Each key comes of one password and one salt, and encrypts this text alone.
        key.less_safe_encrypt(&mut text, EncryptionContext::Iv128(FixedLength::from([0; 16]))).ok()?;
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,sk=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4v\
                        MDEyMzQ1Njc4OTo7PD0+Pw==$c2FsdHNhbHQ=$";
    const TAIL: &str =
        "Y1FULYEag1Kxy4Xo8dySwZm9SSyOwNsSSgADe5x/0pEZ2Ygabx632pj+I/BWRf/VFK+0ti8zu5tOKtm9MzCCRw==";

    #[test]
    fn a_hash_of_firebase() {
        let hash = Hash::parse(&format!("{HEAD}{TAIL}"));
        assert!(hash.as_ref().is_some_and(|hash| hash.is_of("correct horse")));
        assert!(hash.is_some_and(|hash| !hash.is_of("correct horsf") && !hash.is_of("")));
    }

    #[test]
    fn what_is_none_or_asks_for_too_much() {
        let whole = format!("{HEAD}{TAIL}");
        for (from, to) in [
            ("v=1", "v=2"),
            ("n=14", "n=0"),
            ("n=14", "n=18"),
            ("n=14", "n=64"),
            ("n=14", "n=4294967295"),
            ("r=8", "r=0"),
            ("r=8", "r=4294967295"),
            ("p=1", "p=0"),
            ("p=1", "p=5"),
            ("ss=Bw==,", ""),
            ("ss=Bw==", "ss=Bw"),
            ("sk=AAEC", "sk=!AEC"),
            ("$c2FsdHNhbHQ=$", "$$$"),
            ("fbscrypt", "scrypt"),
        ] {
            let text = whole.replacen(from, to, 1);
            assert_ne!(text, whole, "{from}");
            assert!(Hash::parse(&text).is_none(), "{to}");
        }
    }
}
