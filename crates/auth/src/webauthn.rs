//! Ceremonies with security keys and passkeys, as WebAuthn level 2 has them.
//!
//! What a ceremony has to remember is kept in the database as JSON until the answer comes; it never
//! goes to the client. Whom we trust is the key alone: no statement about the make of an
//! authenticator is asked for. That the user is verified is preferred, not required. A signature
//! counter that does not grow is logged and accepted, because keys that several devices share do
//! not count together.
//!
//! Credentials are kept in upstream's forms: the public key as COSE, which is what the
//! authenticator sent. Keys of EdDSA are neither offered nor, where upstream registered one,
//! accepted: the library cannot check them.

mod stored;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_cbor_2::Value as Cbor;
use serde_json::{Value, json};
use url::Url;
use uuid::Uuid;
use webauthn_rs_core::WebauthnCore;
use webauthn_rs_core::error::WebauthnError;
use webauthn_rs_core::proto::{
    AttestationFormat, AuthenticationState, COSEAlgorithm, COSEKey, ParsedAttestation, PublicKeyCredential,
    RegisterPublicKeyCredential, RegisteredExtensions, RegistrationState, UserVerificationPolicy,
};

use crate::config::Config;
use crate::user::User;

/// This installation as authenticators know it.
pub(crate) struct RelyingParty(WebauthnCore);

/// Whether a credential must be one that finds its account by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Passkey,
    SecondFactor,
}

/// Why a ceremony failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CeremonyError {
    /// The answer is not of the form that browsers send.
    #[error("the answer cannot be read: {0}")]
    Unreadable(#[source] serde_json::Error),
    /// The answer is not right.
    #[error("the answer is not right: {0:?}")]
    Wrong(WebauthnError),
    /// The credential's key is damaged.
    #[error("the key cannot be used: {0}")]
    Key(String),
    /// The credential's key is one of EdDSA, which upstream registers.
    #[error("keys of EdDSA cannot be checked")]
    EdDsa,
    /// The ceremony could not be begun or remembered.
    #[error("the ceremony cannot be held: {0}")]
    Setup(String),
}

/// A credential that was registered.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Credential {
    pub(crate) id: Vec<u8>,
    /// The public key, in COSE.
    pub(crate) public_key: Vec<u8>,
    pub(crate) sign_count: u32,
    pub(crate) backup_eligible: bool,
    pub(crate) backed_up: bool,
    pub(crate) transports: Vec<String>,
    /// The make of the authenticator.
    pub(crate) aaguid: Uuid,
    pub(crate) user_verified: bool,
    pub(crate) attestation_type: String,
}

/// A ceremony that was begun.
pub(crate) struct Begun {
    /// For the browser.
    pub(crate) options: Value,
    /// To be kept until the answer comes.
    pub(crate) state: Value,
}

/// What a signature showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Signed {
    pub(crate) sign_count: u32,
    pub(crate) backed_up: bool,
}

/// The algorithms we can check.
const ALGORITHMS: [COSEAlgorithm; 3] = [COSEAlgorithm::ES256, COSEAlgorithm::ES384, COSEAlgorithm::RS256];

impl RelyingParty {
    /// As the settings say; what they leave out is taken from the site.
    pub(crate) fn new(config: &Config) -> Result<Self, CeremonyError> {
        let settings = &config.webauthn;
        let setup = |error: url::ParseError| CeremonyError::Setup(error.to_string());
        let site = Url::parse(&config.site_url).map_err(setup)?;
        let id = match settings.rp_id.as_str() {
            "" => site.host_str().unwrap_or_default(),
            id => id,
        };
        let name = if settings.rp_display_name.is_empty() { id } else { &settings.rp_display_name };
        let origins = match settings.rp_origins.as_slice() {
            [] => vec![site.clone()],
            origins => {
                origins.iter().map(|origin| Url::parse(origin)).collect::<Result<_, _>>().map_err(setup)?
            }
        };
        let timeout = settings.challenge_expiry.0;
        Ok(Self(WebauthnCore::new_unsafe_experts_only(name, id, origins, timeout, None, None)))
    }

