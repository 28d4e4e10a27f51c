//! SCIM: identity providers keep the accounts of their people.

use actix_web::http::Method;
use auth::Config;
use serde_json::{Value, json};

use crate::harness::{Answer, Api, open, request};

const CORP: &str = "66666666-6666-4666-8666-666666666666";
const OTHER: &str = "77777777-7777-4777-8777-777777777777";

pub fn with_scim() -> Config {
    let mut config = open();
    config.scim.enabled = true;
    config
}

/// An identity provider with a token.
pub struct Organisation<'a> {
    pub api: &'a Api,
    pub token: String,
}

impl<'a> Organisation<'a> {
    pub async fn of(api: &'a Api, provider: &str) -> Self {
        let path = format!("/admin/sso/providers/{provider}/scim-tokens");
        let made = api.post_as(&api.service_role(), &path, json!({ "name": "okta" })).await;
        assert_eq!(made.status, 201, "{}", made.text);
        Self { api, token: made.body["token"].as_str().unwrap().to_owned() }
    }

    async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let request = request(method, &format!("/scim/v2{path}"), &self.token);
        self.api
            .send(match body {
                // As identity providers send it.
                Some(body) => request
                    .insert_header(("content-type", "application/scim+json"))
                    .set_payload(body.to_string()),
                None => request,
            })
            .await
    }

    pub async fn create(&self, body: Value) -> Answer {
        self.send(Method::POST, "/Users", Some(body)).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None).await
    }

    pub async fn patch(&self, id: &Value, operations: Value) -> Answer {
        let body =
            json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations });
        self.send(Method::PATCH, &path(id), Some(body)).await
    }

    async fn find(&self, filter: &str) -> Value {
        let filter: String = url::form_urlencoded::byte_serialize(filter.as_bytes()).collect();
        self.get(&format!("/Users?filter={filter}")).await.ok()
    }
}

fn path(id: &Value) -> String {
    format!("/Users/{}", id.as_str().unwrap())
}

/// A service with two identity providers.
async fn start() -> Api {
    let api = Api::start(with_scim()).await;
    for id in [CORP, OTHER] {
        api.sql(&format!(
            "insert into auth.sso_providers (id, created_at, updated_at) values ('{id}', now(), now());
             insert into auth.saml_providers (id, sso_provider_id, entity_id, metadata_xml)
             values (gen_random_uuid(), '{id}', 'https://{id}.test', '<x/>')"
        ))
        .await;
    }
    api
}

#[track_caller]
fn refused(answer: &Answer, status: u16, kind: Option<&str>, detail: &str) {
    let mut expected = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"], "status": status.to_string(), "detail": detail,
    });
    if let Some(kind) = kind {
        expected["scimType"] = json!(kind);
    }
    assert_eq!((answer.status, &answer.body), (status, &expected));
    assert_eq!(answer.header("content-type"), "application/scim+json");
}

fn jane() -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "Jane@corp.test", "externalId": "00u1",
        "name": { "givenName": "Jane", "familyName": "Doe" }, "active": true, "title": "Dr",
        "emails": [{ "primary": true, "value": "Jane@corp.test", "type": "work" }],
    })
}

