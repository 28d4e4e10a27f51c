//! Credentials of security keys as `mfa_factors.web_authn_credential` holds them: the JSON that
//! upstream's WebAuthn library writes, so that either program reads what the other wrote.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::Credential;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stored {
    id: String,
    public_key: String,
    #[serde(default)]
    attestation_type: String,
    #[serde(default)]
    transport: Option<Vec<String>>,
    #[serde(default)]
    flags: Flags,
    #[serde(default)]
    authenticator: Authenticator,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Flags {
    user_present: bool,
    user_verified: bool,
    backup_eligible: bool,
    backup_state: bool,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Authenticator {
    #[serde(rename = "AAGUID")]
    aaguid: String,
    sign_count: u32,
    clone_warning: bool,
}

impl Credential {
    /// For the column.
    pub(crate) fn to_stored(&self) -> Value {
        json!(Stored {
            id: STANDARD.encode(&self.id),
            public_key: STANDARD.encode(&self.public_key),
            attestation_type: self.attestation_type.clone(),
            transport: Some(self.transports.clone()),
            flags: Flags {
                user_present: true,
                user_verified: self.user_verified,
                backup_eligible: self.backup_eligible,
                backup_state: self.backed_up,
            },
            authenticator: Authenticator {
                aaguid: STANDARD.encode(self.aaguid.as_bytes()),
                sign_count: self.sign_count,
                clone_warning: false,
            },
        })
    }

    /// From the column; `None` if it holds something else.
    pub(crate) fn from_stored(column: &Value) -> Option<Self> {
        let stored = Stored::deserialize(column).ok()?;
        let aaguid = STANDARD.decode(&stored.authenticator.aaguid).ok();
        Some(Self {
            id: STANDARD.decode(&stored.id).ok()?,
            public_key: STANDARD.decode(&stored.public_key).ok()?,
            sign_count: stored.authenticator.sign_count,
            backup_eligible: stored.flags.backup_eligible,
            backed_up: stored.flags.backup_state,
            transports: stored.transport.unwrap_or_default(),
            aaguid: aaguid.and_then(|bytes| Uuid::from_slice(&bytes).ok()).unwrap_or_default(),
            user_verified: stored.flags.user_verified,
            attestation_type: stored.attestation_type,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// As upstream writes it, with what we do not need.
    #[test]
    fn there_and_back() {
        let column = json!({
            "id": "AQID",
            "publicKey": "pQECAyYg",
            "attestationType": "none",
            "transport": ["usb"],
            "flags": {"userPresent": true, "userVerified": true, "backupEligible": true, "backupState": false},
            "authenticator": {
                "AAGUID": "AAECAwQFBgcICQoLDA0ODw==", "signCount": 7, "cloneWarning": false, "attachment": ""
            },
            "attestation": {"object": null}
        });
        let credential = Credential::from_stored(&column).unwrap();
        assert_eq!((credential.id.as_slice(), credential.sign_count), ([1, 2, 3].as_slice(), 7));
        assert_eq!(credential.aaguid.to_string(), "00010203-0405-0607-0809-0a0b0c0d0e0f");
        assert_eq!(Credential::from_stored(&credential.to_stored()).unwrap(), credential);
        let no_transport = json!({ "id": "AQID", "publicKey": "AA==", "transport": null });
        assert!(Credential::from_stored(&no_transport).unwrap().transports.is_empty());
        for other in [json!(null), json!({}), json!({ "id": "!", "publicKey": "AA==" })] {
            assert_eq!(Credential::from_stored(&other), None);
        }
    }
}
