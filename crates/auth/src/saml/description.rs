//! What an identity provider publishes of itself: its metadata.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, TimeDelta, Utc};
use roxmltree::Node;
use url::Url;

use super::xml::{self, DSIG, METADATA, XmlError};

/// Certificates that count at most.
const CERTIFICATES: usize = 16;

/// An identity provider, as it describes itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Description {
    pub(crate) entity_id: String,
    /// Where a browser brings requests.
    pub(crate) sign_in: Option<String>,
    /// What it signs with: DER.
    pub(crate) certificates: Vec<Vec<u8>>,
    pub(crate) valid_until: Option<DateTime<Utc>>,
    pub(crate) cache_duration: Option<TimeDelta>,
}

/// Why a description cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DescriptionError {
    #[error("SAML Metadata cannot be read: {0}")]
    Xml(#[from] XmlError),
    #[error("SAML Metadata is not an EntityDescriptor")]
    Root,
    #[error("SAML Metadata does not contain an EntityID")]
    NoEntityId,
    #[error("SAML Metadata does not contain any IDPSSODescriptor")]
    NoIdp,
    #[error("SAML Metadata contains multiple IDPSSODescriptors")]
    SeveralIdps,
}

impl Description {
    /// Reads metadata: of one entity, or of several, of which the first identity provider counts.
    pub(crate) fn read(text: &str) -> Result<Self, DescriptionError> {
        const SIGN_IN: &str = "SingleSignOnService";
        let text = text.trim_start_matches('\u{feff}').trim_start();
        let document = xml::read(text, xml::DESCRIPTION)?;
        let root = document.root_element();
        let entity = if xml::is(root, METADATA, "EntityDescriptor") {
            root
        } else if xml::is(root, METADATA, "EntitiesDescriptor") {
            let mut entities = root.descendants().filter(|node| xml::is(*node, METADATA, "EntityDescriptor"));
            let is_idp = |node: &Node<'_, '_>| xml::child(*node, METADATA, "IDPSSODescriptor").is_some();
            entities.find(is_idp).ok_or(DescriptionError::NoIdp)?
        } else {
            return Err(DescriptionError::Root);
        };
        let entity_id = entity.attribute("entityID").map(str::trim).unwrap_or_default();
        if entity_id.is_empty() {
            return Err(DescriptionError::NoEntityId);
        }
        let mut idps = xml::children(entity, METADATA, "IDPSSODescriptor");
        let idp = idps.next().ok_or(DescriptionError::NoIdp)?;
        if idps.next().is_some() {
            return Err(DescriptionError::SeveralIdps);
        }
        let by_redirect = |node: &Node<'_, '_>| {
            node.attribute("Binding") == Some("urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect")
        };
        let sign_in = xml::children(idp, METADATA, SIGN_IN).find(by_redirect);
        let sign_in = sign_in.and_then(|node| node.attribute("Location")).map(str::trim);
        let web = |url: &&str| Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
        Ok(Self {
            entity_id: entity_id.to_owned(),
            sign_in: sign_in.filter(web).map(str::to_owned),
            certificates: certificates(idp),
            valid_until: entity.attribute("validUntil").and_then(moment),
            cache_duration: entity.attribute("cacheDuration").and_then(duration),
        })
    }

    /// Whether this, taken over at `since`, should be asked for again.
    pub(crate) fn is_stale(&self, since: DateTime<Utc>, now: DateTime<Utc>) -> bool {
        const DAY: TimeDelta = TimeDelta::hours(24);
        let older = |age: TimeDelta| since.checked_add_signed(age).is_some_and(|end| now > end);
        match (self.valid_until, self.cache_duration) {
            (None, None) => older(DAY),
            (until, cache) => until.is_some_and(|until| now > until) || cache.is_some_and(older),
        }
    }
}

/// A moment as XML writes it.
pub(crate) fn moment(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(text.trim()).ok().map(|at| at.to_utc())
}

/// The keys for signatures; those for anything if there are none for signatures in particular.
fn certificates(idp: Node<'_, '_>) -> Vec<Vec<u8>> {
    let of = |purpose: Option<&str>| -> Vec<Vec<u8>> {
        let keys = xml::children(idp, METADATA, "KeyDescriptor");
        let keys = keys.filter(|key| key.attribute("use").filter(|text| !text.is_empty()) == purpose);
        let nodes = keys.flat_map(|key| key.descendants());
        nodes
            .filter(|node| xml::is(*node, DSIG, "X509Certificate"))
            .filter_map(der)
            .take(CERTIFICATES)
            .collect()
    };
    let signing = of(Some("signing"));
    if signing.is_empty() { of(None) } else { signing }
}

fn der(node: Node<'_, '_>) -> Option<Vec<u8>> {
    let text: String = xml::own_text(node).split_ascii_whitespace().collect();
    STANDARD.decode(text).ok().filter(|der| der.first() == Some(&0x30))
}

