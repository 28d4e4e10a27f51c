//! The operator's own code, asked at seven points, as Supabase Auth asks it.
//!
//! A hook is a function of the database ([`store::hook`](crate::store::hook)), which runs as
//! `supabase_auth_admin` for two seconds at most, or an address on the web ([`webhook`]), which has five.
//! Those that decide what is written are asked within the transaction that writes it — access tokens,
//! mails, messages, second factors — so that what they do stands or falls with it; those around a new
//! account and a password are asked while there is none, and what they do stays.
//!
//! A hook refuses by answering `{"error": {"http_code": …, "message": "…"}}`. One that fails, is late or
//! answers nonsense fails the request: nothing goes on without a hook that is switched on. Beyond
//! upstream, a refusal cannot look like a success (statuses outside 400 to 599 become 500), answers of
//! functions are bounded, security keys are second factors that the hook is asked of, and a session
//! whose refresh fails because its hook does is asked to come back (503), not ended.

mod claims;
mod target;
mod webhook;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use uuid::Uuid;

pub(crate) use self::target::{Target, Unusable};
use crate::config;
use crate::error::{Error, HookFailure, OrInternal};
use crate::service::Context;
use crate::store::hook::{self as function, Said};
use crate::store::users::{self, NewUser};
use crate::user::{Object, User};

/// Where a hook is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Point {
    CustomAccessToken,
    MfaVerification,
    PasswordVerification,
    SendEmail,
    SendSms,
    BeforeUserCreated,
    AfterUserCreated,
}

impl Point {
    pub(crate) const ALL: [Self; 7] = [
        Self::CustomAccessToken,
        Self::MfaVerification,
        Self::PasswordVerification,
        Self::SendEmail,
        Self::SendSms,
        Self::BeforeUserCreated,
        Self::AfterUserCreated,
    ];

    /// What hooks are told they are.
    fn name(self) -> &'static str {
        match self {
            Self::CustomAccessToken => "customize-access-token",
            Self::MfaVerification => "mfa-verification",
            Self::PasswordVerification => "password-verification",
            Self::SendEmail => "send-email",
            Self::SendSms => "send-sms",
            Self::BeforeUserCreated => "before-user-created",
            Self::AfterUserCreated => "after-user-created",
        }
    }
}

/// The hooks that are switched on.
#[derive(Debug, Default)]
pub(crate) struct Hooks(BTreeMap<Point, Target>);

impl Hooks {
    /// The hooks of these settings, which were checked before.
    pub(crate) fn of(hooks: &config::Hooks) -> Self {
        let enabled = Point::ALL.into_iter().filter(|point| hooks.get(*point).enabled);
        Self(enabled.filter_map(|point| Some((point, Target::of(hooks.get(point)).ok()?))).collect())
    }

    pub(crate) fn has(&self, point: Point) -> bool {
        self.0.contains_key(&point)
    }
}

/// The claims of an access token as the hook wants them; as they were if there is none.
pub(crate) async fn access_token(
    ctx: &Context,
    tx: &mut db::Session,
    user_id: Uuid,
    claims: Map<String, Value>,
    method: &str,
) -> Result<Map<String, Value>, Error> {
    let point = Point::CustomAccessToken;
    if !ctx.settings.hooks.has(point) {
        return Ok(claims);
    }
    let payload = json!({ "user_id": user_id, "claims": claims, "authentication_method": method });
    let answer = ask(ctx, Some(tx), point, payload).await?;
    let claims = match answer {
        Value::Null => Value::Null,
        Value::Object(mut answer) => answer.remove("claims").ok_or(HookFailure::NoClaims)?,
        _ => return Err(HookFailure::Unreadable.into()),
    };
    if !claims.is_object() && !claims.is_null() {
        return Err(HookFailure::Unreadable.into());
    }
    Ok(claims::check(claims).map_err(HookFailure::Claims)?)
}

/// What a hook says of an attempt.
#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Verdict {
    decision: String,
    message: String,
    should_logout_user: bool,
}

/// An attempt that a hook refuses.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Rejection {
    /// For the caller.
    pub(crate) message: String,
    /// Whether every session of the account is to end.
    pub(crate) ends_sessions: bool,
}

impl Verdict {
    fn rejection(self, standard: &str) -> Option<Rejection> {
        let message = if self.message.is_empty() { standard.to_owned() } else { self.message };
        let rejected = self.decision == "reject";
        rejected.then_some(Rejection { message, ends_sessions: self.should_logout_user })
    }
}

/// Asks about an attempt to sign in by password, which was right or wrong; not within a transaction.
pub(crate) async fn password_attempt(
    ctx: &Context,
    user_id: Uuid,
    valid: bool,
) -> Result<Option<Rejection>, Error> {
    let point = Point::PasswordVerification;
    if !ctx.settings.hooks.has(point) {
        return Ok(None);
    }
    let answer = ask(ctx, None, point, json!({ "user_id": user_id, "valid": valid })).await?;
    Ok(read::<Verdict>(answer)?.rejection("Further password verification attempts will be rejected."))
}

