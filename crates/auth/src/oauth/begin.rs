//! The way out: where the browser is sent, and what is remembered of the sign-in meanwhile.

use std::collections::{BTreeMap, HashMap};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use url::form_urlencoded;
use uuid::Uuid;

use super::enter;
use super::parameters::is_passed_on;
use super::provider::{Provider, Source};
use super::twitter::{self, Pair};
use crate::error::{Error, OrInternal};
use crate::pkce::Challenge;
use crate::service::Context;
use crate::store::flow_state::{self, NewSignIn};
use crate::store::oauth_client_states;

/// Begins a sign-in and returns where the browser has to go. With `linking` the provider's account
/// becomes another way into that account.
pub(crate) async fn begin(
    ctx: &Context,
    query: &HashMap<String, String>,
    linking: Option<Uuid>,
) -> Result<String, Error> {
    const FAILED: &str = "Error creating flow state";
    let param = |name: &str| query.get(name).map(String::as_str).unwrap_or_default();
    let provider = Provider::load(ctx, param("provider"), param("scopes")).await;
    let provider = provider.map_err(|error| error.into_error(Error::invalid))?;
    let invite_token = param("invite_token");
    if !invite_token.is_empty() {
        let mut connection = ctx.service.pool.session().await.or_internal(FAILED)?;
        let invited = enter::invited(ctx, &mut connection, invite_token).await?;
        invited.ok_or(Error::UserNotFound("User identified by token not found"))?;
    }
    let challenge = Challenge::parse(param("code_challenge_method"), param("code_challenge"))?;
    let id = Uuid::new_v4();
    let announced = match provider.source {
        Source::Twitter => {
            let announced = twitter::announce(ctx, &provider, id).await;
            Some(announced.or_internal("Error requesting token from external provider")?)
        }
        _ => None,
    };
    let verifier = provider.pkce.then(fresh_verifier);
    let mut tx = ctx.service.pool.begin().await.or_internal(FAILED)?;
    let client_state = match announced.as_ref().map(Pair::write).or(verifier.clone()) {
        None => None,
        Some(secret) => {
            let id = Uuid::new_v4();
            let inserted = oauth_client_states::insert(&mut tx, id, &provider.name, &secret, ctx.now).await;
            inserted.or_internal(FAILED)?;
            Some(id)
        }
    };
    let auth_code = challenge.as_ref().map(|_| Uuid::new_v4().to_string());
    let new = NewSignIn {
        id,
        provider: &provider.name,
        authentication_method: "oauth",
        auth_code: auth_code.as_deref(),
        method: challenge.as_ref().map(Challenge::method),
        challenge: challenge.as_ref().map(Challenge::text),
        invite_token,
        referrer: &ctx.redirect_to,
        client_state,
        linking_target: linking,
        email_optional: provider.email_optional,
    };
    flow_state::begin(&mut tx, &new, ctx.now).await.or_internal(FAILED)?;
    tx.commit().await.or_internal(FAILED)?;
    Ok(match announced {
        Some(announced) => announced.address(&provider),
        None => address(&provider, &id.to_string(), query, verifier.as_deref()),
    })
}

/// A secret of 256 bits in letters that need no escaping.
fn fresh_verifier() -> String {
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>())
}

/// The provider's sign-in page, with all it is told.
fn address(
    provider: &Provider,
    state: &str,
    query: &HashMap<String, String>,
    verifier: Option<&str>,
) -> String {
    let mut pairs = BTreeMap::new();
    if !provider.scopes.is_empty() {
        pairs.insert("scope", provider.scopes.join(" "));
    }
    // Apple sends people back by form once it is asked for their name, and wants nothing else.
    let is_apple = provider.name == "apple";
    if is_apple {
        pairs.insert("response_mode", "form_post".to_owned());
    } else {
        for (key, value) in query.iter().filter(|(key, _)| is_passed_on(key)) {
            // WorkOS calls by a name of its own what is ours.
            let key = if key == "workos_provider" { "provider" } else { key };
            pairs.insert(key, value.clone());
        }
    }
    pairs.extend(provider.params.iter().map(|(key, value)| (key.as_str(), value.clone())));
    pairs.extend([
        ("client_id", provider.client_id().to_owned()),
        ("redirect_uri", provider.redirect_uri.clone()),
        ("response_type", "code".to_owned()),
        ("state", state.to_owned()),
    ]);
    if let Some(verifier) = verifier {
        pairs.insert("code_challenge", URL_SAFE_NO_PAD.encode(Sha256::digest(verifier)));
        pairs.insert("code_challenge_method", "S256".to_owned());
    }
    let pairs = form_urlencoded::Serializer::new(String::new()).extend_pairs(&pairs).finish();
    let pairs = if is_apple { pairs.replace('+', "%20") } else { pairs };
    let separator = if provider.authorize.contains('?') { '&' } else { '?' };
    format!("{}{separator}{pairs}", provider.authorize)
}
