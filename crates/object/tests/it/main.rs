//! Files on a real disk.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt;
use object::{Error, Key, Labels, PIECE, Store};

struct Tree {
    directory: tempfile::TempDir,
    disk: Store,
}

impl Tree {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let disk = Store::on_disk(directory.path(), Path::new("stub/stub")).unwrap();
        Self { directory, disk }
    }

    /// All files, relative to the top.
    fn files(&self) -> Vec<String> {
        fn walk(path: &Path, found: &mut Vec<std::path::PathBuf>) {
            for entry in fs::read_dir(path).unwrap().flatten() {
                match entry.file_type().unwrap().is_dir() {
                    true => walk(&entry.path(), found),
                    false => found.push(entry.path()),
                }
            }
        }
        let mut found = Vec::new();
        walk(self.directory.path(), &mut found);
        let relative = |path: std::path::PathBuf| {
            path.strip_prefix(self.directory.path()).unwrap().display().to_string()
        };
        found.into_iter().map(relative).collect()
    }
}

fn key(name: &str) -> Key {
    Key::new("bucket", name, Some("v1")).unwrap()
}

async fn put(disk: &Store, key: Key, content: &[u8]) -> object::Stored {
    let mut incoming = disk.create(key, Labels::default());
    for chunk in content.chunks(100_000) {
        incoming = incoming.write(&Bytes::copy_from_slice(chunk)).await.unwrap();
    }
    incoming.finish(Labels::default()).await.unwrap()
}

async fn get(disk: &Store, key: &Key) -> Vec<u8> {
    let blob = disk.read(key).await.unwrap();
    let pieces: Vec<Bytes> = blob.stream(0, blob.size()).try_collect().await.unwrap();
    pieces.concat()
}

#[tokio::test]
async fn what_is_written_is_read_again() {
    let tree = Tree::new();
    for size in [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE + 7] {
        let content: Vec<u8> = (0..size).map(|n| (n % 251) as u8).collect();
        let name = format!("dir/{size}");
        let stored = put(&tree.disk, key(&name), &content).await;
        assert_eq!(stored.size, size as u64);
        assert_eq!(get(&tree.disk, &key(&name)).await, content);
        let blob = tree.disk.read(&key(&name)).await.unwrap();
        assert_eq!(blob.small(0, size as u64).is_some(), size <= PIECE);
        assert_eq!(blob.modified(), stored.modified);
        if size > 2 * PIECE {
            let part: Vec<Bytes> = blob.stream(5, PIECE as u64 + 9).try_collect().await.unwrap();
            assert_eq!(part.concat(), content[5..PIECE + 9]);
        }
    }
    let stored = put(&tree.disk, key("abc"), b"abc").await;
    assert_eq!(stored.md5, "900150983cd24fb0d6963f7d28e17f72");
    assert!(tree.files().contains(&"stub/stub/bucket/abc/v1".to_owned()), "{:?}", tree.files());
}

