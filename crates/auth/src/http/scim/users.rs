//! `/scim/v2/Users`: the people of an identity provider.

use actix_web::http::StatusCode;
use actix_web::web::Path;
use actix_web::{HttpRequest, HttpResponse};
use chrono::SecondsFormat;
use serde_json::{Value, json};
use uuid::Uuid;

use super::super::call::{Body, Call};
use super::{Good, answer, base, enabled, listed, provider};
use crate::error::{Error, OrInternal};
use crate::scim::Refusal;
use crate::scim::account::{self, Change};
use crate::scim::filter::Filter;
use crate::scim::person::{Person, SCHEMA};
use crate::service::Context;
use crate::store::scim_users::{self, ScimUserRow};
use crate::user::Object;

/// People of one answer at most.
pub(super) const MOST: i64 = 200;

const LISTING: &str = "Database error finding users";

type Answer = Result<HttpResponse, Error>;

pub(crate) async fn list(call: Call, request: HttpRequest) -> Answer {
    let ctx = enabled(&call)?;
    let found = async {
        let provider_id = provider(ctx, &request).await?;
        let filter = Filter::parse(call.param("filter"))?;
        let number = |name: &str, otherwise: i64| match call.param(name) {
            "" => Ok(otherwise),
            text => text.parse::<i64>().map_err(|_| Refusal::value(format!("{name} must be a number"))),
        };
        // Less than the first is the first; the standard says so.
        let start = number("startIndex", 1)?.max(1);
        let limit = number("count", MOST)?.clamp(0, MOST);
        let mut session = ctx.service.pool.session().await.or_internal(LISTING)?;
        let total = scim_users::count(&mut session, provider_id, &filter).await.or_internal(LISTING)?;
        let rows = scim_users::list(&mut session, provider_id, &filter, (limit, start - 1)).await;
        let people = rows.or_internal(LISTING)?.iter().map(|row| view(ctx, row)).collect();
        Ok(Good::of(listed(people, total, start)))
    };
    Ok(answer(found.await))
}

pub(crate) async fn post(call: Call, request: HttpRequest, body: Body) -> Answer {
    let ctx = enabled(&call)?;
    let made = async {
        let provider_id = provider(ctx, &request).await?;
        let row = account::create(ctx, provider_id, &Person::read(&read(&body)?, true)?).await?;
        let good = Good::of(view(ctx, &row));
        Ok(Good { status: StatusCode::CREATED, location: Some(location(ctx, row.id)), ..good })
    };
    Ok(answer(made.await))
}

pub(crate) async fn get(call: Call, request: HttpRequest, id: Path<String>) -> Answer {
    let ctx = enabled(&call)?;
    let found = async {
        let provider_id = provider(ctx, &request).await?;
        let filter = Filter::Id(read_id(&id)?);
        let mut session = ctx.service.pool.session().await.or_internal(LISTING)?;
        let rows = scim_users::list(&mut session, provider_id, &filter, (1, 0)).await.or_internal(LISTING)?;
        Ok(Good::of(view(ctx, rows.first().ok_or(Refusal::NotFound)?)))
    };
    Ok(answer(found.await))
}

pub(crate) async fn put(call: Call, request: HttpRequest, id: Path<String>, body: Body) -> Answer {
    change(&call, &request, &id, &body, Change::Whole).await
}

pub(crate) async fn patch(call: Call, request: HttpRequest, id: Path<String>, body: Body) -> Answer {
    change(&call, &request, &id, &body, Change::Parts).await
}

async fn change(call: &Call, request: &HttpRequest, id: &str, body: &Body, kind: Change) -> Answer {
    let ctx = enabled(call)?;
    let changed = async {
        let provider_id = provider(ctx, request).await?;
        let row = account::change(ctx, provider_id, read_id(id)?, kind, &read(body)?).await?;
        Ok(Good::of(view(ctx, &row)))
    };
    Ok(answer(changed.await))
}

pub(crate) async fn delete(call: Call, request: HttpRequest, id: Path<String>) -> Answer {
    let ctx = enabled(&call)?;
    let deleted = async {
        let provider_id = provider(ctx, &request).await?;
        account::delete(ctx, provider_id, read_id(&id)?).await?;
        Ok(Good { status: StatusCode::NO_CONTENT, location: None, body: None })
    };
    Ok(answer(deleted.await))
}

fn read(body: &Body) -> Result<Object, Refusal> {
    body.json().map_err(|_| Refusal::syntax("the body must be a JSON object"))
}

fn read_id(id: &str) -> Result<Uuid, Refusal> {
    Uuid::try_parse(id).map_err(|_| Refusal::NotFound)
}

fn location(ctx: &Context, id: Uuid) -> String {
    format!("{}/Users/{id}", base(ctx))
}

fn view(ctx: &Context, row: &ScimUserRow) -> Value {
    let mut view = row.person(ctx.now).write();
    let moment = |at: chrono::DateTime<chrono::Utc>| at.to_rfc3339_opts(SecondsFormat::Millis, true);
    view.insert("schemas".to_owned(), json!([SCHEMA]));
    view.insert("id".to_owned(), json!(row.id));
    view.insert(
        "meta".to_owned(),
        json!({
            "resourceType": "User",
            "created": moment(row.created_at),
            "lastModified": moment(row.updated_at),
            "location": location(ctx, row.id),
        }),
    );
    Value::Object(view)
}