/// Asks about an answer to the challenge of a second factor.
pub(crate) async fn mfa_attempt(
    ctx: &Context,
    tx: &mut db::Session,
    user_id: Uuid,
    (factor_id, factor_type): (Uuid, &str),
    valid: bool,
) -> Result<Option<Rejection>, Error> {
    let point = Point::MfaVerification;
    if !ctx.settings.hooks.has(point) {
        return Ok(None);
    }
    let payload =
        json!({ "user_id": user_id, "factor_id": factor_id, "factor_type": factor_type, "valid": valid });
    let answer = ask(ctx, Some(tx), point, payload).await?;
    Ok(read::<Verdict>(answer)?.rejection("Further MFA verification attempts will be rejected."))
}

/// What a hook that sends mails needs to know besides the account.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub(crate) struct EmailData<'a> {
    pub(crate) token: &'a str,
    pub(crate) token_hash: &'a str,
    pub(crate) redirect_to: &'a str,
    pub(crate) email_action_type: &'a str,
    pub(crate) site_url: &'a str,
    pub(crate) token_new: &'a str,
    pub(crate) token_hash_new: &'a str,
    pub(crate) old_email: &'a str,
    pub(crate) old_phone: &'a str,
    pub(crate) provider: &'a str,
    pub(crate) factor_type: &'a str,
}

/// Has a mail sent. `changed` is the account with what is about to change.
pub(crate) async fn send_email(
    ctx: &Context,
    tx: &mut db::Session,
    changed: &User,
    data: &EmailData<'_>,
) -> Result<(), Error> {
    let user = current(tx, changed).await?;
    let payload = json!({ "user": user.view(), "email_data": data });
    ask(ctx, Some(tx), Point::SendEmail, payload).await.and_then(read::<Object>).map(drop)
}

/// Has a mail sent that the transaction goes on without.
pub(crate) async fn send_notice(
    ctx: &Context,
    tx: &mut db::Session,
    user: &User,
    data: &EmailData<'_>,
) -> Result<(), Error> {
    const FAILED: &str = "Error sending notification email";
    function::mark(tx).await.or_internal(FAILED)?;
    if let Err(error) = send_email(ctx, tx, user, data).await {
        tracing::warn!(user_id = %user.id, notice = data.email_action_type, %error, "a notice is not sent");
        function::go_back(tx).await.or_internal(FAILED)?;
    }
    Ok(())
}

/// Has a code sent to a phone, in digits. `second_factor` tells what it is for.
pub(crate) async fn send_sms(
    ctx: &Context,
    tx: &mut db::Session,
    changed: &User,
    (phone, code): (&str, &str),
    second_factor: bool,
) -> Result<(), Error> {
    let user = current(tx, changed).await?;
    let mut sms = json!({ "otp": code, "phone": phone });
    if second_factor {
        sms["sms_type"] = "mfa".into();
    }
    let payload = json!({ "user": user.view(), "sms": sms });
    ask(ctx, Some(tx), Point::SendSms, payload).await.and_then(read::<Object>).map(drop)
}

/// The account as the transaction made it, with what `changed` says is about to change.
async fn current(tx: &mut db::Session, changed: &User) -> Result<User, Error> {
    let user = users::get(tx, changed.id).await.or_internal("Database error finding user")?;
    Ok(User {
        email_change: changed.email_change.clone(),
        phone_change: changed.phone_change.clone(),
        ..user
    })
}

/// Asks whether an account may be made; not within a transaction.
pub(crate) async fn before_user_created(ctx: &Context, new: &NewUser<'_>) -> Result<(), Error> {
    let point = Point::BeforeUserCreated;
    if !ctx.settings.hooks.has(point) {
        return Ok(());
    }
    let user = User {
        id: new.id,
        aud: new.aud.to_owned(),
        role: new.role.to_owned(),
        email: new.email.to_owned(),
        phone: new.phone.to_owned(),
        app_metadata: new.app_metadata.clone(),
        user_metadata: new.user_metadata.clone(),
        is_anonymous: new.is_anonymous,
        created_at: ctx.now,
        updated_at: ctx.now,
        ..User::default()
    };
    ask(ctx, None, point, json!({ "user": user.view() })).await.and_then(read::<Object>).map(drop)
}

/// Tells of an account that was made; not within a transaction.
pub(crate) async fn after_user_created(ctx: &Context, id: Uuid) -> Result<(), Error> {
    let point = Point::AfterUserCreated;
    if !ctx.settings.hooks.has(point) {
        return Ok(());
    }
    const FINDING: &str = "Database error finding user";
    let found = {
        let mut connection = ctx.service.pool.session().await.or_internal(FINDING)?;
        users::find(&mut connection, id).await.or_internal(FINDING)?
    };
    // Gone again already, or never kept.
    let Some(user) = found else { return Ok(()) };
    ask(ctx, None, point, json!({ "user": user.view() })).await.and_then(read::<Object>).map(drop)
}