#[tokio::test]
async fn what_is_given_up_leaves_nothing() {
    let tree = Tree::new();
    let piece = Bytes::from(vec![7; PIECE]);
    // The second piece waits for the first.
    let incoming = tree
        .disk
        .create(key("a"), Labels::default())
        .write(&piece)
        .await
        .unwrap()
        .write(&piece)
        .await
        .unwrap();
    assert_eq!(tree.files().len(), 1);
    assert!(matches!(tree.disk.read(&key("a")).await, Err(Error::NotFound)));
    drop(incoming);
    // What is being written ends first.
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    while !tree.files().is_empty() {
        assert!(std::time::Instant::now() < deadline, "{:?}", tree.files());
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn removing_tidies_up_and_is_no_error_twice() {
    let tree = Tree::new();
    put(&tree.disk, key("a/b/c"), b"1").await;
    put(&tree.disk, key("a/d"), b"2").await;
    tree.disk.remove(&key("a/b/c")).await.unwrap();
    tree.disk.remove(&key("a/b/c")).await.unwrap();
    let bucket = tree.directory.path().join("stub/stub/bucket");
    assert!(!bucket.join("a/b").exists() && bucket.join("a/d/v1").exists());
    tree.disk.remove(&key("a/d")).await.unwrap();
    assert!(!bucket.exists() && tree.directory.path().join("stub/stub").exists());
}

#[tokio::test]
async fn an_open_file_can_be_read_while_it_is_removed() {
    let tree = Tree::new();
    let content = vec![3; 2 * PIECE];
    put(&tree.disk, key("a"), &content).await;
    let blob = tree.disk.read(&key("a")).await.unwrap();
    tree.disk.remove(&key("a")).await.unwrap();
    let pieces: Vec<Bytes> = blob.stream(0, blob.size()).try_collect().await.unwrap();
    assert_eq!(pieces.concat(), content);
}

#[tokio::test]
async fn a_copy_lives_on_its_own() {
    let tree = Tree::new();
    put(&tree.disk, key("a"), b"content").await;
    tree.disk.copy(&key("a"), key("b"), Labels::default()).await.unwrap();
    tree.disk.remove(&key("a")).await.unwrap();
    assert_eq!(get(&tree.disk, &key("b")).await, b"content");
    let missing = tree.disk.copy(&key("a"), key("c"), Labels::default()).await;
    assert!(matches!(missing, Err(Error::NotFound)));
    assert_eq!(tree.files(), ["stub/stub/bucket/b/v1"]);
}

#[tokio::test]
async fn a_name_below_the_file_of_a_version_is_told() {
    let tree = Tree::new();
    put(&tree.disk, key("a"), b"1").await;
    let incoming = tree.disk.create(key("a/v1/x"), Labels::default());
    assert!(matches!(incoming.finish(Labels::default()).await, Err(Error::Name)));
    assert_eq!(tree.files(), ["stub/stub/bucket/a/v1"]);
}

#[tokio::test]
async fn names_that_the_file_system_cannot_hold_have_a_place() {
    let tree = Tree::new();
    let (one, two) = (key(&"x".repeat(300)), key(&"x".repeat(301)));
    put(&tree.disk, one.clone(), b"1").await;
    put(&tree.disk, two.clone(), b"2").await;
    assert_eq!((get(&tree.disk, &one).await, get(&tree.disk, &two).await), (b"1".to_vec(), b"2".to_vec()));
    tree.disk.remove(&one).await.unwrap();
    tree.disk.remove(&two).await.unwrap();
    assert_eq!(tree.files(), Vec::<String>::new());
}

#[tokio::test]
async fn what_nobody_kept_is_found_again() {
    let tree = Tree::new();
    let key = |name: &str| Key::new("bucket", name, Some(&uuid::Uuid::new_v4().to_string())).unwrap();
    let [kept, lost, linked] = ["kept", "dir/lost", "linked"].map(key);
    let place = async |key: &Key| {
        let incoming =
            tree.disk.create(key.clone(), Labels::default()).write(&Bytes::from_static(b"x")).await.unwrap();
        incoming.finish(Labels::default()).await.unwrap();
    };
    let announced = async || tree.disk.announced(Duration::ZERO).await.unwrap();
    place(&kept).await;
    tree.disk.keep(kept.clone());
    assert_eq!(announced().await, []);
    place(&lost).await;
    assert_eq!(tree.disk.announced(Duration::from_secs(60)).await.unwrap(), []);
    assert_eq!(announced().await, std::slice::from_ref(&lost));
    tree.disk.remove(&lost).await.unwrap();
    assert_eq!(announced().await, []);
    tree.disk.link(&kept, linked.clone(), Labels::default()).await.unwrap();
    assert_eq!(announced().await, std::slice::from_ref(&linked));
    // One that was not written to its end.
    let cut = tree.directory.path().join(".incoming").join(format!("{}.placed", uuid::Uuid::new_v4()));
    fs::write(&cut, "buck").unwrap();
    assert_eq!(announced().await, [linked]);
    assert!(!cut.exists());
}

#[tokio::test]
async fn writers_and_removers_of_one_name_do_not_hurt_each_other() {
    let tree = Tree::new();
    let mut work = tokio::task::JoinSet::new();
    for n in 0..40 {
        let disk = tree.disk.clone();
        work.spawn(async move {
            let key = Key::new("bucket", "deep/er/name", Some(&format!("v{n}"))).unwrap();
            put(&disk, key.clone(), b"x").await;
            assert_eq!(get(&disk, &key).await, b"x");
            disk.remove(&key).await.unwrap();
        });
    }
    while let Some(done) = work.join_next().await {
        done.unwrap();
    }
    assert_eq!(tree.files(), Vec::<String>::new());
}

#[tokio::test]
async fn young_drafts_are_left_alone() {
    let tree = Tree::new();
    let piece = Bytes::from(vec![7; PIECE]);
    let incoming = tree.disk.create(key("a"), Labels::default()).write(&piece).await.unwrap();
    assert_eq!(tree.disk.sweep().await.unwrap(), 0);
    incoming.finish(Labels::default()).await.unwrap();
    let old = tree.directory.path().join(".incoming/old");
    fs::write(&old, "x").unwrap();
    let file = fs::File::options().write(true).open(&old).unwrap();
    file.set_modified(std::time::SystemTime::now() - Duration::from_secs(90_000)).unwrap();
    assert_eq!(tree.disk.sweep().await.unwrap(), 1);
    assert_eq!(tree.files(), ["stub/stub/bucket/a/v1"]);
}

#[tokio::test]
async fn a_file_may_come_in_parts() {
    let tree = Tree::new();
    let now = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(2_000_000_000);
    let content: Vec<u8> = (0..3 * PIECE + 100).map(|n| (n % 253) as u8).collect();
    let whole = put(&tree.disk, key("whole"), &content).await;
    for (name, remembers) in [("warm", true), ("cold", false)] {
        let id = uuid::Uuid::new_v4();
        let partial = tree.disk.partial(id);
        assert!(matches!(partial.look().await, Err(Error::NotFound)));
        partial.create("note".to_owned(), now).await.unwrap();
        let mut progress = None;
        let mut size = 0;
        for part in content.chunks(PIECE + 50) {
            let tail = partial.append(progress.take()).await.unwrap();
            let tail = tail.write(&Bytes::copy_from_slice(part)).await.unwrap();
            let (length, read) = tail.close(now).await.unwrap();
            progress = remembers.then_some(read);
            size += part.len() as u64;
            let found = partial.look().await.unwrap();
            assert_eq!((length, found.size, found.note.as_str()), (size, Some(size), "note"));
            assert_eq!(found.modified, now);
        }
        assert_eq!(tree.disk.partials().await.unwrap(), [(id, now)]);
        let stored = partial.finish(key(name), Labels::default(), progress).await.unwrap();
        assert_eq!((stored.size, &stored.md5, stored.modified), (whole.size, &whole.md5, now));
        // Once more, as after an end of the process.
        assert_eq!(partial.finish(key(name), Labels::default(), None).await.unwrap(), stored);
        assert_eq!(partial.look().await.unwrap().size, None);
        assert_eq!(get(&tree.disk, &key(name)).await, content);
        partial.forget().await.unwrap();
        partial.forget().await.unwrap();
        assert_eq!(tree.disk.partials().await.unwrap(), []);
    }
}

#[tokio::test]
async fn what_was_not_closed_has_not_come() {
    let tree = Tree::new();
    let now = std::time::SystemTime::now();
    let partial = tree.disk.partial(uuid::Uuid::new_v4());
    partial.create(String::new(), now).await.unwrap();
    let tail = partial.append(None).await.unwrap().write(&Bytes::from_static(b"lost")).await.unwrap();
    assert_eq!(tail.size(), 4);
    drop(tail);
    assert_eq!(partial.look().await.unwrap().size, Some(0));
    // What another process wrote is part of the digest all the same.
    let tail = partial.append(None).await.unwrap().write(&Bytes::from_static(b"ab")).await.unwrap();
    let (_, stale) = tail.close(now).await.unwrap();
    let tail = partial.append(None).await.unwrap().write(&Bytes::from_static(b"c")).await.unwrap();
    tail.close(now).await.unwrap();
    let stored = partial.finish(key("abc"), Labels::default(), Some(stale)).await.unwrap();
    assert_eq!(stored.md5, "900150983cd24fb0d6963f7d28e17f72");
}
