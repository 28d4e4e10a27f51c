//! TLS to a Postgres that runs elsewhere, with libpq's words for it.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::Error;

/// Whom we let answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Trust {
    /// Anybody: against listeners, not against impostors.
    #[default]
    Anybody,
    /// Those whom the system's authorities vouch for.
    System,
    /// Those whom the authorities in this file vouch for.
    File(String),
}

impl Trust {
    /// Takes the two parameters that the driver does not know out of a connection string.
    pub(crate) fn take(text: &str) -> (String, Self) {
        let mut kept = text.to_owned();
        let mut verify = false;
        for mode in ["verify-full", "verify-ca"] {
            // The name is checked in both cases: a certificate for somebody else is no proof.
            let word = format!("sslmode={mode}");
            verify |= kept.contains(&word);
            kept = kept.replace(&word, "sslmode=require");
        }
        let Some(start) = kept.find("sslrootcert=") else {
            return (kept, if verify { Self::System } else { Self::Anybody });
        };
        let value = start + "sslrootcert=".len();
        let end = kept[value..].find(['&', ' ']).map_or(kept.len(), |end| value + end);
        let file = kept[value..end].replace("%2F", "/").replace("%2f", "/");
        // The separator behind the value goes with it, or else the one before.
        let (from, to) = if end < kept.len() { (start, end + 1) } else { (start.saturating_sub(1), end) };
        kept.replace_range(from..to, "");
        // libpq's word for the authorities of the system, by which it always verifies.
        if file == "system" {
            if !kept.contains("sslmode=") {
                let mark = match (kept.contains("://"), kept.contains('?')) {
                    (false, _) => ' ',
                    (true, false) => '?',
                    (true, true) => '&',
                };
                kept.push(mark);
                kept.push_str("sslmode=require");
            }
            return (kept, Self::System);
        }
        // libpq too verifies under `require` once it is told whom to trust.
        let verify = verify || kept.contains("sslmode=require");
        (kept, if verify { Self::File(file) } else { Self::Anybody })
    }
}

/// What makes connections of such trust.
pub(crate) fn connector(trust: &Trust) -> Result<MakeRustlsConnect, Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let unusable = |error: rustls::Error| Error::Connect(error.to_string());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder.with_safe_default_protocol_versions().map_err(unusable)?;
    let config = match trust {
        Trust::Anybody => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Unverified(provider)))
            .with_no_client_auth(),
        Trust::System => builder.with_root_certificates(system()).with_no_client_auth(),
        Trust::File(path) => builder.with_root_certificates(file(path)?).with_no_client_auth(),
    };
    Ok(MakeRustlsConnect::new(config))
}

/// Where systems keep their authorities: Debian, Fedora, SUSE, Alpine.
const SYSTEM_FILES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// The system's authorities as a file, for programs that want one.
pub(crate) fn system_file() -> Result<String, Error> {
    let file = SYSTEM_FILES.iter().find(|file| std::path::Path::new(file).is_file());
    let none =
        || Error::Target("the system has no certificate authorities: name a file in sslrootcert".to_owned());
    file.map(|file| (*file).to_owned()).ok_or_else(none)
}

fn system() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

fn file(path: &str) -> Result<RootCertStore, Error> {
    let refused = |reason: String| Error::Target(format!("sslrootcert {path}: {reason}"));
    let pem = std::fs::read(path).map_err(|error| refused(error.to_string()))?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| refused(error.to_string()))?;
        roots.add(certificate).map_err(|error| refused(error.to_string()))?;
    }
    Ok(roots)
}

/// Believes every certificate, but still checks that the peer holds its key.
#[derive(Debug)]
struct Unverified(Arc<CryptoProvider>);

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libpqs_words() {
        let check = |text: &str, kept: &str, trust: Trust| {
            assert_eq!(Trust::take(text), (kept.to_owned(), trust), "{text}");
        };
        check("postgresql://a@b/c", "postgresql://a@b/c", Trust::Anybody);
        check("postgresql://a@b/c?sslmode=require", "postgresql://a@b/c?sslmode=require", Trust::Anybody);
        check("postgresql://a@b/c?sslmode=verify-full", "postgresql://a@b/c?sslmode=require", Trust::System);
        check(
            "postgresql://a@b/c?sslrootcert=%2Fetc%2Fca.pem&sslmode=verify-full",
            "postgresql://a@b/c?sslmode=require",
            Trust::File("/etc/ca.pem".to_owned()),
        );
        check(
            "postgresql://a@b/c?sslmode=require&sslrootcert=/etc/ca.pem",
            "postgresql://a@b/c?sslmode=require",
            Trust::File("/etc/ca.pem".to_owned()),
        );
        check(
            "postgresql://a@b/c?sslrootcert=/etc/ca.pem&sslmode=prefer",
            "postgresql://a@b/c?sslmode=prefer",
            Trust::Anybody,
        );
        check("postgresql://a@b/c?sslrootcert=system", "postgresql://a@b/c?sslmode=require", Trust::System);
        check(
            "host=b user=a sslmode=verify-ca sslrootcert=/etc/ca.pem",
            "host=b user=a sslmode=require",
            Trust::File("/etc/ca.pem".to_owned()),
        );
    }
}
