//! What someone allowed applications, and taking it back.

use serde_json::json;
use uuid::Uuid;

use super::client::Client;
use crate::audit::{self, Action, Actor};
use crate::error::{Error, OAuthServer, OrInternal};
use crate::service::Context;
use crate::store::oauth_consents::Consent;
use crate::store::{device_codes, oauth_authorizations, oauth_clients, oauth_consents, sessions};
use crate::user::User;

/// What the user allows at present, of applications that are still there.
pub(crate) async fn list(ctx: &Context, user: &User) -> Result<Vec<(Client, Consent)>, Error> {
    const FAILED: &str = "Error fetching OAuth grants";
    let mut session = ctx.service.pool.session().await.or_internal(FAILED)?;
    let consents = oauth_consents::list_active(&mut session, user.id).await.or_internal(FAILED)?;
    let mut grants = Vec::new();
    for consent in consents {
        let client = oauth_clients::find(&mut session, consent.client_id).await;
        if let Some(client) = client.or_internal("Error fetching client details")? {
            grants.push((client, consent));
        }
    }
    Ok(grants)
}

/// Takes back what the user allowed: sessions end, and codes that are on their way are void.
///
/// Requests go first, because who exchanges a code holds its request until the session is there.
pub(crate) async fn revoke(ctx: &Context, user: &User, client_id: Uuid) -> Result<(), Error> {
    const FAILED: &str = "Error revoking grant";
    let mut tx = ctx.service.pool.begin().await.or_internal(FAILED)?;
    oauth_authorizations::delete_of(&mut tx, user.id, client_id).await.or_internal(FAILED)?;
    device_codes::delete_of(&mut tx, user.id, client_id).await.or_internal(FAILED)?;
    if !oauth_consents::revoke(&mut tx, user.id, client_id, ctx.now).await.or_internal(FAILED)? {
        return Err(OAuthServer::ConsentNotFound.into());
    }
    sessions::delete_of_grant(&mut tx, user.id, client_id).await.or_internal(FAILED)?;
    let traits = json!({ "oauth_client_id": client_id, "action": "revoke_oauth_grant" });
    audit::record(ctx, &mut tx, Actor::User(user), Action::TokenRevoked, Some(traits)).await?;
    tx.commit().await.or_internal(FAILED)
}
