//! A call of a function.

use std::sync::Arc;

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};

use super::admission;
use crate::error::Error;
use crate::proxy::{self, Target};
use crate::{Backend, Service};

const PREFIX: &str = "/functions/v1";

pub(crate) async fn any(
    request: HttpRequest,
    payload: Payload,
    service: Data<Service>,
) -> Result<HttpResponse, Error> {
    let path = request.uri().path();
    let path = path.strip_prefix(PREFIX).unwrap_or(path).to_owned();
    let name = path.split('/').nth(1).unwrap_or_default().to_owned();
    match &service.backend {
        Backend::Nobody => Err(Error::NotEnabled),
        Backend::Upstream(base) => {
            if name.is_empty() {
                return Err(Error::NoName);
            }
            let set = service.config.each.get(&name).and_then(|function| function.verify_jwt);
            if set.unwrap_or(service.config.verify_jwt) {
                admission::check(&request)?;
            }
            let target = Target { base: base.clone(), token: None };
            proxy::forward(&service, &target, &request, payload, &path).await
        }
        Backend::Deno(processes, folder) => {
            if name.is_empty() {
                return Err(Error::NoName);
            }
            let found = folder.find(&name).await.ok_or(Error::NotFound)?;
            if found.verify_jwt {
                admission::check(&request)?;
            }
            let process = processes.get(folder.path(), &found).await?;
            let target = Target { base: process.base(), token: Some(process.token().clone()) };
            let answer = proxy::forward(&service, &target, &request, payload, &path).await;
            match answer {
                Err(Error::Unreachable(_)) if process.is_over_limit() => Err(Error::OverLimit),
                Err(Error::Unreachable(reason)) => {
                    tracing::warn!(function = name, reason, "a function does not answer any more");
                    process.stop();
                    Err(Error::Crashed)
                }
                Err(error) => Err(error),
                // It lives for as long as its answer is under way.
                Ok(answer) => {
                    process.answered();
                    Ok(proxy::held(answer, Arc::clone(&process)))
                }
            }
        }
    }
}
