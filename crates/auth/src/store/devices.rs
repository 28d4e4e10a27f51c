//! `auth.basalt_devices`: the browsers and networks that accounts were entered from. Ours.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use db::{Error, Session};
use uuid::Uuid;

/// What was known of an account's devices before a sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    /// Any of them at all.
    pub(crate) any: bool,
    pub(crate) user_agent: bool,
    pub(crate) network: bool,
}

/// Notes a sign-in; returns what was known before it. The network is what the address's owner shares
/// with neighbours: 24 bits of version 4, 48 of version 6.
pub(crate) async fn note(
    session: &mut Session,
    user_id: Uuid,
    user_agent: &str,
    ip: IpAddr,
    now: DateTime<Utc>,
) -> Result<Known, Error> {
    const NOTE: &str = "\
with seen as (
  select $2::text as user_agent,
         network(set_masklen(a.ip, case family(a.ip) when 4 then 24 else 48 end)) as network
    from (select $3::text::inet as ip) a),
noted as (
  insert into auth.basalt_devices (user_id, user_agent, network, last_seen_at)
  select $1, user_agent, network, $4 from seen
  on conflict (user_id, user_agent, network) do update set last_seen_at = excluded.last_seen_at)
select count(d.user_id) > 0 as any,
       coalesce(bool_or(d.user_agent = s.user_agent), false) as user_agent,
       coalesce(bool_or(d.network = s.network), false) as network
  from seen s left join auth.basalt_devices d on d.user_id = $1";
    let row = session.query_one(NOTE, &[&user_id, &user_agent, &ip.to_string(), &now]).await?;
    Ok(Known {
        any: row.try_get("any")?,
        user_agent: row.try_get("user_agent")?,
        network: row.try_get("network")?,
    })
}
