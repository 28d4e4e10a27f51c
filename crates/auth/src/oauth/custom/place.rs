//! Where a provider that an administrator defines may be: on the public internet.
//!
//! This is said when it is defined, in upstream's words. That it is still so when it is asked is seen
//! to by [`crate::outbound`].

use std::net::IpAddr;

use url::{Host, ParseError, Url};

use crate::error::Error;
use crate::outbound::{Reach, is_public};

/// True for a URL of the web; only with TLS, unless providers may be anywhere.
pub(crate) fn is_web(url: &str, reach: Reach) -> bool {
    let scheme = url.split_once("://").map(|(scheme, _)| scheme).unwrap_or_default();
    scheme == "https" || (scheme == "http" && reach == Reach::Anywhere)
}

/// Checks a URL that an administrator names.
///
/// # Errors
///
/// What is wrong with it.
pub(crate) async fn check(url: &str, reach: Reach) -> Result<(), Error> {
    let no_host = || Error::invalid("URL must have a valid hostname");
    let no_tls = || Error::invalid("URL must use HTTPS");
    let parsed = Url::parse(url).map_err(|error| match error {
        ParseError::RelativeUrlWithoutBase => no_tls(),
        ParseError::EmptyHost => no_host(),
        _ => Error::invalid("Invalid URL format"),
    })?;
    if !is_web(url, reach) {
        return Err(no_tls());
    }
    let host = parsed.host().ok_or_else(no_host)?;
    if reach == Reach::Anywhere {
        return Ok(());
    }
    let addresses = match host {
        Host::Ipv4(ip) => vec![ip.into()],
        Host::Ipv6(ip) => vec![ip.into()],
        Host::Domain(name) => resolve(name).await?,
    };
    for address in addresses {
        refuse(address).map_or(Ok(()), |text| Err(Error::invalid(text)))?;
    }
    Ok(())
}

const LOCAL: &str = "URL cannot point to localhost or loopback addresses";

async fn resolve(name: &str) -> Result<Vec<IpAddr>, Error> {
    let name = name.trim_end_matches('.');
    if name == "localhost" || name.ends_with(".localhost") {
        return Err(Error::invalid(LOCAL));
    }
    let found = tokio::net::lookup_host((name, 443)).await;
    let found = found.map_err(|_| Error::invalid("Unable to resolve hostname"))?;
    Ok(found.map(|address| address.ip()).collect())
}

/// What is wrong with an address.
fn refuse(address: IpAddr) -> Option<&'static str> {
    let address = address.to_canonical();
    let (link_local, private) = match address {
        IpAddr::V4(ip) => (ip.is_link_local(), ip.is_private()),
        IpAddr::V6(ip) => (ip.is_unicast_link_local(), ip.is_unique_local()),
    };
    Some(if ["127.0.0.1", "::1", "0.0.0.0", "::"].contains(&address.to_string().as_str()) {
        LOCAL
    } else if address.is_loopback() {
        "URL cannot resolve to loopback addresses"
    } else if private {
        "URL cannot resolve to private network addresses"
    } else if link_local {
        "URL cannot resolve to link-local addresses"
    } else if address.is_multicast() {
        "URL cannot resolve to multicast addresses"
    } else if !is_public(address) {
        // Networks that upstream does not know of, such as those of carriers.
        "URL cannot resolve to private network addresses"
    } else {
        return None;
    })
}

#[cfg(test)]
mod tests {
    use kernel::ApiError;

    use super::*;

    #[tokio::test]
    async fn places_of_the_public_internet() {
        for url in ["https://93.184.216.34/x", "https://1.1.1.1:8443", "https://[2606:4700::1111]/"] {
            assert!(check(url, Reach::PublicOnly).await.is_ok(), "{url}");
        }
        let local = LOCAL;
        let private = "URL cannot resolve to private network addresses";
        let link = "URL cannot resolve to link-local addresses";
        for (url, text) in [
            ("nonsense", "URL must use HTTPS"),
            ("https://", "URL must have a valid hostname"),
            ("https://[::1/", "Invalid URL format"),
            ("http://93.184.216.34/", "URL must use HTTPS"),
            ("file:///etc/passwd", "URL must use HTTPS"),
            ("https:93.184.216.34", "URL must use HTTPS"),
            ("https://localhost/", local),
            ("https://a.localhost:8443/", local),
            ("https://localhost./", local),
            ("https://127.0.0.1/", local),
            ("https://2130706433/", local),
            ("https://[::1]/", local),
            ("https://0.0.0.0/", local),
            ("https://127.0.0.2/", "URL cannot resolve to loopback addresses"),
            ("https://[::ffff:127.0.0.2]/", "URL cannot resolve to loopback addresses"),
            ("https://10.0.0.1/", private),
            ("https://192.168.1.1/", private),
            ("https://100.64.0.1/", private),
            ("https://[fc00::1]/", private),
            ("https://169.254.169.254/latest", link),
            ("https://[fe80::1]/", link),
            ("https://224.0.0.1/", "URL cannot resolve to multicast addresses"),
        ] {
            let refusal = check(url, Reach::PublicOnly).await.map_err(|error| error.public().into_owned());
            assert_eq!(refusal, Err(text.to_owned()), "{url}");
        }
        for url in ["http://10.0.0.1/", "https://localhost/"] {
            assert!(check(url, Reach::Anywhere).await.is_ok(), "{url}");
        }
        assert!(check("javascript://x", Reach::Anywhere).await.is_err());
    }
}
