//! What is true of files wherever they are kept.

use std::time::SystemTime;

use bytes::Bytes;
use futures_util::TryStreamExt;
use object::{Blob, Error, Extent, Key, Labels, Store, Stored};
use uuid::Uuid;

use crate::harness::Api;

pub fn key(name: &str) -> Key {
    Key::new("bucket", name, Some(&Uuid::new_v4().to_string())).unwrap()
}

pub async fn put(store: &Store, key: &Key, content: &[u8]) -> Result<Stored, Error> {
    let labels = Labels { content_type: "text/csv".to_owned(), cache_control: "max-age=60".to_owned() };
    let mut incoming = store.create(key.clone(), labels.clone());
    for piece in content.chunks(300_000) {
        incoming = incoming.write(&Bytes::copy_from_slice(piece)).await?;
    }
    let stored = incoming.finish(labels).await?;
    store.keep(key.clone());
    Ok(stored)
}

pub async fn bytes(blob: &Blob, start: u64, end: u64) -> Vec<u8> {
    let pieces: Vec<Bytes> = blob.stream(start, end).try_collect().await.unwrap();
    pieces.concat()
}

pub async fn get(store: &Store, key: &Key) -> Vec<u8> {
    let blob = store.read(key).await.unwrap();
    bytes(&blob, 0, blob.size()).await
}

/// Content that no part of is like another.
pub fn content(length: u32) -> Vec<u8> {
    (0..length).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).take(length as usize).collect()
}

#[actix_web::test]
async fn what_is_put_is_what_is_got() {
    let api = Api::start().await;
    let store = api.store();
    let part = 5 * 1024 * 1024;
    for (name, length) in [
        ("a b/c+d&(e).txt", 5),
        ("dir//odd", 5),
        ("/'!*@$=;:,?%2F#ü", 100_000),
        ("x/y", 300_000),
        ("one part", part),
        ("one part and a bit", part + 1),
        ("parts", 3 * part + 17),
    ] {
        let (key, content) = (key(name), content(length));
        let stored = put(&store, &key, &content).await.unwrap();
        assert_eq!(stored.size, u64::from(length), "{name}");
        assert!(get(&store, &key).await == content, "{name}");
        let blob = store.read(&key).await.unwrap();
        let age = stored.modified.duration_since(blob.modified()).unwrap_or_default();
        assert!(blob.size() == u64::from(length) && age.as_secs() <= 2, "{name}: {age:?}");
    }
    let empty = key("empty");
    assert_eq!(put(&store, &empty, b"").await.unwrap().md5, "d41d8cd98f00b204e9800998ecf8427e");
    let blob = store.read(&empty).await.unwrap();
    assert_eq!((blob.size(), blob.small(0, 0)), (0, Some(Bytes::new())));
    assert!(matches!(store.read(&key("none")).await, Err(Error::NotFound)));
    assert_eq!(api.local_files().into_iter().filter(|file| file.starts_with('.')).count(), 0);
}

#[actix_web::test]
async fn any_part_of_a_file_can_be_read() {
    let api = Api::start().await;
    let store = api.store();
    let (key, all) = (key("a"), content(3_000_000));
    put(&store, &key, &all).await.unwrap();
    for extent in [
        Extent::Whole,
        Extent::Nothing,
        Extent::Part(1_000_000, 1_000_009),
        Extent::Part(1_000_000, 2_499_999),
        Extent::Part(4_000_000, 4_000_001),
        Extent::From(2_999_000),
        Extent::From(10),
        Extent::Last(100),
        Extent::Last(4_000_000),
    ] {
        let blob = store.read_part(&key, extent).await.unwrap();
        assert_eq!(blob.size(), 3_000_000, "{extent:?}");
        for (start, end) in [(1_000_000, 1_000_010), (1_000_000, 2_500_000), (2_999_900, 3_000_000), (7, 7)] {
            let expected = &all[usize::try_from(start).unwrap()..usize::try_from(end).unwrap()];
            assert!(bytes(&blob, start, end).await == expected, "{extent:?} {start} {end}");
        }
        assert!(bytes(&blob, 0, blob.size()).await == all, "{extent:?}");
    }
}

