//! How much memory this process may use: the smallest limit of its control groups, else the machine's.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Assumed where neither can be read.
const UNKNOWN: u64 = 1 << 30;

/// Bytes available to this process. `root` is `/`, or in tests a directory that looks like it.
pub(crate) fn limit(root: &Path) -> u64 {
    let machine = total(root).unwrap_or(UNKNOWN);
    // "No limit" is a huge number in version 1, and the word `max` in version 2.
    group_files(root)
        .iter()
        .filter_map(|path| fs::read_to_string(path).ok()?.trim().parse::<u64>().ok())
        .filter(|limit| *limit > 0)
        .fold(machine, u64::min)
}

fn total(root: &Path) -> Option<u64> {
    let text = fs::read_to_string(root.join("proc/meminfo")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// The limit files of our groups and of all groups above them. In a container the path in `/proc` may be the one seen
/// from outside and not exist; the mount's root is then our own group, and it is always among the answers.
fn group_files(root: &Path) -> Vec<PathBuf> {
    let text = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let mut files = Vec::new();
    for line in text.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(group)) = (fields.next(), fields.next()) else { continue };
        let (mount, file) = if controllers.is_empty() {
            ("sys/fs/cgroup", "memory.max")
        } else if controllers.split(',').any(|name| name == "memory") {
            ("sys/fs/cgroup/memory", "memory.limit_in_bytes")
        } else {
            continue;
        };
        let relative = Path::new(group.trim_start_matches('/'));
        files.extend(relative.ancestors().map(|group| root.join(mount).join(group).join(file)));
    }
    files
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn check(files: &[(&str, &str)], expected: u64) {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        assert_eq!(limit(root.path()), expected, "{files:?}");
    }

    #[test]
    fn takes_the_smallest_limit() {
        let machine = ("proc/meminfo", "MemTotal:        8388608 kB\nMemFree: 1 kB\n");
        let v2 = ("proc/self/cgroup", "0::/a/b\n");
        let v1 = ("proc/self/cgroup", "5:cpu:/x\n4:memory:/a\n0::/\n");
        check(&[], UNKNOWN);
        check(&[machine], 8 << 30);
        check(&[machine, v2, ("sys/fs/cgroup/a/b/memory.max", "max\n")], 8 << 30);
        check(&[machine, v2, ("sys/fs/cgroup/a/b/memory.max", "1073741824\n")], 1 << 30);
        check(&[machine, v2, ("sys/fs/cgroup/a/memory.max", "536870912\n")], 512 << 20);
        check(&[machine, v2, ("sys/fs/cgroup/memory.max", "268435456\n")], 256 << 20);
        check(&[machine, v1, ("sys/fs/cgroup/memory/a/memory.limit_in_bytes", "1048576\n")], 1 << 20);
        check(
            &[machine, v1, ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n")],
            8 << 30,
        );
    }
}
