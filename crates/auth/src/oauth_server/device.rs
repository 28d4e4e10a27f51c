//! Devices without a browser of their own ask for access: RFC 8628. Ours: upstream has no such grant.
//!
//! A device gets a code for itself, kept as a hash, and one for people, which it shows. Someone who is signed in
//! types that in on the page of the site and is asked, each time anew: whoever sends them there may mean to be
//! let in as them. The device asks meanwhile, not too often, and gets its session once.

use chrono::TimeDelta;
use rand::RngExt;

use super::client::{self, Client};
use super::consent::Answer;
use super::token::{self, By, Exchanged, Granted};
use super::{Scopes, with_params};
use crate::access_token::delta;
use crate::error::{Error, OAuthServer, OrInternal};
use crate::service::Context;
use crate::store::device_codes::{self, DeviceRow, NewDevice};
use crate::store::{oauth_clients, oauth_consents};
use crate::user::User;

/// The name of the grant.
pub(crate) const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// Letters that are not taken for others and spell no words.
const ALPHABET: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";

const LETTERS: usize = 8;

/// Seconds a device has to wait between two questions, and by how much more each time it does not.
const INTERVAL: i32 = 5;

const ASKING: &str = "error creating device authorization";
const FINDING: &str = "error finding device authorization";
const EXCHANGING: &str = "Error exchanging device code";

/// What a device is told.
pub(crate) struct Asked {
    pub(crate) device_code: String,
    /// As people read it.
    pub(crate) user_code: String,
    pub(crate) verification_uri: String,
    pub(crate) verification_uri_complete: String,
    pub(crate) expires_in: i64,
    pub(crate) interval: i32,
}

/// A device begins to ask.
pub(crate) async fn begin(ctx: &Context, client: &Client, scope: &str) -> Result<Asked, Error> {
    let config = &ctx.config().oauth_server;
    if !client.may_use(GRANT) {
        let description = "Client is not allowed to use the device grant".into();
        return Err(OAuthServer::Token { error: "unauthorized_client", description }.into());
    }
    let scope = if scope.is_empty() { config.default_scope.as_str() } else { scope };
    let invalid =
        |description: String| OAuthServer::Token { error: "invalid_scope", description: description.into() };
    let scopes = Scopes::parse(scope).map_err(|unknown| invalid(format!("unsupported scope: {unknown}")))?;
    if scopes.is_empty() {
        return Err(invalid("scope parameter cannot be empty".to_owned()).into());
    }
    let device_code = client::fresh_secret();
    let lifetime = delta(config.authorization_ttl);
    let mut session = ctx.service.pool.session().await.or_internal(ASKING)?;
    // Two of the same letters are as rare as a guess is right.
    for _ in 0..3 {
        let code = fresh_user_code();
        let new = NewDevice {
            hash: &client::hash(&device_code),
            user_code: &code,
            client_id: client.id,
            scope: &scopes.to_string(),
            poll_seconds: INTERVAL,
            expires_at: ctx.now + lifetime,
        };
        if device_codes::insert(&mut session, &new, ctx.now).await.or_internal(ASKING)? {
            let site = ctx.config().site_url.trim_end_matches('/');
            let path = config.device_verification_path.trim_start_matches('/');
            let (verification_uri, user_code) = (format!("{site}/{path}"), shown(&code));
            return Ok(Asked {
                device_code,
                verification_uri_complete: with_params(&verification_uri, &[("user_code", &user_code)]),
                user_code,
                verification_uri,
                expires_in: lifetime.num_seconds(),
                interval: INTERVAL,
            });
        }
    }
    Err(Error::internal(ASKING, "no code is free"))
}

/// The device that shows this code, and its application, for who is asked.
pub(crate) async fn look(ctx: &Context, code: &str) -> Result<(DeviceRow, Client), Error> {
    let mut tx = ctx.service.pool.begin().await.or_internal(FINDING)?;
    let device = find(ctx, &mut tx, code).await?;
    let client = client_of(&mut tx, &device).await?;
    Ok((device, client))
}

/// Someone answers a device, once.
pub(crate) async fn answer(ctx: &Context, user: &User, code: &str, answer: Answer) -> Result<(), Error> {
    let mut tx = ctx.service.pool.begin().await.or_internal(FINDING)?;
    let device = find(ctx, &mut tx, code).await?;
    let client = client_of(&mut tx, &device).await?;
    let approved = answer == Answer::Approve;
    if approved {
        oauth_consents::upsert(&mut tx, user.id, client.id, &device.scope, ctx.now)
            .await
            .or_internal("error storing consent")?;
    }
    device_codes::answer(&mut tx, &device.hash, user.id, approved).await.or_internal(FINDING)?;
    tx.commit().await.or_internal(FINDING)
}