    /// Begins to register a credential of `user`, who has `present` already.
    pub(crate) fn begin_registration(
        &self,
        user: &User,
        present: Vec<Vec<u8>>,
        kind: Kind,
    ) -> Result<Begun, CeremonyError> {
        let id = user.id.to_string();
        let name = [&user.email, &user.phone, &id].into_iter().find(|name| !name.is_empty()).unwrap_or(&id);
        let shown = user.user_metadata.get("name").and_then(Value::as_str).filter(|name| !name.is_empty());
        let builder = self.0.new_challenge_register_builder(id.as_bytes(), name, shown.unwrap_or(name));
        let builder = builder
            .map_err(CeremonyError::Wrong)?
            .user_verification_policy(UserVerificationPolicy::Preferred)
            .credential_algorithms(ALGORITHMS.to_vec())
            .exclude_credentials(Some(present))
            .require_resident_key(kind == Kind::Passkey);
        let (options, state) = self.0.generate_challenge_register(builder).map_err(CeremonyError::Wrong)?;
        let mut options = to_json(&options)?;
        // The library writes what upstream leaves out.
        if kind == Kind::SecondFactor
            && let Some(selection) = options.pointer_mut("/publicKey/authenticatorSelection")
        {
            *selection = json!({ "userVerification": "preferred" });
        }
        Ok(Begun { options, state: to_json(&state)? })
    }

    /// Checks the answer to a registration.
    pub(crate) fn finish_registration(
        &self,
        state: &Value,
        answer: &Value,
    ) -> Result<Credential, CeremonyError> {
        let state: RegistrationState = from_state(state)?;
        let answer = RegisterPublicKeyCredential::deserialize(answer).map_err(CeremonyError::Unreadable)?;
        let registered = self.0.register_credential(&answer, &state, None).map_err(CeremonyError::Wrong)?;
        let attested = Attested::read(answer.response.attestation_object.as_ref())?;
        Ok(Credential {
            id: registered.cred_id.to_vec(),
            public_key: attested.public_key,
            sign_count: registered.counter,
            backup_eligible: registered.backup_eligible,
            backed_up: registered.backup_state,
            transports: transports(&answer),
            aaguid: attested.aaguid,
            user_verified: registered.user_verified,
            attestation_type: attested.format,
        })
    }

    /// Begins to check one of `credentials`; of any the authenticator has, if there are none.
    pub(crate) fn begin_authentication(&self, credentials: &[Credential]) -> Result<Begun, CeremonyError> {
        let (usable, unusable): (Vec<_>, Vec<_>) =
            credentials.iter().map(Credential::for_library).partition(Result::is_ok);
        if usable.is_empty()
            && let Some(Err(error)) = unusable.into_iter().next()
        {
            return Err(error);
        }
        let builder = self.0.new_challenge_authenticate_builder(
            usable.into_iter().collect::<Result<_, _>>()?,
            Some(UserVerificationPolicy::Preferred),
        );
        let builder = builder.map_err(CeremonyError::Wrong)?;
        let (options, mut state) =
            self.0.generate_challenge_authenticate(builder).map_err(CeremonyError::Wrong)?;
        // Credentials are read anew when the answer comes.
        state.set_allowed_credentials(Vec::new());
        Ok(Begun { options: to_json(&options)?, state: to_json(&state)? })
    }

    /// Checks the answer to an authentication by one of `credentials`.
    pub(crate) fn finish_authentication<'a>(
        &self,
        state: &Value,
        answer: &Value,
        credentials: &'a [Credential],
    ) -> Result<(&'a Credential, Signed), CeremonyError> {
        let state: AuthenticationState = from_state(state)?;
        let answer = PublicKeyCredential::deserialize(answer).map_err(CeremonyError::Unreadable)?;
        let credential = credentials.iter().find(|credential| credential.id == answer.raw_id);
        let credential = credential.ok_or(CeremonyError::Wrong(WebauthnError::CredentialNotFound))?;
        let result = self
            .0
            .authenticate_single_credential(&answer, &state, &credential.for_library()?)
            .map_err(CeremonyError::Wrong)?;
        let counts = result.counter() > 0 || credential.sign_count > 0;
        if counts && result.counter() <= credential.sign_count {
            tracing::warn!(
                credential = URL_SAFE_NO_PAD.encode(&credential.id),
                "the signature counter of an authenticator did not grow: its key may have been copied"
            );
        }
        Ok((credential, Signed { sign_count: result.counter(), backed_up: result.backup_state() }))
    }
}

