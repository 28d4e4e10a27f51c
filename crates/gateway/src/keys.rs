//! The keys in use: what the settings say, and the installation's own where they say nothing.

use anyhow::{Context, bail};
use base64::Engine;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use jwt::api_key::Kind;
use jwt::{ApiKeys, KeySet, LiveKeys, Policy, Verifier};
use kernel::{RoleName, Secret};

use crate::secrets::Secrets;
use crate::settings::Settings;

/// The secret of Supabase's public examples, in some behind `your-`: everybody can sign with it.
const DEMO_SECRET: &str = "super-secret-jwt-token-with-at-least-32-characters-long";
/// What the Supabase command line accepts; installations that come from it may have no longer one.
const MIN_SECRET: usize = 16;

/// The keys that sign tokens of users and verify all tokens.
///
/// # Errors
///
/// A key that cannot be used, with the setting it came from.
pub(crate) fn signing(settings: &Settings, secrets: Option<&Secrets>) -> anyhow::Result<KeySet> {
    let jwt = &settings.jwt;
    let Some(secrets) = secrets else { return bare(settings) };
    let secret = secrets.jwt_secret.expose();
    if secret.len() < MIN_SECRET {
        bail!("jwt.secret is too short: take 32 characters or more (fewer than {MIN_SECRET} are refused)");
    }
    if settings.is_production() && secret.ends_with(DEMO_SECRET) {
        bail!(
            "jwt.secret is the one of Supabase's public examples: everybody can sign keys with it. Set another, or \
             leave JWT_SECRET out to have one generated"
        );
    }
    let keys = if !jwt.keys.is_empty() {
        KeySet::from_jwks_text(jwt.keys.expose()).context("jwt.keys")?
    } else {
        let own = secrets.signing_keys.key_set().context("the installation's signing keys")?;
        if secret_signs(settings, secrets) { KeySet::default().with_verification_keys(&own) } else { own }
    };
    let keys = keys.with_secret(secret.as_bytes());
    if jwt.jwks.is_empty() {
        return Ok(keys);
    }
    Ok(keys.with_verification_keys(&KeySet::from_jwks_text(jwt.jwks.expose()).context("jwt.jwks")?))
}

/// Whoever brings a secret and no keys has programs that verify with the secret, so it signs until
/// the operator moves on to keys by rotating them.
pub(crate) fn secret_signs(settings: &Settings, secrets: &Secrets) -> bool {
    settings.jwt.keys.is_empty() && !settings.jwt.secret.is_empty() && secrets.rotated_at.is_none()
}

/// The data API alone: a secret or keys if there are any, as PostgREST has it.
fn bare(settings: &Settings) -> anyhow::Result<KeySet> {
    let jwt = &settings.jwt;
    if !jwt.jwks.is_empty() {
        return KeySet::from_jwt_secret(jwt.jwks.expose().as_bytes()).context("jwt.jwks");
    }
    if jwt.secret.is_empty() {
        return Ok(KeySet::default());
    }
    KeySet::from_jwt_secret(&secret_bytes(settings)?).context("jwt.secret")
}

/// The bytes that the secret stands for, read as PostgREST does: both alphabets, dots for padding.
fn secret_bytes(settings: &Settings) -> anyhow::Result<Vec<u8>> {
    let secret = settings.jwt.secret.expose();
    if !settings.jwt.secret_is_base64 {
        return Ok(secret.as_bytes().to_vec());
    }
    let lenient = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let engine = GeneralPurpose::new(&URL_SAFE, lenient);
    let text = secret.trim().replace('+', "-").replace('/', "_").replace('.', "=");
    engine.decode(text).ok().context("jwt.secret is not base64 (jwt.secret_is_base64)")
}