#[actix_web::test]
async fn copies_live_on_their_own() {
    let api = Api::start().await;
    let store = api.store();
    let [one, two, three, none] = ["one", "two", "three", "none"].map(key);
    put(&store, &one, b"hello").await.unwrap();
    store.copy(&one, two.clone(), Labels::default()).await.unwrap();
    store.link(&one, three.clone(), Labels::default()).await.unwrap();
    store.remove(&one).await.unwrap();
    store.remove(&one).await.unwrap();
    assert!(matches!(store.read(&one).await, Err(Error::NotFound)));
    assert!(matches!(store.copy(&one, none, Labels::default()).await, Err(Error::NotFound)));
    assert_eq!((get(&store, &two).await, get(&store, &three).await), (b"hello".to_vec(), b"hello".to_vec()));
}

#[actix_web::test]
async fn pieces_become_a_file() {
    let api = Api::start().await;
    let (store, parts) = (api.store(), api.store().parts());
    let all = content(12_000_000);
    for (name, lengths) in
        [("small", vec![3, 0, 4]), ("large", vec![6_000_000, 100, 5_000_000]), ("none", vec![])]
    {
        let (mut at, mut names) = (0, Vec::new());
        for (n, length) in lengths.iter().enumerate() {
            let incoming = parts.create(name, &format!("part-{n}")).unwrap();
            let incoming = incoming.write(&Bytes::copy_from_slice(&all[at..at + length])).await.unwrap();
            incoming.finish(Labels::default()).await.unwrap();
            names.push(format!("part-{n}"));
            at += length;
        }
        let key = key(name);
        let (size, _) = parts.join(name, &names, key.clone(), Labels::default()).await.unwrap();
        parts.remove_all(name).await.unwrap();
        assert!(size == at as u64 && get(&store, &key).await == all[..at], "{name}");
    }
    let missing = parts.join("small", &["part-9".to_owned()], key("x"), Labels::default()).await;
    assert!(matches!(missing, Err(Error::NotFound)));
}

#[actix_web::test]
async fn a_file_of_several_requests_gets_its_key_even_twice() {
    let api = Api::start().await;
    let store = api.store();
    let (now, all) = (SystemTime::now(), content(6_000_000));
    for name in ["cold", "warm"] {
        let (id, key) = (Uuid::new_v4(), key(name));
        let partial = store.partial(id);
        partial.create("note".to_owned(), now).await.unwrap();
        let mut progress = None;
        for piece in all.chunks(1_500_000) {
            let tail = partial.append(progress.take()).await.unwrap();
            let tail = tail.write(&Bytes::copy_from_slice(piece)).await.unwrap();
            progress = Some(tail.close(now).await.unwrap().1).filter(|_| name == "warm");
        }
        let stored = partial.finish(key.clone(), Labels::default(), progress).await.unwrap();
        assert_eq!(partial.finish(key.clone(), Labels::default(), None).await.unwrap(), stored);
        assert_eq!(partial.look().await.unwrap().size, None);
        assert!(stored.size == 6_000_000 && get(&store, &key).await == all);
        partial.forget().await.unwrap();
        assert_eq!(store.partials().await.unwrap(), []);
    }
}

#[actix_web::test]
async fn what_nobody_kept_is_known() {
    let api = Api::start().await;
    let store = api.store();
    let announced = async || store.announced(std::time::Duration::ZERO).await.unwrap();
    let [kept, lost, copied] = ["kept", "dir/lost", "copied"].map(key);
    put(&store, &kept, b"x").await.unwrap();
    assert_eq!(announced().await, []);
    let incoming = store.create(lost.clone(), Labels::default());
    incoming.write(&Bytes::from_static(b"x")).await.unwrap().finish(Labels::default()).await.unwrap();
    assert_eq!(announced().await, std::slice::from_ref(&lost));
    store.remove(&lost).await.unwrap();
    store.copy(&kept, copied.clone(), Labels::default()).await.unwrap();
    assert_eq!(announced().await, [copied]);
}
