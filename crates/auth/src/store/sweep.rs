//! What nobody needs any more, over all tables; upstream's rules, in small steps.
//!
//! Each statement takes some rows that nobody holds, mostly a hundred, and says how many it took. It is
//! run again as long as it takes some, up to a bound, so that tables do not grow faster than they are swept.

use chrono::{DateTime, TimeDelta, Utc};
use db::{Error, Session};

/// The statements, each with the moment before which a row counts as old as its only parameter.
const STEPS: [(&str, TimeDelta, &str); 16] = [
    ("refresh tokens of ended sessions", TimeDelta::hours(24), "\
update auth.refresh_tokens set revoked = true, updated_at = $1 + interval '24 hours'
 where id in (select r.id from auth.refresh_tokens r join auth.sessions s on s.id = r.session_id
               where s.not_after < $1 and r.revoked is false limit 100 for update of r skip locked)"),
    ("used refresh tokens", TimeDelta::hours(24), "\
delete from auth.refresh_tokens
 where id in (select id from auth.refresh_tokens
               where updated_at < $1 and revoked limit 100 for update skip locked)"),
    ("ended sessions", TimeDelta::hours(72), "\
delete from auth.sessions
 where id in (select id from auth.sessions where not_after < $1 limit 10 for update skip locked)"),
    ("relay states", TimeDelta::hours(24), "\
delete from auth.saml_relay_states
 where id in (select id from auth.saml_relay_states where created_at < $1 limit 100 for update skip locked)"),
    ("flow states", TimeDelta::hours(24), "\
delete from auth.flow_state
 where id in (select id from auth.flow_state where created_at < $1 limit 100 for update skip locked)"),
    ("client states", TimeDelta::hours(24), "\
delete from auth.oauth_client_states
 where id in (select id from auth.oauth_client_states where created_at < $1 limit 100 for update skip locked)"),
    ("challenges", TimeDelta::hours(24), "\
delete from auth.mfa_challenges
 where id in (select id from auth.mfa_challenges where created_at < $1 limit 100 for update skip locked)"),
    ("unproved factors", TimeDelta::hours(24), "\
delete from auth.mfa_factors
 where id in (select id from auth.mfa_factors
               where created_at < $1 and status = 'unverified' limit 100 for update skip locked)"),
    ("passkey challenges", TimeDelta::zero(), "\
delete from auth.webauthn_challenges
 where id in (select id from auth.webauthn_challenges where expires_at < $1 limit 100 for update skip locked)"),
    ("requests of applications", TimeDelta::hours(1), "\
delete from auth.oauth_authorizations
 where id in (select id from auth.oauth_authorizations where expires_at < $1 limit 100 for update skip locked)"),
    ("requests of devices", TimeDelta::hours(1), "\
delete from auth.basalt_device_codes
 where hash in (select hash from auth.basalt_device_codes where expires_at < $1 limit 100 for update skip locked)"),
    ("devices", TimeDelta::days(182), "\
delete from auth.basalt_devices
 where ctid in (select ctid from auth.basalt_devices where last_seen_at < $1 limit 100 for update skip locked)"),
    ("used proofs", TimeDelta::zero(), "\
delete from auth.basalt_spent
 where (kind, hash) in (select kind, hash from auth.basalt_spent
                         where expires_at < $1 limit 100 for update skip locked)"),
    ("codes asked for by strangers", TimeDelta::hours(24), "\
delete from auth.basalt_limits
 where name in (select name from auth.basalt_limits
                 where at < $1 and name like 'unknown:%' limit 1000 for update skip locked)"),
    ("wrong passwords", TimeDelta::hours(24), "\
delete from auth.basalt_lockouts
 where key in (select key from auth.basalt_lockouts
                where at < $1 and proved_at is null limit 1000 for update skip locked)"),
    ("places of accounts", TimeDelta::days(182), "\
delete from auth.basalt_lockouts
 where key in (select key from auth.basalt_lockouts where at < $1 limit 1000 for update skip locked)"),
];

/// How often one statement is run at most.
const ROUNDS: usize = 100;

/// Runs every statement until it takes nothing; returns how many rows went, by what they were.
pub(crate) async fn run(
    session: &mut Session,
    now: DateTime<Utc>,
) -> Result<Vec<(&'static str, u64)>, Error> {
    let mut gone = Vec::new();
    for (what, age, sql) in STEPS {
        let mut rows = 0;
        for _ in 0..ROUNDS {
            match session.execute(sql, &[&(now - age)]).await? {
                0 => break,
                taken => rows += taken,
            }
        }
        gone.push((what, rows));
    }
    gone.retain(|(_, rows)| *rows > 0);
    Ok(gone)
}

/// Deletes accounts without address or number that were made before `born`.
pub(crate) async fn delete_anonymous_users(session: &mut Session, born: DateTime<Utc>) -> Result<u64, Error> {
    const DELETE: &str = "\
delete from auth.users
 where id in (select id from auth.users
               where created_at < $1 and is_anonymous limit 100 for update skip locked)";
    session.execute(DELETE, &[&born]).await
}

/// Deletes sessions that began before `born` or were last used before `used`, where given.
pub(crate) async fn delete_expired_sessions(
    session: &mut Session,
    born: Option<DateTime<Utc>>,
    used: Option<DateTime<Utc>>,
) -> Result<u64, Error> {
    const DELETE: &str = "\
delete from auth.sessions
 where id in (select id from auth.sessions
               where created_at < $1
                  or coalesce(refreshed_at at time zone 'utc', created_at) < $2
               limit 100 for update skip locked)";
    session.execute(DELETE, &[&born, &used]).await
}