/// The account that an authenticator says it signs for.
pub(crate) fn claimed_user(answer: &Value) -> Result<Option<Uuid>, CeremonyError> {
    let answer = PublicKeyCredential::deserialize(answer).map_err(CeremonyError::Unreadable)?;
    let handle = answer.get_user_unique_id().and_then(|handle| std::str::from_utf8(handle).ok());
    Ok(handle.and_then(|handle| Uuid::try_parse(handle).ok()))
}

/// The name of a make of authenticators, for people to tell their passkeys apart.
pub(crate) fn name(aaguid: Uuid) -> &'static str {
    const NAMES: &str = include_str!("authenticators.txt");
    let id = aaguid.to_string();
    let found = NAMES.lines().find_map(|line| line.strip_prefix(&id));
    found.map_or("Passkey", str::trim)
}

impl Credential {
    fn for_library(&self) -> Result<webauthn_rs_core::proto::Credential, CeremonyError> {
        let key: Cbor = serde_cbor_2::from_slice(&self.public_key)
            .map_err(|error| CeremonyError::Key(error.to_string()))?;
        Ok(webauthn_rs_core::proto::Credential {
            cred_id: self.id.clone(),
            cred: COSEKey::try_from(&key).map_err(|error| match error {
                WebauthnError::SshPublicKeyEDUnsupported => CeremonyError::EdDsa,
                error => CeremonyError::Key(format!("{error:?}")),
            })?,
            // The library refuses counters that do not grow; we log them.
            counter: 0,
            transports: None,
            user_verified: false,
            backup_eligible: self.backup_eligible,
            backup_state: self.backed_up,
            registration_policy: UserVerificationPolicy::Preferred,
            extensions: RegisteredExtensions::none(),
            attestation: ParsedAttestation::default(),
            attestation_format: AttestationFormat::None,
        })
    }
}

/// What the library checks but does not give out.
struct Attested {
    format: String,
    aaguid: Uuid,
    public_key: Vec<u8>,
}

impl Attested {
    /// Reads an attestation object that the library has accepted.
    fn read(object: &[u8]) -> Result<Self, CeremonyError> {
        let unreadable = || CeremonyError::Key("attestation object".to_owned());
        let Ok(Cbor::Map(object)) = serde_cbor_2::from_slice(object) else { return Err(unreadable()) };
        let field = |name: &str| object.get(&Cbor::Text(name.to_owned()));
        let (Some(Cbor::Text(format)), Some(Cbor::Bytes(data))) = (field("fmt"), field("authData")) else {
            return Err(unreadable());
        };
        // Hash of the domain, flags and counter come first; then make, length and id of the credential.
        let aaguid = data.get(37..53).and_then(|bytes| Uuid::from_slice(bytes).ok());
        let length = data.get(53..55).and_then(|bytes| bytes.try_into().ok()).map(u16::from_be_bytes);
        let (Some(aaguid), Some(length)) = (aaguid, length) else { return Err(unreadable()) };
        let key = data.get(55 + usize::from(length)..).ok_or_else(unreadable)?;
        // Extensions may follow the key.
        let key = serde_cbor_2::Deserializer::from_slice(key).into_iter::<Cbor>().next();
        let key = key.and_then(Result::ok).ok_or_else(unreadable)?;
        let public_key = serde_cbor_2::to_vec(&key).map_err(|_| unreadable())?;
        Ok(Self { format: format.clone(), aaguid, public_key })
    }
}

fn transports(answer: &RegisterPublicKeyCredential) -> Vec<String> {
    let named = answer.response.transports.iter().flatten();
    named.map(ToString::to_string).filter(|name| name != "unknown").collect()
}

fn to_json(value: &impl Serialize) -> Result<Value, CeremonyError> {
    serde_json::to_value(value).map_err(|error| CeremonyError::Setup(error.to_string()))
}

fn from_state<T: for<'a> Deserialize<'a>>(state: &Value) -> Result<T, CeremonyError> {
    T::deserialize(state).map_err(|error| CeremonyError::Setup(error.to_string()))
}