/// `PnYnMnDTnHnMnS`; a year has 365 days and a month 30.
fn duration(text: &str) -> Option<TimeDelta> {
    let rest = text.trim().strip_prefix('P')?;
    let (date, time) = rest.split_once('T').unwrap_or((rest, ""));
    let days = units(date, &[('Y', 365.0), ('M', 30.0), ('D', 1.0)])? * 86_400.0;
    let seconds = days + units(time, &[('H', 3600.0), ('M', 60.0), ('S', 1.0)])?;
    let known = seconds.is_finite() && (0.0..1e12).contains(&seconds);
    known.then(|| TimeDelta::try_milliseconds((seconds * 1000.0) as i64)).flatten()
}

fn units(mut text: &str, sizes: &[(char, f64)]) -> Option<f64> {
    let mut total = 0.0;
    for (unit, size) in sizes {
        if let Some((number, rest)) = text.split_once(*unit) {
            total += number.parse::<f64>().ok()? * size;
            text = rest;
        }
    }
    text.is_empty().then_some(total)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const IDP: &str = r#"<IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">
        <KeyDescriptor use="encryption"><KeyInfo xmlns="http://www.w3.org/2000/09/xmldsig#"><X509Data>
          <X509Certificate>MAA=</X509Certificate></X509Data></KeyInfo></KeyDescriptor>
        <!-- the one that signs -->
        <KeyDescriptor use="signing"><KeyInfo xmlns="http://www.w3.org/2000/09/xmldsig#"><X509Data>
          <X509Certificate>
             MAEB
          </X509Certificate></X509Data></KeyInfo></KeyDescriptor>
        <SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="https://idp.test/post"/>
        <SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" Location="https://idp.test/in?a=b"/>
      </IDPSSODescriptor>"#;

    fn entity(attributes: &str, content: &str) -> String {
        format!("<EntityDescriptor xmlns=\"{METADATA}\" {attributes}>{content}</EntityDescriptor>")
    }

    #[test]
    fn metadata_is_read() {
        let attributes =
            "entityID=\"https://idp.test\" validUntil=\"2027-01-01T00:00:00Z\" cacheDuration=\"P1DT2H\"";
        let expected = Description {
            entity_id: "https://idp.test".to_owned(),
            sign_in: Some("https://idp.test/in?a=b".to_owned()),
            certificates: vec![vec![0x30, 1, 1]],
            valid_until: moment("2027-01-01T00:00:00Z"),
            cache_duration: Some(TimeDelta::hours(26)),
        };
        let alone = entity(attributes, IDP);
        assert_eq!(
            Description::read(&format!("\u{feff}<?xml version=\"1.0\"?>\n{alone}")).unwrap(),
            expected
        );
        let other = entity("entityID=\"https://sp.test\"", "");
        let several = format!("<EntitiesDescriptor xmlns=\"{METADATA}\">{other}{alone}</EntitiesDescriptor>");
        assert_eq!(Description::read(&several).unwrap(), expected);
        let for_anything = IDP.replace(" use=\"signing\"", "").replace(" use=\"encryption\"", "");
        assert_eq!(Description::read(&entity("entityID='x'", &for_anything)).unwrap().certificates.len(), 2);
    }

    #[test]
    fn what_describes_no_identity_provider_is_refused() {
        let refused = |text: &str| Description::read(text).unwrap_err();
        assert_eq!(refused(&entity("", IDP)), DescriptionError::NoEntityId);
        assert_eq!(refused(&entity("entityID='x'", "")), DescriptionError::NoIdp);
        assert_eq!(refused(&entity("entityID='x'", &IDP.repeat(2))), DescriptionError::SeveralIdps);
        assert_eq!(refused("<html/>"), DescriptionError::Root);
        let bomb = "<!DOCTYPE a [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><a>&x;</a>";
        assert_eq!(refused(bomb), XmlError::Forbidden("a document type").into());
        let script = IDP.replace("https://idp.test/in?a=b", "javascript:alert(1)");
        assert_eq!(Description::read(&entity("entityID='x'", &script)).unwrap().sign_in, None);
    }

    #[test]
    fn durations() {
        let check = |text: &str, seconds: Option<i64>| {
            assert_eq!(duration(text).map(|length| length.num_seconds()), seconds, "{text}");
        };
        check("PT1H", Some(3600));
        check("P1Y2M3DT4H5M6.5S", Some(((365 + 60 + 3) * 24 + 4) * 3600 + 306));
        for text in ["", "P1", "1H", "PT1D", "P-1D", "P1e300Y", "PTxS"] {
            check(text, None);
        }
    }

    #[test]
    fn descriptions_grow_old() {
        let (now, hour) = (moment("2027-01-01T00:00:00Z").unwrap(), TimeDelta::hours(1));
        let check = |until: Option<TimeDelta>, cache: Option<TimeDelta>, age: TimeDelta, stale| {
            let text = entity("entityID='x'", IDP);
            let read = Description::read(&text).unwrap();
            let read = Description { valid_until: until.map(|at| now + at), cache_duration: cache, ..read };
            assert_eq!(read.is_stale(now - age, now), stale, "{until:?} {cache:?} {age}");
        };
        check(None, None, hour * 23, false);
        check(None, None, hour * 25, true);
        check(Some(hour), None, hour * 25, false);
        check(Some(-hour), None, hour, true);
        check(None, Some(hour), hour * 2, true);
        check(Some(hour), Some(hour * 3), hour * 2, false);
    }
}
