//! `basalt.conf`: the settings we give the server, sized to the memory of the machine or container.
//!
//! It is included by `postgresql.conf`; what an operator writes below that line, or sets by `alter system`, wins. What
//! safety depends on (where it listens, the mode of the socket) goes on the command line instead, where nothing can
//! override it.

use std::{fs, path::Path};

use crate::{Options, StartError, binaries::Binaries, memory};

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// Libraries loaded at start where the server has them.
const PRELOADED: [&str; 2] = ["pg_stat_statements", "plpgsql_check"];

/// Settings that have their own option or that we depend on, and which option that is.
const OURS: [(&str, &str); 14] = [
    ("listen_addresses", "it follows from the TCP address option"),
    ("port", "it follows from the TCP address option"),
    ("ssl", "it follows from the certificate option"),
    ("ssl_cert_file", "it follows from the certificate option"),
    ("ssl_key_file", "it follows from the certificate option"),
    ("unix_socket_directories", "the socket lies below the data directory"),
    ("unix_socket_permissions", "the socket is private"),
    ("data_directory", "it lies below the data directory"),
    ("config_file", "it lies in the cluster"),
    ("hba_file", "it lies in the cluster"),
    ("ident_file", "it lies in the cluster"),
    ("logging_collector", "the log is read from standard error"),
    ("log_destination", "the log is read from standard error"),
    ("log_line_prefix", "the log is read from standard error"),
];

/// What the text depends on.
#[derive(Debug, Clone, Copy)]
struct Machine {
    /// Bytes of memory this process may use.
    memory: u64,
    /// `/dev/shm` is larger than the 64 MiB containers have by default.
    has_large_shm: bool,
    /// `syncfs` reports errors.
    has_honest_syncfs: bool,
}

/// The text of `basalt.conf`.
pub(crate) fn settings(options: &Options, binaries: &Binaries, has_lz4: bool) -> Result<String, StartError> {
    let machine = Machine {
        memory: memory::limit(Path::new("/")),
        has_large_shm: has_large_shm(),
        has_honest_syncfs: fs::read_to_string("/proc/sys/kernel/osrelease")
            .is_ok_and(|text| reports_errors(&text)),
    };
    let preloaded: Vec<_> = PRELOADED.into_iter().filter(|name| binaries.has_library(name)).collect();
    let mut settings = sized(machine);
    settings.extend(fixed());
    settings.push(("wal_compression", if has_lz4 { "lz4" } else { "pglz" }.to_owned()));
    settings.push(("shared_preload_libraries", preloaded.join(",")));
    if !options.durable {
        settings
            .extend(["fsync", "full_page_writes", "synchronous_commit"].map(|name| (name, "off".to_owned())));
    }
    let mut text =
        String::from("# Written by Basalt at every start; put your own settings below the include.\n");
    for (name, value) in &settings {
        push(&mut text, name, value);
    }
    for (name, value) in &options.extra_settings {
        check(name)?;
        push(&mut text, name, value);
    }
    Ok(text)
}

fn sized(machine: Machine) -> Vec<(&'static str, String)> {
    let buffers = if machine.memory < 2 * GIB {
        (machine.memory / 4).min(128 * MIB)
    } else {
        (machine.memory / 4).min(GIB)
    };
    let kib = |bytes: u64| format!("{}kB", bytes / 1024);
    vec![
        ("shared_buffers", kib(buffers.max(16 * MIB))),
        ("effective_cache_size", kib((machine.memory / 2).max(64 * MIB))),
        // After a crash: one call instead of opening every file, a tenth of a second instead of one or two.
        ("recovery_init_sync_method", if machine.has_honest_syncfs { "syncfs" } else { "fsync" }.to_owned()),
        ("dynamic_shared_memory_type", if machine.has_large_shm { "posix" } else { "mmap" }.to_owned()),
    ]
}

