//! Who may log in: the text of `pg_hba.conf` and `pg_ident.conf`, rewritten at every start.
//!
//! Over the socket the kernel vouches for the peer: the server's account, and the user we run as, may be any role of the
//! platform without a password. Every other role, and everybody over TCP, needs a password (SCRAM). Nothing else is let
//! in; there is no `trust`.

use std::net::SocketAddr;

/// Roles we log in as ourselves. They have to be listed: before Postgres 16 a map cannot say "any role".
const PEER_ROLES: [&str; 11] = [
    crate::SUPERUSER,
    "postgres",
    "authenticator",
    "supabase_auth_admin",
    "supabase_storage_admin",
    "supabase_realtime_admin",
    "supabase_functions_admin",
    "supabase_replication_admin",
    "supabase_etl_admin",
    "supabase_read_only_user",
    "pgbouncer",
];

const HEADER: &str = "# Written by Basalt at every start; changes here are lost.\n";

/// `pg_hba.conf`.
pub(crate) fn hba(tcp: Option<SocketAddr>, tls_required: bool) -> String {
    let roles = PEER_ROLES.join(",");
    let mut text = format!(
        "{HEADER}\
         local all         {roles} peer map=basalt\n\
         local replication {roles} peer map=basalt\n\
         local all         all scram-sha-256\n"
    );
    if tcp.is_some() {
        let kind = if tls_required { "hostssl" } else { "host" };
        text.push_str(&format!("{kind} all all all scram-sha-256\n"));
    }
    text
}

/// `pg_ident.conf` for these operating system users.
pub(crate) fn ident(users: &[String]) -> String {
    let mut text = String::from(HEADER);
    for user in users {
        for role in PEER_ROLES {
            // A leading slash would make it a regular expression; quotes do not help against that, but no account
            // name has one.
            text.push_str(&format!("basalt \"{}\" {role}\n", user.replace('"', "")));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tcp_only_when_asked_for_and_never_without_password() {
        assert!(!hba(None, true).contains("host"));
        for (required, kind) in [(false, "host "), (true, "hostssl ")] {
            let text = hba(Some(([127, 0, 0, 1], 5432).into()), required);
            let hosts: Vec<_> = text.lines().filter(|line| line.starts_with("host")).collect();
            assert_eq!(hosts.len(), 1);
            assert!(hosts.iter().all(|line| line.starts_with(kind) && line.ends_with(" scram-sha-256")));
            assert!(!text.contains("trust"));
        }
    }

    #[test]
    fn maps_each_user_to_each_role() {
        let text = ident(&["postgres".into(), "root".into()]);
        assert!(text.contains("basalt \"root\" authenticator\n"));
        assert_eq!(text.lines().count(), 1 + 2 * PEER_ROLES.len());
    }
}
