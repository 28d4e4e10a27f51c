//! What the edge goes by and an operator may change while it runs.

use anyhow::Context;
use kernel::RoleName;
use kernel::setting::keep;

use super::address::Network;
use crate::server;
use crate::settings::Settings;

/// One state of it; a request keeps the one that it came under.
pub(crate) struct Rules {
    pub(crate) config: server::Config,
    /// Proxies that are believed.
    pub(super) proxies: Vec<Network>,
    /// Whom callers without a token are.
    pub(super) anonymous: Option<RoleName>,
}

impl Rules {
    /// # Errors
    ///
    /// A proxy that is no address, a role that can be none.
    pub(crate) fn of(settings: &Settings) -> anyhow::Result<Self> {
        let proxies = settings.server.trusted_proxies.iter().map(|text| text.parse::<Network>());
        let proxies = proxies
            .collect::<Result<_, _>>()
            .map_err(anyhow::Error::msg)
            .context("server.trusted_proxies")?;
        let anonymous = settings.rest.anon_role.as_deref();
        let anonymous = anonymous
            .map(|name| RoleName::parse(name).context("rest.anon_role is no role name"))
            .transpose()?;
        Ok(Self { config: settings.server.clone(), proxies, anonymous })
    }

    /// Leaves what listeners and workers were started with as it is in `current`; returns what of it had changed.
    pub(super) fn keep_fixed(&mut self, current: &Self) -> Vec<&'static str> {
        let (new, current) = (&mut self.config, &current.config);
        let kept = [
            keep("listen", &mut new.listen, &current.listen),
            keep("public_url", &mut new.public_url, &current.public_url),
            keep("legacy_api_keys", &mut new.legacy_api_keys, &current.legacy_api_keys),
            keep("header_timeout", &mut new.header_timeout, &current.header_timeout),
            keep("keep_alive", &mut new.keep_alive, &current.keep_alive),
            keep("max_connections", &mut new.max_connections, &current.max_connections),
            keep("send_timeout", &mut new.send_timeout, &current.send_timeout),
            keep("workers", &mut new.workers, &current.workers),
            keep("shutdown_timeout", &mut new.shutdown_timeout, &current.shutdown_timeout),
        ];
        kept.into_iter().flatten().collect()
    }
}