#[actix_web::test]
async fn someone_is_made_found_changed_and_deleted() {
    let api = start().await;
    let corp = Organisation::of(&api, CORP).await;
    let made = corp.create(jane()).await;
    assert_eq!((made.status, made.header("content-type")), (201, "application/scim+json"), "{}", made.text);
    let id = made.body["id"].clone();
    let place = format!("http://localhost:8000/auth/v1/scim/v2/Users/{}", id.as_str().unwrap());
    assert_eq!(made.header("location"), place);
    let expected = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "id": id, "userName": "Jane@corp.test",
        "externalId": "00u1", "active": true, "name": { "givenName": "Jane", "familyName": "Doe" },
        "emails": [{ "value": "jane@corp.test", "type": "work", "primary": true }],
        "meta": { "resourceType": "User", "location": place, "created": "2027-01-15T08:00:00.123Z",
            "lastModified": "2027-01-15T08:00:00.123Z" },
    });
    assert_eq!(made.body, expected);
    assert_eq!(corp.get(&path(&id)).await.ok(), expected);
    // Bound to the provider, and confirmed; nobody has a password.
    let user = api.get(&format!("/admin/users/{}", id.as_str().unwrap()), &api.service_role()).await.ok();
    let provider = format!("sso:{CORP}");
    assert_eq!(user["app_metadata"], json!({ "provider": provider, "providers": [provider] }));
    assert_eq!(user["user_metadata"]["full_name"], "Jane Doe");
    assert!(user["email_confirmed_at"].is_string());
    let row = "select is_sso_user, encrypted_password = '' from auth.users";
    assert_eq!(api.value(row).await.unwrap(), "t,t");

    for filter in
        [r#"userName eq "JANE@corp.test""#, r#"externalId eq "00u1""#, r#"emails.value eq "jane@corp.test""#]
    {
        let found = corp.find(filter).await;
        assert_eq!((&found["totalResults"], &found["Resources"][0]["id"]), (&json!(1), &id), "{filter}");
    }
    for filter in [r#"userName eq "john@corp.test""#, r#"externalId eq "00U1""#, r#"id eq "x""#] {
        let nobody = json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"], "totalResults": 0,
            "startIndex": 1, "itemsPerPage": 0, "Resources": [] });
        assert_eq!(corp.find(filter).await, nobody, "{filter}");
    }

    let mut whole = jane();
    (whole["userName"], whole["name"]) = (json!("jd"), json!({ "formatted": "J. Doe" }));
    whole["emails"][0]["value"] = json!("jd@corp.test");
    let put = corp.send(Method::PUT, &path(&id), Some(whole)).await.ok();
    assert_eq!((&put["userName"], &put["emails"][0]["value"]), (&json!("jd"), &json!("jd@corp.test")));
    assert_eq!(put["name"], json!({ "formatted": "J. Doe" }));
    let identity = "select email from auth.identities";
    assert_eq!(api.value(identity).await.unwrap(), "jd@corp.test");
    let name = json!([{ "op": "replace", "path": "name.familyName", "value": "Roe" }]);
    let patched = corp.patch(&id, name).await.ok();
    assert_eq!(patched["name"], json!({ "formatted": "J. Doe", "familyName": "Roe" }));

    assert_eq!(corp.send(Method::DELETE, &path(&id), None).await.status, 204);
    refused(&corp.get(&path(&id)).await, 404, None, "Resource does not exist");
    refused(&corp.send(Method::DELETE, &path(&id), None).await, 404, None, "Resource does not exist");
    for table in ["users", "identities", "basalt_scim_users"] {
        assert_eq!(api.value(&format!("select count(*) from auth.{table}")).await.unwrap(), "0", "{table}");
    }
    let log = "select string_agg(payload ->> 'action', ' ' order by payload ->> 'action') from auth.audit_log_entries
                where payload ->> 'actor_username' = 'scim'";
    assert_eq!(api.value(log).await.unwrap(), "user_deleted user_modified user_modified user_signedup");
}

#[actix_web::test]
async fn who_is_shut_is_out_at_once() {
    let api = start().await;
    let corp = Organisation::of(&api, CORP).await;
    let id = corp.create(jane()).await.body["id"].clone();
    api.sql(&format!(
        "insert into auth.sessions (id, user_id, created_at, updated_at) values (gen_random_uuid(), '{}', now(), now())",
        id.as_str().unwrap()
    ))
    .await;
    // As Entra sends it.
    let shut = json!([{ "op": "Replace", "path": "active", "value": "False" }]);
    assert_eq!(corp.patch(&id, shut.clone()).await.ok()["active"], false);
    assert_eq!(api.value("select count(*) from auth.sessions").await.unwrap(), "0");
    assert_eq!(
        api.value("select banned_until > now() + interval '90 years' from auth.users").await.unwrap(),
        "t"
    );
    assert_eq!(corp.patch(&id, shut.clone()).await.ok()["active"], false);
    let open = json!([{ "op": "replace", "value": { "active": true } }]);
    assert_eq!(corp.patch(&id, open.clone()).await.ok()["active"], true);
    assert_eq!(api.value("select banned_until from auth.users").await, None);
    // A ban of the operator's is not the identity provider's to end.
    api.sql("update auth.users set banned_until = '2100-01-01'").await;
    assert_eq!(corp.patch(&id, open.clone()).await.ok()["active"], false);
    assert_eq!(corp.patch(&id, shut).await.ok()["active"], false);
    corp.patch(&id, open).await.ok();
    assert_eq!(api.value("select extract(year from banned_until) from auth.users").await.unwrap(), "2100");
    // Shut from the beginning.
    let mut john = jane();
    (john["userName"], john["externalId"], john["active"]) =
        (json!("john@corp.test"), json!("2"), json!(false));
    john["emails"] = json!([]);
    assert_eq!(corp.create(john).await.body["active"], false);
}