/// What verifies the tokens of requests by these keys; `strict` is PostgREST's rule for tokens that
/// name a key we do not have.
///
/// # Errors
///
/// A role claim that is no path.
pub(crate) fn verifier(settings: &Settings, keys: LiveKeys, strict: bool) -> anyhow::Result<Verifier> {
    let jwt = &settings.jwt;
    let policy = Policy {
        audience: jwt.audience.clone(),
        role_claim: jwt.role_claim.parse().context("jwt.role_claim")?,
        leeway: i64::try_from(jwt.leeway.0.as_secs()).unwrap_or(i64::MAX),
        strict_kid: strict,
    };
    Ok(Verifier::new(keys, policy, jwt.cache_entries))
}

/// The API keys that are accepted; none where none are asked for.
///
/// # Errors
///
/// A configured JWT key that the secret does not verify.
pub(crate) fn api_keys(settings: &Settings, secrets: Option<&Secrets>) -> anyhow::Result<ApiKeys> {
    let Some(secrets) = secrets else { return Ok(ApiKeys::default()) };
    let role = |name: &str| RoleName::parse(name).context("a role without a name");
    let (anon, service) = (role("anon")?, role("service_role")?);
    let mut keys = ApiKeys::new(settings.server.legacy_api_keys)
        .with(&secrets.publishable_key, Kind::Publishable, &anon, secrets.created_at)
        .with(&secrets.secret_key, Kind::Secret, &service, secrets.created_at);
    for key in &secrets.api_keys {
        let role = role(key.usage.role())?;
        keys = keys.with_digest(&key.digest, key.usage.kind(), &role, key.created_at);
    }
    for (name, key, role) in [
        ("anon_key", &settings.keys.anon_key, "anon"),
        ("service_role_key", &settings.keys.service_role_key, "service_role"),
    ] {
        check_legacy(settings, secrets, key, role).with_context(|| format!("keys.{name}"))?;
    }
    Ok(keys)
}

