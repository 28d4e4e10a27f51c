//! What is said of a content beside it.

use base64::Engine;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use object::Labels;
use serde_json::Value;

/// Type, caching and the caller's own metadata of a content.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    pub(crate) content_type: String,
    cache_control: Option<String>,
    pub(crate) user_metadata: Option<Value>,
    /// A field names the type, whatever the file's part says.
    is_named: bool,
}

impl Fields {
    /// From the headers of a request whose body is the content.
    pub(crate) fn raw(
        content_type: Option<&str>,
        cache_control: Option<&str>,
        metadata: Option<&str>,
    ) -> Self {
        Self {
            content_type: content_type.unwrap_or(UNKNOWN).to_owned(),
            cache_control: cache_control.filter(|value| !value.is_empty()).map(str::to_owned),
            user_metadata: metadata.and_then(decoded),
            is_named: true,
        }
    }

    /// A field of a form. What cannot be understood is passed over, as upstream does.
    pub(crate) fn take(&mut self, name: &str, value: &[u8]) {
        let text = String::from_utf8_lossy(value).into_owned();
        match name {
            "contentType" if !text.is_empty() => {
                self.content_type = text;
                self.is_named = true;
            }
            "cacheControl" if !text.is_empty() => self.cache_control = Some(format!("max-age={text}")),
            "metadata" | "userMetadata" => self.user_metadata = serde_json::from_str(&text).ok(),
            _ => {}
        }
    }

    /// What the file's own part says.
    pub(crate) fn of_file(&mut self, content_type: Option<String>) {
        if !self.is_named {
            self.content_type = content_type.unwrap_or_else(|| UNKNOWN.to_owned());
        }
    }

    pub(crate) fn labels(&self) -> Labels {
        Labels {
            content_type: self.content_type.clone(),
            cache_control: self.cache_control.clone().unwrap_or_else(|| "no-cache".to_owned()),
        }
    }
}

const UNKNOWN: &str = "application/octet-stream";

/// JSON in base64, padded or not; what is no such thing is passed over.
pub(crate) fn decoded(text: &str) -> Option<Value> {
    let config = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    let text = text.replace('-', "+").replace('_', "/");
    let bytes = GeneralPurpose::new(&base64::alphabet::STANDARD, config).decode(text.trim()).ok()?;
    serde_json::from_slice(&bytes).ok()
}
