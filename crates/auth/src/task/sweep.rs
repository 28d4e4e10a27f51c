//! Removes what nobody needs any more, a little every minute, so that tables stay small.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use db::Pool;
use kernel::units::Span;
use kernel::{Stop, Task};

use crate::access_token::delta;
use crate::config::Config;
use crate::service::Service;
use crate::store::sweep;

const EVERY: Duration = Duration::from_secs(60);
/// Sessions are kept this long after they ended.
const GRACE: TimeDelta = TimeDelta::hours(24);

pub(crate) fn task(service: &Arc<Service>) -> Task {
    let service = Arc::clone(service);
    Task::new("auth sweep", move |stop| run(Arc::clone(&service), stop))
}

async fn run(service: Arc<Service>, mut stop: Stop) {
    while !stop.is_stopped() {
        tokio::select! {
            () = stop.stopped() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
        let settings = service.settings.load_full();
        match once(&service.pool, service.clock.now(), &settings.config).await {
            Ok(gone) => tracing::debug!(?gone, "swept"),
            Err(error) => tracing::warn!(%error, "could not sweep"),
        }
    }
}

async fn once(
    pool: &Pool,
    now: DateTime<Utc>,
    config: &Config,
) -> Result<Vec<(&'static str, u64)>, db::Error> {
    let mut session = pool.session().await?;
    let mut gone = sweep::run(&mut session, now).await?;
    if let Some(age) = config.anonymous_users_ttl {
        let count = sweep::delete_anonymous_users(&mut session, now - delta(age)).await?;
        gone.extend((count > 0).then_some(("anonymous users", count)));
    }
    let rules = &config.sessions;
    let before = |limit: Option<Span>| limit.map(|limit| now - delta(limit) - GRACE);
    if rules.timebox.is_some() || rules.inactivity_timeout.is_some() {
        let (born, used) = (before(rules.timebox), before(rules.inactivity_timeout));
        gone.push(("expired sessions", sweep::delete_expired_sessions(&mut session, born, used).await?));
    }
    Ok(gone)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::config::Sessions;

    const ROWS: &str = "
        insert into auth.flow_state (id, provider_type, authentication_method, created_at) values
          (gen_random_uuid(), 'email', 'otp', '2027-01-14 07:00Z'),
          (gen_random_uuid(), 'email', 'otp', '2027-01-15 07:00Z');
        insert into auth.refresh_tokens (token, revoked, updated_at) values
          ('old', true, '2027-01-14 07:00Z'), ('young', true, '2027-01-15 07:00Z'), ('good', false, '2020-01-01');
        insert into auth.webauthn_challenges (challenge_type, session_data, expires_at) values
          ('signup', '{}', '2027-01-15 07:00Z'), ('signup', '{}', '2027-01-15 09:00Z');
        insert into auth.users (id) values ('11111111-1111-4111-8111-111111111111');
        insert into auth.users (id, is_anonymous, created_at) values
          (gen_random_uuid(), true, '2027-01-10'), (gen_random_uuid(), true, '2027-01-15'),
          (gen_random_uuid(), false, '2027-01-10');
        insert into auth.basalt_limits (name, tokens, at) values
          ('unknown:a', 0, '2027-01-14 07:00Z'), ('unknown:b', 0, '2027-01-15 07:00Z'), ('email_sent', 0, '2027-01-01');
        insert into auth.basalt_lockouts (key, failures, at, proved_at) values
          ('a', 9, '2027-01-14 07:00Z', null), ('b', 9, '2027-01-15 07:00Z', null),
          ('c', 0, '2027-01-01', '2027-01-01'), ('d', 0, '2026-07-01', '2026-07-01');
        insert into auth.sessions (id, user_id, created_at, refreshed_at)
        select gen_random_uuid(), '11111111-1111-4111-8111-111111111111', born::timestamptz, used::timestamp
          from (values ('2027-01-10', '2027-01-15 07:00'), ('2027-01-10', '2027-01-13 07:00'), ('2027-01-15', null))
               as s (born, used);
        insert into auth.mfa_factors (id, user_id, factor_type, status, created_at, updated_at)
        select id::uuid, '11111111-1111-4111-8111-111111111111', 'totp', status::auth.factor_status, born::timestamptz, now()
          from (values ('22222222-2222-4222-8222-222222222221', 'verified', '2020-01-01'),
                       ('22222222-2222-4222-8222-222222222222', 'unverified', '2027-01-14 07:00Z'),
                       ('22222222-2222-4222-8222-222222222223', 'unverified', '2027-01-15 07:00Z'))
               as f (id, status, born);
        insert into auth.mfa_challenges (id, factor_id, created_at, ip_address)
        select gen_random_uuid(), '22222222-2222-4222-8222-222222222221', born::timestamptz, '192.0.2.1'
          from (values ('2027-01-14 07:00Z'), ('2027-01-15 07:00Z')) as c (born);
        insert into auth.sessions (id, user_id, created_at, refreshed_at, not_after) values
          ('33333333-3333-4333-8333-333333333331', '11111111-1111-4111-8111-111111111111', '2027-01-15 07:30Z', null, '2027-01-12 07:00Z'),
          ('33333333-3333-4333-8333-333333333332', '11111111-1111-4111-8111-111111111111', '2027-01-15 07:30Z', null, '2027-01-14 07:00Z'),
          ('33333333-3333-4333-8333-333333333333', '11111111-1111-4111-8111-111111111111', '2027-01-15 07:30Z', null, '2027-01-15 07:00Z');
        insert into auth.refresh_tokens (token, revoked, updated_at, session_id) values
          ('ended', false, '2027-01-14 00:00Z', '33333333-3333-4333-8333-333333333332'),
          ('just ended', false, '2027-01-14 00:00Z', '33333333-3333-4333-8333-333333333333');
        insert into auth.oauth_client_states (id, provider_type, created_at) values
          (gen_random_uuid(), 'x', '2027-01-14 07:00Z'), (gen_random_uuid(), 'x', '2027-01-15 07:00Z');
        insert into auth.sso_providers (id) values ('44444444-4444-4444-8444-444444444444');
        insert into auth.saml_relay_states (id, sso_provider_id, request_id, created_at) values
          (gen_random_uuid(), '44444444-4444-4444-8444-444444444444', 'r', '2027-01-14 07:00Z'),
          (gen_random_uuid(), '44444444-4444-4444-8444-444444444444', 'r', '2027-01-15 07:00Z');
        insert into auth.oauth_clients (id, registration_type, redirect_uris, grant_types, token_endpoint_auth_method)
        values ('55555555-5555-4555-8555-555555555555', 'manual', '', '', 'none');
        insert into auth.oauth_authorizations (id, authorization_id, client_id, redirect_uri, scope, status, created_at, expires_at)
        select gen_random_uuid(), n::text, '55555555-5555-4555-8555-555555555555', '', '',
               status::auth.oauth_authorization_status, '2027-01-15 06:00Z', ends::timestamptz
          from (values (1, 'pending', '2027-01-15 06:30Z'), (2, 'approved', '2027-01-15 07:30Z'), (3, 'pending', '2027-01-15 08:30Z'))
               as a (n, status, ends);
        insert into auth.basalt_device_codes (hash, user_code, client_id, scope, status, poll_seconds, created_at, expires_at)
        select n::text, n::text, '55555555-5555-4555-8555-555555555555', '', 'pending', 5, '2027-01-15 06:00Z', ends::timestamptz
          from (values (1, '2027-01-15 06:30Z'), (2, '2027-01-15 07:30Z')) as d (n, ends);
        insert into auth.basalt_devices (user_id, user_agent, network, last_seen_at) values
          ('11111111-1111-4111-8111-111111111111', 'old', '192.0.2.0/24', '2026-07-01'),
          ('11111111-1111-4111-8111-111111111111', 'young', '192.0.2.0/24', '2027-01-01')";

    #[tokio::test]
    async fn old_rows_go_and_young_ones_stay() {
        let database = testkit::database(&[crate::migrations()]).await;
        let mut admin = database.admin().await;
        admin.batch(ROWS).await.unwrap();
        let now = "2027-01-15T08:00:00Z".parse().unwrap();
        let sessions = Sessions { inactivity_timeout: Some(Span::secs(3600)), ..Sessions::default() };
        let config = Config { sessions, anonymous_users_ttl: Some(Span::secs(86_400)), ..Config::default() };
        let pool = database.pool_as("supabase_auth_admin");
        let gone = once(&pool, now, &config).await.unwrap();
        let expected = [
            ("refresh tokens of ended sessions", 1),
            ("used refresh tokens", 1),
            ("ended sessions", 1),
            ("relay states", 1),
            ("flow states", 1),
            ("client states", 1),
            ("challenges", 1),
            ("unproved factors", 1),
            ("passkey challenges", 1),
            ("requests of applications", 1),
            ("requests of devices", 1),
            ("devices", 1),
            ("codes asked for by strangers", 1),
            ("wrong passwords", 1),
            ("places of accounts", 1),
            ("anonymous users", 1),
            ("expired sessions", 1),
        ];
        assert_eq!(gone, expected);
        assert_eq!(once(&pool, now, &Config::default()).await.unwrap(), []);
    }
}
