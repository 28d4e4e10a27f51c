//! The certificate that clients of the database are shown, if the operator brings none: signed by itself, made at the
//! first start that needs it and kept in `<data>/secrets`. It encrypts; whoever wants to be sure of the server pins it.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use anyhow::Context;
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};

use crate::secrets;

/// What a client on the same machine calls the server.
const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// Where a certificate and its private key lie.
pub(crate) struct Files {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

/// The certificate in `data_dir`, made for a server at `address` if there is none.
///
/// # Errors
///
/// Files that cannot be read or written, or that others may read.
pub(crate) fn own(data_dir: &Path, address: IpAddr) -> anyhow::Result<Files> {
    let file = |name| data_dir.join("secrets").join(name);
    let files = Files { certificate: file("postgres.crt"), key: file("postgres.key") };
    if secrets::read(&files.certificate)?.is_none() || secrets::read(&files.key)?.is_none() {
        let (certificate, key) = fresh(address).context("cannot make a certificate for the database")?;
        secrets::write(&files.key, key.as_bytes())?;
        // Last: where it is, its key is too.
        secrets::write(&files.certificate, certificate.as_bytes())?;
    }
    Ok(files)
}

/// A certificate and its key, PEM.
fn fresh(address: IpAddr) -> Result<(String, String), rcgen::Error> {
    let mut names: Vec<String> = NAMES.iter().map(ToString::to_string).collect();
    if !address.is_unspecified() && !address.is_loopback() {
        names.push(address.to_string());
    }
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "Basalt's database");
    let key = KeyPair::generate()?;
    Ok((params.self_signed(&key)?.pem(), key.serialize_pem()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs;
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn made_once_and_private() {
        let dir = tempfile::tempdir().unwrap();
        let address = "192.0.2.1".parse().unwrap();
        let files = own(dir.path(), address).unwrap();
        let first = fs::read_to_string(&files.certificate).unwrap();
        assert!(first.starts_with("-----BEGIN CERTIFICATE-----"));
        assert!(fs::read_to_string(&files.key).unwrap().contains("PRIVATE KEY"));
        assert_eq!(fs::metadata(&files.key).unwrap().mode() & 0o777, 0o600);
        own(dir.path(), address).unwrap();
        assert_eq!(fs::read_to_string(&files.certificate).unwrap(), first);
    }
}