/// The answer as what it should be; nothing stands for the defaults.
fn read<T: DeserializeOwned + Default>(answer: Value) -> Result<T, Error> {
    match answer {
        Value::Null => Ok(T::default()),
        Value::Object(mut fields) => {
            fields.retain(|_, value| !value.is_null());
            let read = serde_json::from_value(Value::Object(fields));
            read.map_err(|_| HookFailure::Unreadable.into())
        }
        _ => Err(HookFailure::Unreadable.into()),
    }
}

/// Asks a hook, which must be switched on, within the transaction `tx` or one of its own; null if it
/// says nothing.
async fn ask(
    ctx: &Context,
    tx: Option<&mut db::Session>,
    point: Point,
    mut payload: Value,
) -> Result<Value, Error> {
    let Some(target) = ctx.settings.hooks.0.get(&point) else { return Ok(Value::Null) };
    payload["metadata"] = json!({
        "uuid": Uuid::new_v4(),
        "time": ctx.now,
        "name": point.name(),
        "ip_address": ctx.ip.map(|ip| ip.to_string()).unwrap_or_default(),
    });
    let said = match target {
        Target::Function { uri, sql } => {
            let failed = |source| HookFailure::Function { uri: uri.clone(), source };
            match call(ctx, tx, sql, &payload).await.map_err(failed)? {
                Said::Text(text) => Some(text.into_bytes()),
                Said::Nothing => None,
                Said::TooMuch => return Err(HookFailure::TooLong(function::MAX_ANSWER as usize).into()),
            }
        }
        Target::Web(webhook) => {
            let body = payload.to_string().into_bytes();
            webhook.call(&ctx.service.outbound, &ctx.service.clock, body).await?
        }
    };
    let Some(said) = said else { return Ok(Value::Null) };
    let answer = serde_json::from_slice(&said).map_err(|_| HookFailure::Unreadable)?;
    refusal(&answer).map_or(Ok(answer), |refusal| Err(refusal.into()))
}

async fn call(
    ctx: &Context,
    tx: Option<&mut db::Session>,
    sql: &str,
    payload: &Value,
) -> Result<Said, db::Error> {
    match tx {
        Some(tx) => function::call(tx, sql, payload).await,
        None => {
            let mut tx = ctx.service.pool.begin().await?;
            let said = function::call(&mut tx, sql, payload).await?;
            tx.commit().await?;
            Ok(said)
        }
    }
}

/// The refusal that an answer holds. One without a message is none, as upstream has it.
fn refusal(answer: &Value) -> Option<HookFailure> {
    let error = answer.get("error")?;
    let message = error.get("message")?.as_str().filter(|message| !message.is_empty())?;
    let status = error.get("http_code").and_then(Value::as_u64).and_then(|code| u16::try_from(code).ok());
    let status = status.filter(|status| (400..600).contains(status)).unwrap_or(500);
    Some(HookFailure::Refused { status, message: message.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals() {
        let check = |answer: Value, expected: Option<u16>| {
            let status = refusal(&answer).map(|failure| match failure {
                HookFailure::Refused { status, .. } => status,
                _ => 0,
            });
            assert_eq!(status, expected, "{answer}");
        };
        check(json!({ "error": { "http_code": 403, "message": "no" } }), Some(403));
        check(json!({ "error": { "message": "no" } }), Some(500));
        check(json!({ "error": { "http_code": "403", "message": "no" } }), Some(500));
        for code in [0, 99, 200, 302, 600, 70_000] {
            check(json!({ "error": { "http_code": code, "message": "no" } }), Some(500));
        }
        for answer in [
            json!({}),
            json!(null),
            json!({ "error": null }),
            json!({ "error": { "http_code": 403 } }),
            json!({ "error": { "http_code": 403, "message": "" } }),
        ] {
            check(answer, None);
        }
    }

    #[test]
    fn verdicts() {
        let verdict = |answer: Value| read::<Verdict>(answer).map(|verdict| verdict.rejection("standard"));
        let rejected =
            |message: &str, ends_sessions| Some(Rejection { message: message.to_owned(), ends_sessions });
        for (answer, expected) in [
            (json!({ "decision": "continue" }), None),
            (json!({}), None),
            (json!(null), None),
            (json!({ "decision": "reject" }), rejected("standard", false)),
            (json!({ "decision": "reject", "message": null }), rejected("standard", false)),
            (
                json!({ "decision": "reject", "message": "m", "should_logout_user": true }),
                rejected("m", true),
            ),
        ] {
            assert_eq!(verdict(answer).ok(), Some(expected));
        }
        for answer in [json!([]), json!("reject"), json!({ "decision": 1 })] {
            assert!(verdict(answer).is_err());
        }
    }
}