/// A key that comes from the settings must be one that we will accept.
fn check_legacy(settings: &Settings, secrets: &Secrets, key: &Secret, role: &str) -> anyhow::Result<()> {
    if key.is_empty() {
        return Ok(());
    }
    // Whether it has expired is told when it is used.
    let verified = signing(settings, Some(secrets))?.verify(key.expose(), &Policy::default(), 0);
    let role_of_key = match &verified {
        Ok(verified) => verified.role().map(RoleName::as_str),
        // At the beginning of time every token is from the future.
        Err(kernel::TokenError::IssuedInFuture | kernel::TokenError::NotYetValid) => Some(role),
        Err(error) => bail!("the key is not signed with jwt.secret: {error}"),
    };
    if role_of_key != Some(role) {
        bail!("the key is not one of the role {role}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use kernel::units::Span;

    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn settings(secret: &str) -> Settings {
        let mut settings = Settings::default();
        settings.jwt.secret = Secret::new(secret);
        settings
    }

    fn secrets(settings: &Settings) -> Secrets {
        Secrets::generate(NOW).unwrap().with_settings(settings).unwrap()
    }

    fn verifying(settings: &Settings, secrets: Option<&Secrets>) -> Verifier {
        verifier(settings, signing(settings, secrets).unwrap().into(), secrets.is_none()).unwrap()
    }

    #[test]
    fn a_fresh_installation_signs_es256_and_accepts_its_own_keys() {
        let settings = Settings::default();
        let secrets = secrets(&settings);
        let keys = signing(&settings, Some(&secrets)).unwrap();
        assert_eq!(keys.signing_algorithm(), Some(jwt::Algorithm::ES256));
        assert_eq!(keys.jwks()["keys"].as_array().unwrap().len(), 1);
        let verifier = verifying(&settings, Some(&secrets));
        let api_keys = api_keys(&settings, Some(&secrets)).unwrap();
        for (key, role) in [
            (&secrets.anon_key, "anon"),
            (&secrets.publishable_key, "anon"),
            (&secrets.service_role_key, "service_role"),
            (&secrets.secret_key, "service_role"),
        ] {
            assert_eq!(api_keys.resolve(key.expose(), &verifier, NOW).unwrap().identity.role.as_str(), role);
        }
    }

    #[test]
    fn a_secret_from_elsewhere_signs_and_mints() {
        let settings = settings("a secret that came with an old installation");
        let secrets = secrets(&settings);
        let keys = signing(&settings, Some(&secrets)).unwrap();
        assert_eq!(keys.signing_algorithm(), Some(jwt::Algorithm::HS256));
        assert!(keys.verify(secrets.anon_key.expose(), &Policy::default(), NOW).is_ok());
        // Until keys of our own are to sign. The secret's tokens are good still.
        let mut rotated = secrets.clone();
        rotated.rotated_at = Some(NOW);
        let keys = signing(&settings, Some(&rotated)).unwrap();
        assert_eq!(keys.signing_algorithm(), Some(jwt::Algorithm::ES256));
        assert!(keys.verify(secrets.anon_key.expose(), &Policy::default(), NOW).is_ok());
        // The same at every start.
        assert_eq!(secrets.clone().with_settings(&settings).unwrap().anon_key, secrets.anon_key);
    }

    #[test]
    fn the_demo_secret_is_for_development() {
        let mut settings = settings(DEMO_SECRET);
        let secrets = secrets(&settings);
        assert!(signing(&settings, Some(&secrets)).is_ok());
        settings.server.listen = vec!["0.0.0.0:8000".parse().unwrap()];
        let refused = signing(&settings, Some(&secrets)).unwrap_err().to_string();
        assert!(refused.contains("public examples") && !refused.contains(DEMO_SECRET), "{refused}");
        // The key that every example shows.
        settings.server.listen = Settings::default().server.listen;
        let demo = concat!(
            "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJzdXBhYmFzZS1kZW1vIiwicm9sZSI6ImFub24iLCJleHAiOjE5ODM4MTI5",
            "OTZ9.CRXP1A7WOeoJeXxjNni43kdQwgnWNReilDMblYTn_I0"
        );
        settings.keys.anon_key = Secret::new(demo);
        let api_keys = api_keys(&settings, Some(&secrets)).unwrap();
        let verifier = verifying(&settings, Some(&secrets));
        assert!(api_keys.resolve(demo, &verifier, NOW).is_ok());
    }

    #[test]
    fn keys_that_would_not_work_are_refused() {
        let mut settings = settings("a secret that came with an old installation");
        let secrets = secrets(&settings);
        let mint = |secret: &str, role: &str| jwt::api_key::mint_legacy(secret, role, NOW, NOW + 9).unwrap();
        settings.keys.anon_key = mint("another secret", "anon");
        assert!(format!("{:#}", api_keys(&settings, Some(&secrets)).unwrap_err()).contains("keys.anon_key"));
        settings.keys.anon_key = mint("a secret that came with an old installation", "anon");
        assert!(api_keys(&settings, Some(&secrets)).is_ok());
        assert!(signing(&self::settings("short"), Some(&self::secrets(&self::settings("short")))).is_err());
    }

    #[test]
    fn the_data_api_alone_takes_what_postgrest_takes() {
        assert!(bare(&Settings::default()).unwrap().is_empty());
        assert!(bare(&settings("too short")).is_err());
        let token = |secret: &str| KeySet::from_secret(secret).sign(&serde_json::Map::new()).unwrap();
        let check = |settings: &Settings, secret: &str| {
            settings.jwt.leeway == Span::secs(30)
                && verifying(settings, None).verify(&token(secret), NOW).is_ok()
        };
        let plain = "reallyreallyreallyreallyverysafe";
        assert!(check(&settings(plain), plain));
        for encoded in
            ["cmVhbGx5cmVhbGx5cmVhbGx5cmVhbGx5dmVyeXNhZmU=", "cmVhbGx5cmVhbGx5cmVhbGx5cmVhbGx5dmVyeXNhZmU."]
        {
            let mut settings = settings(encoded);
            settings.jwt.secret_is_base64 = true;
            assert!(check(&settings, plain));
        }
        assert!(api_keys(&settings(plain), None).is_ok());
    }
}