/// A device that waits for an answer. Nobody is told of one that waits no more.
async fn find(ctx: &Context, tx: &mut db::Session, code: &str) -> Result<DeviceRow, Error> {
    let device = match plain(code) {
        Some(code) => device_codes::lock_by_user_code(tx, &code).await.or_internal(FINDING)?,
        None => None,
    };
    let device = device.filter(|device| device.answer.is_none() && ctx.now <= device.expires_at);
    device.ok_or_else(|| OAuthServer::AuthorizationNotFound.into())
}

async fn client_of(tx: &mut db::Session, device: &DeviceRow) -> Result<Client, Error> {
    let client = oauth_clients::hold(tx, device.client_id).await.or_internal("error finding client")?;
    client.filter(|client| client.may_use(GRANT)).ok_or_else(|| OAuthServer::AuthorizationNotFound.into())
}

/// A device asks whether it was let in, and gets its session if it was.
pub(crate) async fn exchange(ctx: &Context, client: &Client, code: &str) -> Result<Exchanged, Error> {
    let mut tx = ctx.service.pool.begin().await.or_internal(EXCHANGING)?;
    let device = device_codes::lock(&mut tx, &client::hash(code)).await.or_internal(EXCHANGING)?;
    let device = device.filter(|device| device.client_id == client.id);
    let device = device.ok_or_else(|| OAuthServer::grant("Invalid device code"))?;
    let refused =
        |error, description: &'static str| OAuthServer::Token { error, description: description.into() };
    if ctx.now > device.expires_at {
        device_codes::delete(&mut tx, &device.hash).await.or_internal(EXCHANGING)?;
        tx.commit().await.or_internal(EXCHANGING)?;
        return Err(refused("expired_token", "Device code has expired").into());
    }
    let wait = TimeDelta::seconds(device.poll_seconds.into());
    let too_soon = device.polled_at.is_some_and(|at| ctx.now < at + wait);
    let refusal = match device.answer {
        _ if too_soon => refused("slow_down", "The device asks too often"),
        None => refused("authorization_pending", "Nobody has answered yet"),
        Some(false) => refused("access_denied", "User denied the request"),
        Some(true) => return enter(ctx, tx, client, &device).await,
    };
    match device.answer {
        Some(false) if !too_soon => device_codes::delete(&mut tx, &device.hash).await,
        _ => {
            let seconds = device.poll_seconds.saturating_add(if too_soon { INTERVAL } else { 0 });
            device_codes::poll(&mut tx, &device.hash, seconds, ctx.now).await
        }
    }
    .or_internal(EXCHANGING)?;
    tx.commit().await.or_internal(EXCHANGING)?;
    Err(refusal.into())
}

/// The device was let in: its code is gone with that.
async fn enter(
    ctx: &Context,
    mut tx: db::Session,
    client: &Client,
    device: &DeviceRow,
) -> Result<Exchanged, Error> {
    // From here on the application cannot be deleted before its session is there to be ended.
    let held = oauth_clients::hold(&mut tx, client.id).await.or_internal(EXCHANGING)?;
    held.ok_or_else(|| OAuthServer::ClientRefused("Invalid client credentials".into()))?;
    let user = token::user_of(ctx, &mut tx, device.user_id).await?;
    let granted = Granted { user, scope: &device.scope, nonce: None, by: By::Device };
    let exchanged = token::hand_out(ctx, &mut tx, client, granted).await?;
    device_codes::delete(&mut tx, &device.hash).await.or_internal(EXCHANGING)?;
    tx.commit().await.or_internal(EXCHANGING)?;
    Ok(exchanged)
}

fn fresh_user_code() -> String {
    let mut random = rand::rng();
    (0..LETTERS).map(|_| char::from(ALPHABET[random.random_range(0..ALPHABET.len())])).collect()
}

/// `BCDF-GHJK`.
pub(crate) fn shown(code: &str) -> String {
    let (first, second) = code.split_at_checked(LETTERS / 2).unwrap_or((code, ""));
    format!("{first}-{second}")
}

/// A code however it is typed in; `None` if it can be none.
fn plain(code: &str) -> Option<String> {
    let letters = code.bytes().filter(|letter| !matches!(letter, b'-' | b' ')).take(LETTERS + 1);
    let code: Vec<u8> = letters.map(|letter| letter.to_ascii_uppercase()).collect();
    let is_code = code.len() == LETTERS && code.iter().all(|letter| ALPHABET.contains(letter));
    is_code.then(|| code.into_iter().map(char::from).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_however_they_are_typed() {
        let code = fresh_user_code();
        assert_eq!((code.len(), shown(&code).len()), (8, 9));
        assert_eq!(plain(&shown(&code).to_lowercase().replace('-', " ")).as_ref(), Some(&code));
        assert_ne!(code, fresh_user_code());
        for none in ["", "BCDFGHJ", "BCDF-GHJA", "BCDF-GHJ\0", "BCDF-GHJ\u{e9}", &"x".repeat(100)] {
            assert_eq!(plain(none), None, "{none}");
        }
    }
}
