//! `/scim/v2/ServiceProviderConfig`, `/ResourceTypes` and `/Schemas`: what there is. Nothing of it is secret.

use actix_web::HttpResponse;
use actix_web::web::Path;
use serde_json::{Value, json};

use super::super::call::Call;
use super::users::MOST;
use super::{Good, answer, base, enabled, listed};
use crate::error::Error;
use crate::scim::Refusal;
use crate::scim::person::SCHEMA;
use crate::service::Context;

type Answer = Result<HttpResponse, Error>;

pub(crate) async fn config(call: Call) -> Answer {
    let ctx = enabled(&call)?;
    let supported = |is: bool| json!({ "supported": is });
    Ok(answer(Ok(Good::of(json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
        "patch": supported(true),
        "bulk": { "supported": false, "maxOperations": 0, "maxPayloadSize": 0 },
        "filter": { "supported": true, "maxResults": MOST },
        "changePassword": supported(false),
        "sort": supported(false),
        "etag": supported(false),
        "authenticationSchemes": [{
            "type": "oauthbearertoken",
            "name": "OAuth Bearer Token",
            "description": "Authentication scheme using the OAuth Bearer Token Standard",
            "specUri": "http://www.rfc-editor.org/info/rfc6750",
            "primary": true,
        }],
        "meta": {
            "resourceType": "ServiceProviderConfig",
            "location": format!("{}/ServiceProviderConfig", base(ctx)),
        },
    })))))
}

pub(crate) async fn resource_types(call: Call) -> Answer {
    list(&call, user_type)
}

pub(crate) async fn resource_type(call: Call, name: Path<String>) -> Answer {
    one(&call, name.as_str() == "User", user_type)
}

pub(crate) async fn schemas(call: Call) -> Answer {
    list(&call, user_schema)
}

pub(crate) async fn schema(call: Call, name: Path<String>) -> Answer {
    one(&call, name.eq_ignore_ascii_case(SCHEMA), user_schema)
}

fn list(call: &Call, only: fn(&Context) -> Value) -> Answer {
    let ctx = enabled(call)?;
    Ok(answer(match call.query.contains_key("filter") {
        true => Err(Refusal::NoFilter),
        false => Ok(Good::of(listed(vec![only(ctx)], 1, 1))),
    }))
}

fn one(call: &Call, is_known: bool, only: fn(&Context) -> Value) -> Answer {
    let ctx = enabled(call)?;
    Ok(answer(if is_known { Ok(Good::of(only(ctx))) } else { Err(Refusal::Nowhere) }))
}

fn user_type(ctx: &Context) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ResourceType"],
        "id": "User",
        "name": "User",
        "endpoint": "/Users",
        "description": "User Account",
        "schema": SCHEMA,
        "meta": { "resourceType": "ResourceType", "location": format!("{}/ResourceTypes/User", base(ctx)) },
    })
}

fn user_schema(ctx: &Context) -> Value {
    let attribute = |name: &str, kind: &str, required: bool, exact: bool, uniqueness: &str| {
        json!({
            "name": name, "type": kind, "multiValued": false, "required": required, "caseExact": exact,
            "mutability": "readWrite", "returned": "default", "uniqueness": uniqueness,
        })
    };
    let text = |name: &str| attribute(name, "string", false, false, "none");
    let mut name = attribute("name", "complex", false, false, "none");
    name["subAttributes"] = json!([text("formatted"), text("givenName"), text("familyName")]);
    let mut emails = attribute("emails", "complex", false, false, "none");
    emails["multiValued"] = json!(true);
    emails["subAttributes"] =
        json!([text("value"), text("type"), attribute("primary", "boolean", false, false, "none")]);
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Schema"],
        "id": SCHEMA,
        "name": "User",
        "description": "User Account",
        "attributes": [
            attribute("userName", "string", true, false, "server"),
            attribute("externalId", "string", false, true, "server"),
            attribute("active", "boolean", false, false, "none"),
            text("displayName"),
            name,
            emails,
        ],
        "meta": { "resourceType": "Schema", "location": format!("{}/Schemas/{SCHEMA}", base(ctx)) },
    })
}
