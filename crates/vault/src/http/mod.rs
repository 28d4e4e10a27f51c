//! The URL → file map. The gateway lets nobody here but the service role, and each endpoint asks again.
//!
//! | | |
//! |---|---|
//! | `GET /secrets?limit=&offset=` | names, without contents |
//! | `POST /secrets` | makes one: `{"secret", "name"?, "description"?}` |
//! | `GET /secrets/{name or id}` | with its content, `decrypted_secret` |
//! | `PUT /secrets/{name}` | makes it or writes into it: `{"secret"?, "description"?}` |
//! | `PATCH /secrets/{name or id}` | writes what is given: `{"secret"?, "name"?, "description"?}` |
//! | `DELETE /secrets/{name or id}` | |
//! | `GET /key` | whether secrets can be opened; never the key |

mod key;
mod secret;
mod secrets;

use std::sync::Arc;

use actix_web::http::header::{CACHE_CONTROL, HeaderValue};
use actix_web::web::{Data, JsonConfig, ServiceConfig, delete, get, patch, post, put, resource};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, web};
use kernel::http::caller;

use crate::Service;
use crate::admin::MAX_CONTENT;
use crate::error::Error;

/// A content in JSON, every byte of it escaped, is six times as long.
pub(crate) const MAX_BODY: usize = 6 * MAX_CONTENT + 64 * 1024;

pub(crate) fn routes(service: &Arc<Service>, cfg: &mut ServiceConfig) {
    let wording = |error, _: &HttpRequest| Error::Request(format!("the body: {error}")).into();
    cfg.app_data(Data::from(Arc::clone(service)))
        .app_data(JsonConfig::default().limit(MAX_BODY).content_type_required(false).error_handler(wording))
        .service(resource("/secrets").route(get().to(secrets::get)).route(post().to(secrets::post)))
        .service(
            resource("/secrets/{which:.*}")
                .route(get().to(secret::get))
                .route(put().to(secret::put))
                .route(patch().to(secret::patch))
                .route(delete().to(secret::delete)),
        )
        .service(resource("/key").route(get().to(key::get)))
        .default_service(web::to(|| async { Err::<HttpResponse, _>(Error::NoRoute) }));
}

/// What handlers need of the service.
type Shared = Data<Service>;

/// Lets the service role in and nobody else.
fn admit(request: &HttpRequest) -> Result<(), Error> {
    if caller(request)?.role.as_str() == "service_role" { Ok(()) } else { Err(Error::Forbidden) }
}

/// An answer that nobody keeps.
fn fleeting(mut answer: HttpResponseBuilder) -> HttpResponseBuilder {
    answer.insert_header((CACHE_CONTROL, HeaderValue::from_static("no-store")));
    answer
}