fn fixed() -> impl Iterator<Item = (&'static str, String)> {
    [
        ("work_mem", "8MB"),
        ("maintenance_work_mem", "64MB"),
        ("max_connections", "100"),
        // The default is up to 16 MB, all of it touched at start.
        ("wal_buffers", "4MB"),
        ("wal_level", "logical"),
        ("max_replication_slots", "10"),
        ("max_wal_senders", "10"),
        // A forgotten slot must not fill the disk.
        ("max_slot_wal_keep_size", "2GB"),
        ("checkpoint_timeout", "15min"),
        ("max_wal_size", "2GB"),
        ("random_page_cost", "1.1"),
        // Many short queries: compiling them costs more than it saves.
        ("jit", "off"),
        // Subscriptions are not part of the platform; the launcher would be one more idle process.
        ("max_logical_replication_workers", "0"),
        ("password_encryption", "scram-sha-256"),
        ("timezone", "UTC"),
        ("log_timezone", "UTC"),
        ("log_destination", "stderr"),
        ("logging_collector", "off"),
        ("log_line_prefix", crate::log::PREFIX),
        // The text of a failed statement may hold passwords and personal data.
        ("log_min_error_statement", "panic"),
        ("lc_messages", "C"),
    ]
    .into_iter()
    .map(|(name, value)| (name, value.to_owned()))
}

fn push(text: &mut String, name: &str, value: &str) {
    let quoted = value.replace('\\', "\\\\").replace('\'', "''").replace('\n', "\\n").replace('\r', "\\r");
    text.push_str(&format!("{name} = '{quoted}'\n"));
}

fn check(name: &str) -> Result<(), StartError> {
    let bad = |reason| Err(StartError::BadSetting { name: name.to_owned(), reason });
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if !starts_well || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.') {
        return bad("this is not the name of a setting");
    }
    match OURS.iter().find(|(ours, _)| name.eq_ignore_ascii_case(ours)) {
        Some((_, reason)) => bad(reason),
        None => Ok(()),
    }
}

/// Linux tells of failed writes from 5.8 on; before, they would be found only in the kernel's log.
fn reports_errors(kernel_release: &str) -> bool {
    let mut numbers = kernel_release.split(|c: char| !c.is_ascii_digit()).map(str::parse::<u32>);
    matches!((numbers.next(), numbers.next()), (Some(Ok(major)), Some(Ok(minor))) if (major, minor) >= (5, 8))
}

fn has_large_shm() -> bool {
    fs::metadata("/dev/shm").is_ok_and(|found| found.is_dir())
        && nix::sys::statvfs::statvfs("/dev/shm")
            .is_ok_and(|shm| shm.blocks().saturating_mul(shm.fragment_size()) > 64 * MIB)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn sizes_to_memory() {
        for (memory, buffers, cache) in [
            (64 * MIB, "16384kB", "65536kB"),
            (256 * MIB, "65536kB", "131072kB"),
            (GIB, "131072kB", "524288kB"),
            (2 * GIB, "524288kB", "1048576kB"),
            (64 * GIB, "1048576kB", "33554432kB"),
        ] {
            let settings = sized(Machine { memory, has_large_shm: false, has_honest_syncfs: false });
            assert_eq!(settings[0].1, buffers, "{memory}");
            assert_eq!(settings[1].1, cache, "{memory}");
            assert_eq!(settings[2].1, "fsync");
            assert_eq!(settings[3].1, "mmap");
        }
    }

    #[test]
    fn knows_which_kernels_report_errors_of_syncfs() {
        for (release, expected) in [
            ("5.8.0", true),
            ("5.10.0-30-amd64\n", true),
            ("6.1", true),
            ("5.7.19", false),
            ("4.19.0", false),
            ("", false),
        ] {
            assert_eq!(reports_errors(release), expected, "{release}");
        }
    }

    #[test]
    fn values_cannot_leave_their_quotes() {
        let mut text = String::new();
        push(&mut text, "a", "x'\nfsync = off\\");
        assert_eq!(text, "a = 'x''\\nfsync = off\\\\'\n");
    }

    #[test]
    fn refuses_names_that_are_none_or_ours() {
        for name in ["", "1a", "a b", "a=b", "a'", "a\n", "port", "Unix_Socket_Permissions", "hba_file"] {
            assert!(matches!(check(name), Err(StartError::BadSetting { .. })), "{name:?}");
        }
        for name in ["work_mem", "pg_stat_statements.max", "basalt.x"] {
            check(name).unwrap();
        }
    }
}
