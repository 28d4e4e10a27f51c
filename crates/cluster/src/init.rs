//! Making a cluster, and the files we write into it at every start.
//!
//! A cluster is made under a provisional name without syncing each file, then the whole file system is synced once, then
//! the directory gets its name. So a directory with a cluster's name is always complete and on disk; one that a crash
//! left unfinished has another name and is thrown away, and nothing that holds data is ever deleted.
//!
//! Databases are UTF-8. Text sorts by the ICU root collation, as users expect of text in any language; a server built
//! without ICU sorts by code point. Data checksums are on: a disk that lies is noticed.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{OpenOptionsExt, fchown},
    path::Path,
};

use nix::fcntl::OFlag;

use crate::{SUPERUSER, StartError, Tls, account::Account, binaries::Binaries, layout::Layout};

/// The file of our settings inside a cluster.
pub(crate) const SETTINGS_FILE: &str = "basalt.conf";

/// The files of the certificate inside a cluster.
pub(crate) const CERTIFICATE_FILE: &str = "server.crt";
pub(crate) const KEY_FILE: &str = "server.key";

/// Appended to the `postgresql.conf` that initdb made.
const INCLUDE: &str = "\n# Settings of Basalt, rewritten at every start.\ninclude 'basalt.conf'\n\n\
                       # Your own settings go below this line; they win.\n";

/// Makes the cluster of the major version of `binaries`. Blocks: initdb takes a second of CPU.
///
/// The calling thread must wait here until it is done: initdb is interrupted when the thread that started it ends.
pub(crate) fn create(
    layout: &Layout,
    binaries: &Binaries,
    account: &Account,
    durable: bool,
) -> Result<(), StartError> {
    tracing::info!(version = binaries.major, "making a new Postgres cluster");
    let mut dir = layout.unfinished(binaries.major, account)?;
    if let Err(error) = initdb(&dir, binaries, account, true) {
        if !matches!(&error, StartError::Init { output, .. } if output.contains("ICU is not supported")) {
            return Err(error);
        }
        layout.remove_unfinished();
        dir = layout.unfinished(binaries.major, account)?;
        initdb(&dir, binaries, account, false)?;
    }
    let path = dir.join("postgresql.conf");
    OpenOptions::new()
        .append(true)
        .custom_flags(OFlag::O_NOFOLLOW.bits())
        .open(&path)
        .and_then(|mut file| file.write_all(INCLUDE.as_bytes()))
        .map_err(|source| StartError::io("write", &path, source))?;
    if durable {
        File::open(&dir)
            .and_then(|file| nix::unistd::syncfs(file).map_err(io::Error::from))
            .map_err(|source| StartError::io("sync", &dir, source))?;
    }
    layout.finish(&dir, binaries.major)
}

fn initdb(dir: &Path, binaries: &Binaries, account: &Account, icu: bool) -> Result<(), StartError> {
    let program = binaries.program("initdb");
    let mut command = account.command(&program);
    command
        .arg("--pgdata")
        .arg(dir)
        .args([
            "--username",
            SUPERUSER,
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--text-search-config=english",
        ])
        .args(["--data-checksums", "--auth-local=peer", "--auth-host=scram-sha-256"])
        .args(["--no-sync", "--no-instructions"]);
    if icu {
        command.args(["--locale-provider=icu", "--icu-locale=und"]);
    }
    let output = command.output().map_err(|source| StartError::io("run", &program, source))?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    if StartError::speaks_of_full_disk(&text) {
        return Err(StartError::DiskFull(dir.to_path_buf()));
    }
    Err(StartError::Init { status: output.status, output: text.trim().to_owned() })
}

/// Replaces one file of a cluster.
///
/// The directory is the account's, and we may be root: the new file is made under another name, never through a link,
/// and put in place by a rename. It needs no sync, as it is written at every start.
pub(crate) fn write(cluster: &Path, name: &str, text: &str, account: &Account) -> Result<(), StartError> {
    let new = cluster.join(format!("{name}.new"));
    let put = || {
        match fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
        if account.drops_root {
            fchown(&file, Some(account.uid.as_raw()), Some(account.gid.as_raw()))?;
        }
        file.write_all(text.as_bytes())?;
        fs::rename(&new, cluster.join(name))
    };
    put().map_err(|source| StartError::io("write", &cluster.join(name), source))
}

/// Puts copies of a certificate and its key where the server's account can read them.
pub(crate) fn write_tls(cluster: &Path, tls: &Tls, account: &Account) -> Result<(), StartError> {
    for (name, source) in [(CERTIFICATE_FILE, &tls.certificate), (KEY_FILE, &tls.key)] {
        let text = fs::read_to_string(source).map_err(|error| StartError::io("read", source, error))?;
        write(cluster, name, &text, account)?;
    }
    Ok(())
}

/// Whether the server takes a value for a setting, which depends on what it was built with. Takes about 10 ms: the
/// server parses its settings and ends.
pub(crate) fn takes(
    setting: &str,
    value: &str,
    cluster: &Path,
    binaries: &Binaries,
    account: &Account,
) -> bool {
    account
        .command(&binaries.program("postgres"))
        .arg("-D")
        .arg(cluster)
        .args(["-c", "config_file=/dev/null", "-c", &format!("{setting}={value}"), "-C", setting])
        .output()
        .is_ok_and(|output| output.status.success())
}
