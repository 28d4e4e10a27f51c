//! `GET /admin/audit?query=author|action|type:…`.

use actix_web::{HttpRequest, HttpResponse};

use super::super::call::Call;
use super::page::Page;
use crate::error::{Error, OrInternal};
use crate::store::audit_log_entries;

pub(crate) async fn get(call: Call, request: HttpRequest) -> Result<HttpResponse, Error> {
    const FAILED: &str = "Error searching for audit logs";
    call.admin().await?;
    let page = Page::of(&call)?;
    let query = call.param("query");
    let (keys, value): (&[&str], _) = match query.split_once(':') {
        None if query.is_empty() => (&[], None),
        Some(("author", value)) => (&["actor_username", "actor_name"], Some(value)),
        Some(("action", value)) => (&["action"], Some(value)),
        Some(("type", value)) => (&["log_type"], Some(value)),
        _ => return Err(Error::invalid(format!("Invalid query scope: {query}"))),
    };
    if value.is_some_and(|value| value.contains('\0')) {
        return Err(Error::invalid("Invalid query"));
    }
    let mut connection = call.ctx.service.pool.session().await.or_internal(FAILED)?;
    let total = audit_log_entries::count(&mut connection, keys, value).await.or_internal(FAILED)?;
    let list = audit_log_entries::list(&mut connection, keys, value, page.limit(), page.offset()).await;
    let list = list.or_internal(FAILED)?;
    let mut response = HttpResponse::Ok();
    page.announce(&request, total, &mut response);
    Ok(response.json(list))
}