#[actix_web::test]
async fn one_provider_never_sees_anothers_people() {
    let api = start().await;
    let (corp, other) = (Organisation::of(&api, CORP).await, Organisation::of(&api, OTHER).await);
    let id = corp.create(jane()).await.body["id"].clone();
    let outsider = api.sign_up("jane@corp.test").await["user"]["id"].clone();
    let active = json!([{ "op": "replace", "path": "active", "value": false }]);
    for (who, id) in [(&other, &id), (&other, &outsider), (&corp, &outsider)] {
        let gone = |answer: Answer| refused(&answer, 404, None, "Resource does not exist");
        gone(who.get(&path(id)).await);
        gone(who.send(Method::PUT, &path(id), Some(jane())).await);
        gone(who.patch(id, active.clone()).await);
        gone(who.send(Method::DELETE, &path(id), None).await);
        let found = who.find(&format!(r#"id eq "{}""#, id.as_str().unwrap())).await;
        assert_eq!(found["totalResults"], 0);
    }
    for filter in
        ["", r#"userName eq "jane@corp.test""#, r#"externalId eq "00u1""#, r#"emails eq "jane@corp.test""#]
    {
        assert_eq!(other.find(filter).await["totalResults"], 0, "{filter}");
        assert_eq!(corp.find(filter).await["totalResults"], 1, "{filter}");
    }
    // Another organisation may have someone of the same name and id, whose account is another.
    let theirs = other.create(jane()).await;
    assert_eq!(theirs.status, 201, "{}", theirs.text);
    assert_ne!(theirs.body["id"], id);
    // Somebody's own account is not that of an organisation which they sign in by as well.
    api.sql(&format!(
        "insert into auth.identities (id, user_id, provider, provider_id, identity_data)
         values (gen_random_uuid(), '{}', 'sso:{OTHER}', '1', '{{}}')",
        outsider.as_str().unwrap()
    ))
    .await;
    refused(&other.get(&path(&outsider)).await, 404, None, "Resource does not exist");
}

/// Nobody gets out of reach of their organisation by signing in another way as well, or in that way only.
#[actix_web::test]
async fn its_people_stay_its_own() {
    let api = start().await;
    let corp = Organisation::of(&api, CORP).await;
    let id = corp.create(jane()).await.body["id"].clone();
    api.sql(&format!(
        "insert into auth.identities (id, user_id, provider, provider_id, identity_data)
         values (gen_random_uuid(), '{}', 'github', '1', '{{}}')",
        id.as_str().unwrap()
    ))
    .await;
    assert_eq!(corp.get(&path(&id)).await.ok()["active"], true);
    api.sql(&format!("delete from auth.identities where provider = 'sso:{CORP}'")).await;
    assert_eq!(corp.find(r#"userName eq "jane@corp.test""#).await["totalResults"], 1);
    let shut = json!([{ "op": "replace", "path": "active", "value": false }]);
    assert_eq!(corp.patch(&id, shut).await.ok()["active"], false);
    let banned = "select banned_until > now() from auth.users";
    assert_eq!(api.value(banned).await.unwrap(), "t");
}

/// Who is left out of what an identity provider says is neither let in again, nor shut.
#[actix_web::test]
async fn only_who_is_named_is_shut_or_opened() {
    let api = start().await;
    let corp = Organisation::of(&api, CORP).await;
    let id = corp.create(jane()).await.body["id"].clone();
    let active = |value: bool| json!([{ "op": "replace", "path": "active", "value": value }]);
    let mut silent = jane();
    silent.as_object_mut().unwrap().remove("active");
    corp.patch(&id, active(false)).await.ok();
    let put = corp.send(Method::PUT, &path(&id), Some(silent)).await.ok();
    assert_eq!(put["active"], false, "nobody said that she may come in again");
    corp.patch(&id, active(true)).await.ok();
    // The operator's ban for an hour is over then, unless her organisation has shut her meanwhile.
    let hour = async || {
        let path = format!("/admin/users/{}", id.as_str().unwrap());
        api.put_as(&api.service_role(), &path, json!({ "ban_duration": "1h" })).await.ok();
    };
    hour().await;
    let name = json!([{ "op": "replace", "path": "displayName", "value": "J" }]);
    assert_eq!(corp.patch(&id, name).await.ok()["active"], false);
    api.advance(3601);
    assert_eq!(corp.get(&path(&id)).await.ok()["active"], true, "a change of name shuts nobody");
    hour().await;
    let session = "insert into auth.sessions (id, user_id, created_at, updated_at)
                   select gen_random_uuid(), id, now(), now() from auth.users";
    api.sql(session).await;
    corp.patch(&id, active(false)).await.ok();
    assert_eq!(api.value("select count(*) from auth.sessions").await.unwrap(), "0");
    api.advance(3601);
    assert_eq!(corp.get(&path(&id)).await.ok()["active"], false, "shut is shut");
    assert_eq!(corp.patch(&id, active(true)).await.ok()["active"], true);
    // Opened within the hour, the operator's ban still holds.
    hour().await;
    corp.patch(&id, active(false)).await.ok();
    assert_eq!(corp.patch(&id, active(true)).await.ok()["active"], false);
    api.advance(3601);
    assert_eq!(corp.get(&path(&id)).await.ok()["active"], true);
}

/// A deleted account keeps nothing of what was said, and its name is free.
#[actix_web::test]
async fn a_soft_deletion_frees_the_name() {
    let api = start().await;
    let corp = Organisation::of(&api, CORP).await;
    let id = corp.create(jane()).await.body["id"].clone();
    let gone =
        request(Method::DELETE, &format!("/admin/users/{}", id.as_str().unwrap()), &api.service_role());
    assert_eq!(api.send(gone.set_json(json!({ "should_soft_delete": true }))).await.status, 200);
    refused(&corp.get(&path(&id)).await, 404, None, "Resource does not exist");
    assert_eq!(api.value("select count(*) from auth.basalt_scim_users").await.unwrap(), "0");
    let again = corp.create(jane()).await;
    assert_eq!(again.status, 201, "{}", again.text);
    // One that another account has which it does not see is taken, and no failure of ours.
    api.sql("update auth.users set is_sso_user = false where deleted_at is null").await;
    api.sql(
        "insert into auth.identities (id, user_id, provider, provider_id, identity_data)
         select gen_random_uuid(), id, 'github', '1', '{}' from auth.users where deleted_at is null",
    )
    .await;
    refused(&corp.create(jane()).await, 409, Some("uniqueness"), "userName is taken");
}

/// What applications see of a name goes when the organisation takes it back; what others said stays.
#[actix_web::test]
async fn a_name_that_is_taken_back_is_gone() {
    let api = start().await;
    let corp = Organisation::of(&api, CORP).await;
    let id = corp.create(jane()).await.body["id"].clone();
    api.sql("update auth.users set raw_user_meta_data = raw_user_meta_data || '{\"theme\": \"dark\"}'").await;
    let taken = json!([{ "op": "remove", "path": "name" }]);
    assert_eq!(corp.patch(&id, taken).await.ok().get("name"), None);
    let left = "select string_agg(key, ' ' order by key) from auth.users, jsonb_each(raw_user_meta_data)";
    assert_eq!(api.value(left).await.unwrap(), "email email_verified theme");
}

/// Which of her addresses an account has is remembered: another one does not take its place.
#[actix_web::test]
async fn another_address_is_not_hers() {
    let api = start().await;
    let corp = Organisation::of(&api, CORP).await;
    let mut body = jane();
    body["emails"] = json!([{ "value": "jane@home.test", "type": "home" }]);
    let id = corp.create(body).await.body["id"].clone();
    let set = |kind: &str, value: &str| json!([{ "op": "replace", "path": format!("emails[type eq \"{kind}\"].value"), "value": value }]);
    let kept = corp.patch(&id, set("work", "jane@work.test")).await.ok();
    assert_eq!(kept["emails"][0]["value"], "jane@home.test");
    let changed = corp.patch(&id, set("home", "JD@home.test")).await.ok();
    let expected = json!([{ "value": "jd@home.test", "type": "home", "primary": true }]);
    assert_eq!(changed["emails"], expected);
}

#[actix_web::test]
async fn names_ids_and_addresses_are_somebodys_once() {
    let api = start().await;
    let corp = Organisation::of(&api, CORP).await;
    let id = corp.create(jane()).await.body["id"].clone();
    let with = |changes: Value| {
        let mut body =
            json!({ "userName": "john", "externalId": "2", "emails": [{ "value": "john@corp.test" }] });
        body.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        body
    };
    for (changes, name) in [
        (json!({ "userName": "JANE@corp.test" }), "userName"),
        (json!({ "externalId": "00u1" }), "externalId"),
        (json!({ "emails": [{ "value": "jane@CORP.test" }] }), "emails"),
    ] {
        refused(&corp.create(with(changes)).await, 409, Some("uniqueness"), &format!("{name} is taken"));
    }
    let john = corp.create(with(json!({}))).await.body["id"].clone();
    let take = json!([{ "op": "replace", "path": "userName", "value": "jane@corp.test" }]);
    refused(&corp.patch(&john, take).await, 409, Some("uniqueness"), "userName is taken");
    assert_eq!(corp.get(&path(&john)).await.ok()["userName"], "john");
    assert_eq!(corp.get(&path(&id)).await.ok()["userName"], "Jane@corp.test");
    // At once, too.
    let same = || {
        corp.create(with(
            json!({ "userName": "x", "externalId": "3", "emails": [{ "value": "x@corp.test" }] }),
        ))
    };
    let answers = futures_util::future::join_all([same(), same(), same()]).await;
    let mut statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409, 409]);
}

#[actix_web::test]
async fn lists_come_in_pages() {
    let api = start().await;
    let corp = Organisation::of(&api, CORP).await;
    for n in 0..5 {
        assert_eq!(corp.create(json!({ "userName": format!("u{n}@corp.test") })).await.status, 201);
        api.advance(1);
    }
    let list = async |query: &str| {
        let page = corp.get(&format!("/Users{query}")).await.ok();
        let names = page["Resources"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["userName"].as_str().unwrap()[..2].to_owned());
        (
            names.collect::<Vec<_>>().join(" "),
            page["totalResults"].as_i64().unwrap(),
            page["startIndex"].as_i64().unwrap(),
        )
    };
    assert_eq!(list("").await, ("u0 u1 u2 u3 u4".to_owned(), 5, 1));
    assert_eq!(list("?startIndex=3&count=2").await, ("u2 u3".to_owned(), 5, 3));
    assert_eq!(list("?startIndex=-1&count=1").await, ("u0".to_owned(), 5, 1));
    assert_eq!(list("?count=0").await, (String::new(), 5, 1));
    assert_eq!(list("?startIndex=9").await, (String::new(), 5, 9));
    refused(&corp.get("/Users?count=x").await, 400, Some("invalidValue"), "count must be a number");
}

#[actix_web::test]
async fn only_with_a_token_that_is_good() {
    let api = start().await;
    let corp = Organisation::of(&api, CORP).await;
    let stranger = |token: &str| Organisation { api: &api, token: token.to_owned() };
    for token in ["", "scim_guess", &api.service_role()] {
        let answer = stranger(token).get("/Users").await;
        refused(&answer, 401, None, "The token is missing or not valid");
        assert_eq!(answer.header("www-authenticate"), "Bearer");
        assert_eq!(stranger(token).create(jane()).await.status, 401);
    }
    corp.get("/Users").await.ok();
    let kept = format!("select count(*) from auth.basalt_scim_tokens where hash = '{}'", corp.token);
    assert_eq!(api.value(&kept).await.unwrap(), "0", "kept as a hash");
    let path = format!("/admin/sso/providers/{CORP}/scim-tokens");
    let admin = api.service_role();
    let list = api.get(&path, &admin).await.ok();
    let token = &list["tokens"][0];
    assert_eq!((&token["name"], token.get("token")), (&json!("okta"), None));
    assert!(token["last_used_at"].is_string());
    // Only administrators make and take them, and only of providers there are.
    let session = api.sign_up("jane@example.com").await;
    for token in [session["access_token"].as_str().unwrap(), &corp.token] {
        assert!(matches!(api.get(&path, token).await.status, 401 | 403));
        assert!(matches!(api.post_as(token, &path, json!({})).await.status, 401 | 403));
    }
    let nobody = "/admin/sso/providers/88888888-8888-4888-8888-888888888888/scim-tokens";
    assert_eq!(api.post_as(&admin, nobody, json!({})).await.status, 404);
    for _ in 1..10 {
        Organisation::of(&api, CORP).await;
    }
    let one_more = api.post_as(&admin, &path, json!({})).await;
    one_more.refused(422, "validation_failed", "An identity provider has at most 10 tokens");
    // One that is disabled may do nothing; a token that is taken away is none.
    api.sql("update auth.sso_providers set disabled = true").await;
    refused(&corp.get("/Users").await, 403, None, "The identity provider is disabled");
    api.sql("update auth.sso_providers set disabled = false").await;
    let elsewhere = format!("/admin/sso/providers/{OTHER}/scim-tokens/{}", token["id"].as_str().unwrap());
    assert_eq!(api.delete_as(&admin, &elsewhere).await.status, 404);
    corp.get("/Users").await.ok();
    assert_eq!(api.delete_as(&admin, &format!("{path}/{}", token["id"].as_str().unwrap())).await.status, 204);
    refused(&corp.get("/Users").await, 401, None, "The token is missing or not valid");
    api.delete_as(&admin, &format!("{path}/{}", token["id"].as_str().unwrap())).await.refused(
        404,
        "validation_failed",
        "SCIM token not found",
    );
}

#[actix_web::test]
async fn what_cannot_be_read_is_said_in_the_standards_words() {
    let api = start().await;
    let corp = Organisation::of(&api, CORP).await;
    refused(&corp.create(json!({})).await, 400, Some("invalidValue"), "userName is required");
    let text = request(Method::POST, "/scim/v2/Users", &corp.token).set_payload("[1");
    refused(&api.send(text).await, 400, Some("invalidSyntax"), "the body must be a JSON object");
    let nul = corp.create(json!({ "userName": "a\0@corp.test" })).await;
    assert_eq!((nul.status, &nul.body["scimType"]), (400, &json!("invalidSyntax")));
    let filter = corp.get("/Users?filter=title%20eq%20%22x%22").await;
    assert_eq!((filter.status, &filter.body["scimType"]), (400, &json!("invalidFilter")));
    refused(&corp.get("/Users/x").await, 404, None, "Resource does not exist");
    for path in ["/Groups", "/Me", "/Bulk", ""] {
        refused(&corp.get(path).await, 404, None, "Endpoint or resource does not exist");
    }
    let id = corp.create(jane()).await.body["id"].clone();
    let answer = corp.patch(&id, json!("x")).await;
    refused(&answer, 400, Some("invalidSyntax"), "Operations must be a list");
    // Half of a change is none.
    let half = json!([{ "op": "replace", "path": "active", "value": false }, { "op": "remove", "path": "userName" }]);
    assert_eq!(corp.patch(&id, half).await.status, 400);
    assert_eq!(corp.get(&path(&id)).await.ok()["active"], true);
}

#[actix_web::test]
async fn what_there_is_is_described() {
    let api = start().await;
    let config = api.get("/scim/v2/ServiceProviderConfig", "").await.ok();
    assert_eq!((&config["patch"]["supported"], &config["bulk"]["supported"]), (&json!(true), &json!(false)));
    assert_eq!(config["filter"], json!({ "supported": true, "maxResults": 200 }));
    assert_eq!(config["authenticationSchemes"][0]["type"], "oauthbearertoken");
    let base = "http://localhost:8000/auth/v1/scim/v2";
    assert_eq!(config["meta"]["location"], format!("{base}/ServiceProviderConfig"));
    let types = api.get("/scim/v2/ResourceTypes", "").await.ok();
    assert_eq!((&types["totalResults"], &types["Resources"][0]["endpoint"]), (&json!(1), &json!("/Users")));
    assert_eq!(api.get("/scim/v2/ResourceTypes/User", "").await.ok(), types["Resources"][0]);
    let schemas = api.get("/scim/v2/Schemas", "").await.ok();
    let id = schemas["Resources"][0]["id"].as_str().unwrap();
    assert_eq!(api.get(&format!("/scim/v2/Schemas/{id}"), "").await.ok(), schemas["Resources"][0]);
    let answer = api.get("/scim/v2/Schemas?filter=x", "").await;
    refused(&answer, 403, None, "Filtering is not supported on this endpoint");
}

#[actix_web::test]
async fn it_is_off_unless_switched_on() {
    let api = Api::start(open()).await;
    for path in ["/scim/v2/Users", "/scim/v2/ServiceProviderConfig", "/scim/v2/Users/x", "/scim/x"] {
        api.get(path, "").await.refused(404, "feature_disabled", "SCIM server is disabled");
        api.post(path, json!({})).await.refused(404, "feature_disabled", "SCIM server is disabled");
    }
    let path = format!("/admin/sso/providers/{CORP}/scim-tokens");
    let answer = api.post_as(&api.service_role(), &path, json!({})).await;
    answer.refused(404, "feature_disabled", "SCIM server is disabled");
}
