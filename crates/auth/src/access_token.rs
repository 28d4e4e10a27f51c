//! Access tokens: what they claim, and the one place where they are made.

use chrono::{DateTime, TimeDelta, Utc};
use kernel::units::Span;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::config::Config;
use crate::error::{Error, OrInternal};
use crate::factor::recovery;
use crate::hook;
use crate::impersonation;
use crate::service::Context;
use crate::store::sessions::{Method, SessionRow};
use crate::user::User;

/// A signed token.
pub(crate) struct Issued {
    pub(crate) token: String,
    /// In seconds of the epoch.
    pub(crate) expires_at: i64,
}

/// Makes the access token of a session to which someone proved themselves by `method`. Every access
/// token is made here, so that the hook that changes claims is asked of all of them. It is asked within
/// the transaction that makes or refreshes the session.
pub(crate) async fn issue(
    ctx: &Context,
    tx: &mut db::Session,
    user: &User,
    session: &SessionRow,
    method: &str,
) -> Result<Issued, Error> {
    let claims = claims(ctx.config(), user, session, ctx.now);
    let claims = hook::access_token(ctx, tx, user.id, claims, method).await?;
    let token = ctx.service.keys.sign(&claims).or_internal("error generating jwt token")?;
    Ok(Issued { token, expires_at: claims.get("exp").and_then(Value::as_i64).unwrap_or_default() })
}

/// What sets a token apart with which somebody else acts.
pub(crate) struct Acting {
    /// Who acts.
    pub(crate) act: Map<String, Value>,
    pub(crate) aal: &'static str,
    /// In seconds of the epoch.
    pub(crate) expires_at: i64,
}

/// Makes a token with which somebody else acts as the user. A hook changes its claims as it does those of all,
/// but not who acts, and not for how long; one that it makes an administrator's is refused.
pub(crate) async fn issue_for_actor(
    ctx: &Context,
    tx: &mut db::Session,
    user: &User,
    acting: &Acting,
) -> Result<Issued, Error> {
    let none = SessionRow {
        id: Uuid::nil(),
        user_id: user.id,
        created_at: ctx.now,
        aal: None,
        not_after: None,
        refreshed_at: None,
        user_agent: None,
        ip: None,
        tag: None,
        oauth_client_id: None,
        hmac_key: None,
        counter: None,
        scopes: None,
        methods: vec![Method { method: impersonation::METHOD.to_owned(), at: ctx.now }],
    };
    let mut claims = claims(ctx.config(), user, &none, ctx.now);
    claims.insert("aal".to_owned(), json!(acting.aal));
    claims.insert("exp".to_owned(), json!(acting.expires_at));
    claims.insert("act".to_owned(), json!(acting.act));
    let mut claims = hook::access_token(ctx, tx, user.id, claims, impersonation::METHOD).await?;
    let role = claims.get("role").and_then(Value::as_str).unwrap_or_default();
    impersonation::check_role(ctx.config(), role)?;
    let wanted = claims.get("exp").and_then(Value::as_i64).unwrap_or(acting.expires_at);
    let expires_at = wanted.min(acting.expires_at);
    claims.insert("exp".to_owned(), json!(expires_at));
    claims.insert("act".to_owned(), json!(acting.act));
    claims.insert("session_id".to_owned(), json!(Uuid::nil()));
    let token = ctx.service.keys.sign(&claims).or_internal("error generating jwt token")?;
    Ok(Issued { token, expires_at })
}

/// The claims of a token for this session now. Clients and policies depend on every name and type.
fn claims(config: &Config, user: &User, session: &SessionRow, now: DateTime<Utc>) -> Map<String, Value> {
    let aal = session.aal();
    let mut expires_at = (now + delta(config.jwt_expiry)).timestamp();
    if let (Some(limit), "aal1", true) = (config.sessions.allow_low_aal, aal, user.has_second_factor()) {
        expires_at = expires_at.min((session.created_at + delta(limit)).timestamp());
    }
    let mut fields = Map::new();
    let mut claim = |name: &str, value: Value| fields.insert(name.to_owned(), value);
    if !config.issuer().is_empty() {
        claim("iss", json!(config.issuer()));
    }
    claim("sub", json!(user.id));
    claim("aud", json!(user.aud));
    claim("exp", json!(expires_at));
    claim("iat", json!(now.timestamp()));
    claim("email", json!(user.email));
    claim("phone", json!(user.phone));
    claim("app_metadata", json!(user.app_metadata));
    claim("user_metadata", json!(user.user_metadata));
    claim("role", json!(user.role));
    claim("aal", json!(aal));
    claim("amr", json!(methods(user, session)));
    claim("session_id", json!(session.id));
    claim("is_anonymous", json!(user.is_anonymous));
    if let Some(client) = session.oauth_client_id {
        claim("client_id", json!(client));
        if let Some(scopes) = session.scopes.as_deref().filter(|scopes| !scopes.is_empty()) {
            claim("scope", json!(scopes));
        }
    }
    fields
}

/// How the user proved who they are, newest first.
fn methods(user: &User, session: &SessionRow) -> Vec<Value> {
    let mut methods: Vec<_> = session.methods.iter().collect();
    methods.sort_by_key(|method| std::cmp::Reverse(method.at));
    methods
        .into_iter()
        .map(|method| {
            let mut entry = json!({ "method": method.method, "timestamp": method.at.timestamp() });
            if let ("sso/saml", [identity]) = (method.method.as_str(), user.identities.as_slice())
                && let Some(provider) = identity.provider.strip_prefix("sso:")
            {
                entry["provider"] = json!(provider);
            }
            entry
        })
        .collect()
}

impl SessionRow {
    /// `aal2` once a second factor was used, else `aal1`.
    pub(crate) fn aal(&self) -> &'static str {
        let second = |name: &str| matches!(name, "totp" | "mfa/phone" | "mfa/webauthn" | recovery::METHOD);
        if self.methods.iter().any(|method| second(&method.method)) { "aal2" } else { "aal1" }
    }

    pub(crate) fn has_method(&self, name: &str) -> bool {
        self.methods.iter().any(|method| method.method == name)
    }
}

/// A configured duration for calculating with moments; saturates far in the future.
pub(crate) fn delta(span: Span) -> TimeDelta {
    TimeDelta::from_std(span.0).unwrap_or(TimeDelta::days(365_000))
}
