//! Sections `[jwt]` and `[keys]`.

use kernel::Secret;
use kernel::units::Span;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What signs and verifies tokens. A secret may be given as `file:/path` or `env:NAME`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Jwt {
    /// Secret of at least 32 characters that signs the JWT API keys and verifies HS256 tokens. If
    /// it is set and `jwt.keys` is not, it also signs the tokens of users, as in Supabase Auth.
    #[schemars(extend("format" = "password"))]
    pub(crate) secret: Secret,
    /// The secret is base64 or base64url; for the data API alone, as in PostgREST.
    pub(crate) secret_is_base64: bool,
    /// JSON array of private JWKs that sign and verify tokens of users; one has `sign` in its
    /// `key_ops`.
    #[schemars(extend("format" = "password"))]
    pub(crate) keys: Secret,
    /// Further keys that verify tokens, such as those of another issuer: a JWK or a JWK set.
    #[schemars(extend("format" = "password"))]
    pub(crate) jwks: Secret,
    /// The audience that tokens must have, if they name any. Not set: every audience.
    pub(crate) audience: Option<String>,
    /// Where in the claims the database role is: a JSONPath, or PostgREST's older JSPath.
    pub(crate) role_claim: String,
    /// Verified tokens that are remembered; 0 remembers none.
    pub(crate) cache_entries: usize,
    /// Difference between clocks that is forgiven.
    pub(crate) leeway: Span,
}

impl Default for Jwt {
    fn default() -> Self {
        Self {
            secret: Secret::default(),
            secret_is_base64: false,
            keys: Secret::default(),
            jwks: Secret::default(),
            audience: None,
            role_claim: "$.role".to_owned(),
            cache_entries: 1000,
            leeway: Span::secs(30),
        }
    }
}

/// Keys and passwords; `basalt status` shows those in use. Each may be given as `file:/path` or
/// `env:NAME`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Keys {
    /// JWT API key of role `anon`, signed with `jwt.secret`.
    #[schemars(extend("format" = "password"))]
    pub(crate) anon_key: Secret,
    /// JWT API key of role `service_role`, signed with `jwt.secret`.
    #[schemars(extend("format" = "password"))]
    pub(crate) service_role_key: Secret,
    /// API key for browsers (`sb_publishable_…`).
    #[schemars(extend("format" = "password"))]
    pub(crate) publishable_key: Secret,
    /// API key for servers (`sb_secret_…`).
    #[schemars(extend("format" = "password"))]
    pub(crate) secret_key: Secret,
    /// Password of the database role `postgres`.
    #[schemars(extend("format" = "password"))]
    pub(crate) postgres_password: Secret,
    /// Access key id of the S3 protocol.
    #[schemars(extend("format" = "password"))]
    pub(crate) s3_access_key_id: Secret,
    /// Secret access key of the S3 protocol.
    #[schemars(extend("format" = "password"))]
    pub(crate) s3_access_key_secret: Secret,
    /// Region of the S3 protocol.
    pub(crate) s3_region: String,
}

impl Default for Keys {
    fn default() -> Self {
        Self {
            anon_key: Secret::default(),
            service_role_key: Secret::default(),
            publishable_key: Secret::default(),
            secret_key: Secret::default(),
            postgres_password: Secret::default(),
            s3_access_key_id: Secret::default(),
            s3_access_key_secret: Secret::default(),
            s3_region: "local".to_owned(),
        }
    }
}
