//! A disk with no room left.
//!
//! The disk is a small one in memory, which root alone may mount; whoever runs the tests as somebody else
//! does not see these.

use std::path::{Path, PathBuf};
use std::process::Command;

use actix_web::http::Method;
use serde_json::json;

use crate::harness::{Answer, Api, upload};

const MEBIBYTE: usize = 1024 * 1024;

/// A disk of four MiB at a directory, as long as it lives.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn at(directory: &Path) -> Option<Self> {
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=4m,mode=0700", "basalt-test"])
            .arg(directory)
            .output();
        mount.is_ok_and(|mount| mount.status.success()).then(|| Self(directory.to_owned()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).output();
    }
}

#[track_caller]
fn is_full(answer: &Answer) {
    assert_eq!(answer.error(), (507, "507", "InternalError"), "{answer:?}");
    assert_eq!(answer.body["message"], "There is no space left to store the object");
}

#[actix_web::test]
async fn nothing_is_lost_when_the_disk_is_full() {
    let mut api = Api::start().await;
    let Some(_disk) = SmallDisk::at(api.directory.path()) else { return };
    api.restart().await;
    api.bucket("b", json!({})).await;
    let service = api.service();
    let (small, large) = ("s".repeat(MEBIBYTE), "l".repeat(5 * MEBIBYTE));
    api.upload("b/kept", &service, &small).await.ok();
    for _ in 0..2 {
        is_full(&api.upload("b/new", &service, &large).await);
        is_full(&api.send(upload("b/kept", &service, &large).method(Method::PUT)).await);
    }
    let copies: Vec<Answer> = vec![
        api.post("/object/copy", &service, copy("kept", "one")).await,
        api.post("/object/copy", &service, copy("kept", "two")).await,
        api.post("/object/copy", &service, copy("kept", "three")).await,
    ];
    let made = copies.iter().filter(|answer| answer.status == 200).count();
    copies.iter().filter(|answer| answer.status != 200).for_each(is_full);
    assert!(made < 3, "{copies:?}");
    assert_eq!(api.get("/object/b/kept", &service).await.bytes, small.as_bytes());
    api.is_consistent().await;
    assert_eq!(api.files().await.len(), 1 + made);

    // With room again all goes on.
    api.delete("/object/b/one", &service).await;
    api.sql("update storage.basalt_removals set due_at = now()").await;
    api.storage.remove_due().await.unwrap();
    api.upload("b/new", &service, &small).await.ok();
    api.is_consistent().await;
}

fn copy(from: &str, to: &str) -> serde_json::Value {
    json!({ "bucketId": "b", "sourceKey": from, "destinationKey": to })
}

#[actix_web::test]
async fn what_came_of_a_resumable_upload_stays_when_the_disk_is_full() {
    let mut api = Api::start().await;
    let Some(_disk) = SmallDisk::at(api.directory.path()) else { return };
    api.restart().await;
    api.bucket("b", json!({})).await;
    let service = api.service();
    api.upload("b/other", &service, &"o".repeat(MEBIBYTE)).await.ok();
    let content: String =
        (0..3 * MEBIBYTE + MEBIBYTE / 2).map(|n| char::from(b'a' + (n % 23) as u8)).collect();
    let path = api.begin("large", content.len(), &service).await;
    let answer = api.piece(&path, 0, &content, &service).await;
    assert_eq!(answer.status, 507, "{}", String::from_utf8_lossy(&answer.bytes));
    let state = api.look(&path, &service).await;
    let offset: usize = state.header("upload-offset").parse().unwrap();
    assert!(state.status == 200 && offset < content.len(), "{offset}");

    // With room again it goes on where it stopped.
    api.delete("/object/b/other", &service).await.ok();
    api.sql("update storage.basalt_removals set due_at = now()").await;
    api.storage.remove_due().await.unwrap();
    let answer = api.piece(&path, offset, &content[offset..], &service).await;
    assert_eq!((answer.status, answer.header("tus-complete")), (204, "1"));
    assert_eq!(api.get("/object/b/large", &service).await.bytes, content.as_bytes());
    api.is_consistent().await;
}
