//! Access control lists, as far as a bucket that is public or not can say them. Who may do what else is decided by
//! policies, of which S3 knows nothing: what lists cannot say is refused, as Amazon does where they are switched off.

use actix_web::HttpResponse;

use super::bucket::owner;
use super::{Asked, document};
use crate::error::Error as Cause;
use crate::s3::error::Error;
use crate::s3::xml::Writer;
use crate::store::buckets::{self, Changes};

/// `GetBucketAcl`, `GetObjectAcl`: to S3 all belongs to the installation, and what is public everybody reads.
pub(super) async fn get(asked: &Asked) -> Result<HttpResponse, Error> {
    let is_public = is_public(asked).await?;
    let config = asked.service().config();
    let tenant = &config.tenant;
    Ok(document(Writer::document("AccessControlPolicy", |w| {
        owner(w, asked);
        w.group("AccessControlList", |w| {
            w.group("Grant", |w| {
                grantee(w, "CanonicalUser", |w| {
                    w.text("ID", tenant);
                    w.text("DisplayName", tenant);
                });
                w.text("Permission", "FULL_CONTROL");
            });
            if is_public {
                w.group("Grant", |w| {
                    let everybody = "http://acs.amazonaws.com/groups/global/AllUsers";
                    grantee(w, "Group", |w| w.text("URI", everybody));
                    w.text("Permission", "READ");
                });
            }
        });
    })))
}

fn grantee(w: &mut Writer, kind: &str, content: impl FnOnce(&mut Writer)) {
    w.raw("<Grantee xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"");
    w.raw(kind);
    w.raw("\">");
    content(w);
    w.raw("</Grantee>");
}

/// Whether all may read the object, or the objects of the bucket. The caller must see what is asked about.
async fn is_public(asked: &Asked) -> Result<bool, Error> {
    let acting = match asked.key.as_str() {
        "" => asked.call.as_caller(),
        _ => {
            super::get::find(asked).await?;
            asked.call.as_service()
        }
    };
    let row = buckets::find(&acting, &asked.bucket).await.map_err(Error::database)?;
    Ok(row.ok_or(Cause::NoSuchBucket)?.public)
}

/// `PutBucketAcl`, by the names of lists alone: makes the bucket public, or not. `PutObjectAcl`: what is so already.
pub(super) async fn put(asked: &Asked) -> Result<HttpResponse, Error> {
    let was_public = is_public(asked).await?;
    let wanted = match asked.header("x-amz-acl").unwrap_or_default() {
        "private" => false,
        "public-read" => true,
        "bucket-owner-read" | "bucket-owner-full-control" if !asked.key.is_empty() => was_public,
        _ => return Err(Error::NoAccessControlLists),
    };
    let changes = Changes { public: Some(wanted), ..Changes::default() };
    match (asked.key.as_str(), wanted == was_public) {
        (_, true) => {}
        ("", false) => {
            let changed = buckets::update(&asked.call.as_caller(), &asked.bucket, &changes).await;
            if !changed.map_err(Error::database)? {
                return Err(Error::AccessDenied("Access Denied".into()));
            }
        }
        (_, false) => return Err(Error::NoAccessControlLists),
    }
    Ok(HttpResponse::Ok().finish())
}
