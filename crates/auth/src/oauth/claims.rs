//! Accounts as ID tokens describe them.

use serde_json::{Value, json};
use uuid::Uuid;

use super::accounts::text;
use super::catalog::{APPLE, APPLE_ACCOUNT, FACEBOOK, GOOGLE, KAKAO, LINKEDIN, SNAPCHAT, VERCEL};
use super::profile::Profile;
use crate::user::Object;

/// Claims that identities keep as they are, if they are texts.
pub(super) const TEXTS: [&str; 18] = [
    "name",
    "family_name",
    "given_name",
    "middle_name",
    "nickname",
    "preferred_username",
    "profile",
    "picture",
    "website",
    "gender",
    "birthdate",
    "zoneinfo",
    "locale",
    "phone",
    "full_name",
    "avatar_url",
    "slug",
    "user_name",
];

/// The account of a verified ID token: each issuer has its habits. `url` is where the settings say that
/// the provider is; empty for where it always is.
pub(crate) fn of_id_token(claims: &Object, url: &str) -> Profile {
    let token = Value::Object(claims.clone());
    let iss = text(&token, "/iss");
    let profile = Profile::of(&iss, text(&token, "/sub"));
    let email = text(&token, "/email");
    let said = flag(claims.get("email_verified"));
    // Of those who vouch for every address, as long as they do not say otherwise.
    let unless_denied = claims.get("email_verified").is_none_or(|verified| flag(Some(verified)));
    match iss.as_str() {
        GOOGLE | "accounts.google.com" => {
            let hd = text(&token, "/hd");
            profile
                .named(text(&token, "/name"))
                .pictured(text(&token, "/picture"))
                .custom(if hd.is_empty() { json!({}) } else { json!({ "hd": hd }) })
                .reached_at(email, said || flag(claims.get("verified_email")))
        }
        APPLE | APPLE_ACCOUNT => {
            let mut custom = Object::new();
            if let Some(private) = claims.get("is_private_email") {
                custom.insert("is_private_email".to_owned(), json!(flag(Some(private))));
            }
            for key in ["auth_time", "transfer_sub"] {
                custom.extend(claims.get(key).map(|value| (key.to_owned(), value.clone())));
            }
            profile.custom(Value::Object(custom)).reached_at(email, unless_denied)
        }
        LINKEDIN => profile
            .with("name", format!("{} {}", text(&token, "/given_name"), text(&token, "/family_name")).trim())
            .with("given_name", text(&token, "/given_name"))
            .with("family_name", text(&token, "/family_name"))
            .with("locale", text(&token, "/locale"))
            .with("picture", text(&token, "/picture"))
            .reached_at(email, said),
        KAKAO => profile
            .with("name", text(&token, "/nickname"))
            .with("preferred_username", text(&token, "/nickname"))
            .with("picture", text(&token, "/picture"))
            .reached_at(email, unless_denied),
        VERCEL => {
            let global = text(&token, "/global_user_id");
            let sub = match global.is_empty() {
                true => text(&token, "/sub"),
                false => format!("global_user_id:{global}"),
            };
            Profile::of(&iss, sub)
                .with("name", text(&token, "/user_name"))
                .with("picture", text(&token, "/user_avatar_url"))
                .reached_at(text(&token, "/user_email"), true)
        }
        FACEBOOK => profile
            .with("name", text(&token, "/name"))
            .with("picture", text(&token, "/picture"))
            .reached_at(email, unless_denied),
        SNAPCHAT => standard(profile, claims).reached_at(email, unless_denied),
        _ if is_azure(&iss) => azure(profile, claims, url),
        _ => standard(profile, claims).reached_at(email, said),
    }
}

/// The account as an endpoint for it describes it, in the same terms.
pub(crate) fn of_userinfo(claims: &Object) -> Profile {
    let account = Value::Object(claims.clone());
    let profile = Profile::of(&text(&account, "/iss"), text(&account, "/sub"));
    standard(profile, claims).reached_at(text(&account, "/email"), flag(claims.get("email_verified")))
}

fn standard(profile: Profile, claims: &Object) -> Profile {
    let texts = TEXTS.iter().filter_map(|key| Some((*key, claims.get(*key)?.as_str()?)));
    let mut profile = texts.fold(profile, |profile, (key, value)| profile.with(key, value));
    for key in ["aud", "iat", "exp", "updated_at"] {
        profile.data.extend(claims.get(key).map(|value| (key.to_owned(), value.clone())));
    }
    let phone_verified = flag(claims.get("phone_verified")) || flag(claims.get("phone_number_verified"));
    profile.data.insert("phone_verified".to_owned(), json!(phone_verified));
    match claims.get("custom_claims") {
        Some(custom) => profile.custom(custom.clone()),
        None => profile,
    }
}

fn azure(profile: Profile, claims: &Object, url: &str) -> Profile {
    // All others are what the directory's administrator chose to send.
    const TECHNICAL: [&str; 16] = [
        "aud",
        "iss",
        "iat",
        "nbf",
        "exp",
        "c_hash",
        "at_hash",
        "aio",
        "nonce",
        "rh",
        "uti",
        "jti",
        "ver",
        "sub",
        "name",
        "preferred_username",
    ];
    let mut custom = claims.clone();
    custom.retain(|key, _| !TECHNICAL.contains(&key.as_str()));
    // Administrators of a tenant write any address into its accounts: without the claim, it counts if
    // it comes from the one tenant that the settings trust, or from Microsoft, who checks those of
    // personal accounts. Upstream believes every tenant.
    let is_trusted = || names_one_tenant(url) || claims.get("iss").is_some_and(|iss| iss == PERSONAL);
    let owned = claims.get("xms_edov").map_or_else(is_trusted, |owned| flag(Some(owned)));
    let token = Value::Object(claims.clone());
    profile
        .with("full_name", text(&token, "/name"))
        .with("preferred_username", text(&token, "/preferred_username"))
        .custom(Value::Object(custom))
        .reached_at(text(&token, "/email"), owned)
}

/// A truth, in the spellings that providers have for it.
pub(super) fn flag(value: Option<&Value>) -> bool {
    match value {
        Some(Value::Bool(flag)) => *flag,
        Some(Value::String(text)) => text == "true" || text == "1",
        _ => false,
    }
}

const LOGIN: &str = "https://login.microsoftonline.com/";

/// The tenant of personal accounts.
const PERSONAL: &str = "https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0";

/// Whether this issuer may speak for an instance of Azure that the settings name by `url`: one tenant
/// alone, if they name it by its id. By a name of a tenant, or of several, or by nothing, all may.
pub(crate) fn azure_speaks(url: &str, issuer: &str) -> bool {
    let expected = format!("{url}/v2.0");
    let any = is_azure(issuer) || old_tenant(issuer).is_some();
    match url.strip_prefix(LOGIN) {
        Some(tenant) if Uuid::try_parse(tenant).is_ok() => {
            issuer.eq_ignore_ascii_case(&expected)
                || old_tenant(issuer).is_some_and(|id| id.eq_ignore_ascii_case(tenant))
        }
        Some(_) => any,
        None if url.is_empty() => any,
        None => issuer == expected || same_customers(&expected, issuer),
    }
}

/// Whether settings name one tenant of Azure, by its id or by a host of its own.
fn names_one_tenant(url: &str) -> bool {
    match url.strip_prefix(LOGIN) {
        Some(path) => path.split('/').next().is_some_and(|tenant| Uuid::try_parse(tenant).is_ok()),
        None => !url.is_empty(),
    }
}

/// The tenant of an issuer of Azure's tokens of version 1.
fn old_tenant(issuer: &str) -> Option<&str> {
    let tenant = issuer.strip_prefix("https://sts.windows.net/").map(|rest| rest.trim_end_matches('/'));
    tenant.filter(|id| !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'))
}

/// Tenants for customers are called by their name or by their id.
fn same_customers(expected: &str, issuer: &str) -> bool {
    let host = |url: &str| url::Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned));
    is_azure_for_customers(expected) && is_azure_for_customers(issuer) && host(expected) == host(issuer)
}

/// True for the issuer of a tenant of Azure.
pub(crate) fn is_azure(issuer: &str) -> bool {
    tenant(issuer, "https://login.microsoftonline.com/")
}

/// True for the issuer of a tenant for customers, which has a host of its own.
fn is_azure_for_customers(issuer: &str) -> bool {
    let Some((host, _)) = issuer.strip_prefix("https://").and_then(|rest| rest.split_once('/')) else {
        return false;
    };
    let name = host.strip_suffix(".ciamlogin.com").unwrap_or_default();
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    !name.is_empty() && name.bytes().all(plain) && tenant(issuer, &format!("https://{host}/"))
}

fn tenant(issuer: &str, host: &str) -> bool {
    let rest = issuer.strip_prefix(host).map(|rest| rest.trim_end_matches('/'));
    let name = rest.and_then(|rest| rest.strip_suffix("/v2.0")).unwrap_or_default();
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(claims: Value) -> Profile {
        let Value::Object(claims) = claims else { return Profile::default() };
        of_id_token(&claims, "")
    }

    fn verified(claims: Value) -> Option<bool> {
        read(claims).email().map(|email| email.verified)
    }

    #[test]
    fn an_address_of_azure_counts_unless_its_owner_is_not_known() {
        let tenant = "https://login.microsoftonline.com/11111111-2222-4333-8444-555555555555";
        let iss = format!("{tenant}/v2.0");
        let with = |edov: Value| {
            let mut claims =
                json!({ "iss": iss, "sub": "a", "email": "j@x.test", "groups": ["a"], "nonce": "n" });
            if !edov.is_null() {
                claims["xms_edov"] = edov;
            }
            claims
        };
        for (edov, expected) in [
            (Value::Null, false),
            (json!(true), true),
            (json!("1"), true),
            (json!("true"), true),
            (json!(1), false),
            (json!(false), false),
            (json!("0"), false),
        ] {
            assert_eq!(verified(with(edov.clone())), Some(expected), "{edov}");
        }
        // Who trusts one tenant trusts its addresses; Microsoft checks those of personal accounts.
        let from = |iss: &str, url: &str| {
            let claims = json!({ "iss": iss, "sub": "a", "email": "j@x.test" });
            let Value::Object(claims) = claims else { return None };
            of_id_token(&claims, url).email().map(|email| email.verified)
        };
        assert_eq!(from(&iss, tenant), Some(true));
        assert_eq!(from(&iss, &iss), Some(true));
        assert_eq!(from(&iss, "https://login.microsoftonline.com/organizations"), Some(false));
        assert_eq!(from(PERSONAL, ""), Some(true));
        let custom = &read(with(Value::Null)).data["custom_claims"];
        assert_eq!(custom, &json!({ "email": "j@x.test", "groups": ["a"] }));
    }

    #[test]
    fn issuers_of_azure() {
        for issuer in
            ["https://login.microsoftonline.com/a-b/v2.0", "https://login.microsoftonline.com/a/v2.0/"]
        {
            assert!(is_azure(issuer), "{issuer}");
        }
        assert!(is_azure_for_customers("https://shop.ciamlogin.com/a-b/v2.0"));
        for issuer in [
            "https://login.microsoftonline.com.evil.test/a/v2.0",
            "http://login.microsoftonline.com/a/v2.0",
            "https://login.microsoftonline.com/a/b/v2.0",
            "https://login.microsoftonline.com//v2.0",
            "https://login.microsoftonline.com/a/v1.0",
            "https://evil.test/.ciamlogin.com/a/v2.0",
            "https://evil.test#.ciamlogin.com/a/v2.0",
            "https://a@evil.ciamlogin.com/a/v2.0",
        ] {
            assert!(!is_azure(issuer) && !is_azure_for_customers(issuer), "{issuer}");
        }
    }

    #[test]
    fn a_tenant_of_azure_that_is_named_by_its_id_speaks_alone() {
        const OURS: &str = "11111111-1111-4111-8111-111111111111";
        const OTHER: &str = "22222222-2222-4222-8222-222222222222";
        let new = |tenant: &str| format!("https://login.microsoftonline.com/{tenant}/v2.0");
        let old = |tenant: &str| format!("https://sts.windows.net/{tenant}/");
        let url = |tenant: &str| format!("https://login.microsoftonline.com/{tenant}");
        for issuer in [new(OURS), old(OURS)] {
            assert!(azure_speaks(&url(OURS), &issuer) && !azure_speaks(&url(OTHER), &issuer), "{issuer}");
            for url in ["", &url("common"), &url("organizations"), &url("contoso.onmicrosoft.com")] {
                assert!(azure_speaks(url, &issuer), "{url} {issuer}");
            }
        }
        let shop = "https://shop.ciamlogin.com/shop.onmicrosoft.com";
        assert!(azure_speaks(shop, &format!("https://shop.ciamlogin.com/{OURS}/v2.0")));
        assert!(!azure_speaks(shop, &format!("https://else.ciamlogin.com/{OURS}/v2.0")));
        assert!(!azure_speaks(shop, &new(OURS)));
        for issuer in
            ["https://sts.windows.net/", "https://sts.windows.net/a/b", "https://sts.windows.net.evil.test/a"]
        {
            assert!(!azure_speaks("", issuer), "{issuer}");
        }
    }

    #[test]
    fn habits_of_issuers() {
        for iss in [APPLE, FACEBOOK, KAKAO, SNAPCHAT] {
            assert_eq!(verified(json!({ "iss": iss, "sub": "a", "email": "j@x.test" })), Some(true));
            let denied = json!({ "iss": iss, "sub": "a", "email": "j@x.test", "email_verified": "false" });
            assert_eq!(verified(denied), Some(false));
        }
        assert_eq!(verified(json!({ "iss": GOOGLE, "sub": "a", "email": "j@x.test" })), Some(false));
        let other = json!({ "iss": "https://id.test", "sub": "a", "email": "j@x.test", "email_verified": "true",
            "name": "Jane", "phone": 7 });
        assert_eq!(verified(other.clone()), Some(true));
        assert_eq!(read(other).data["name"], "Jane");
        let vercel =
            read(json!({ "iss": VERCEL, "sub": "a", "global_user_id": "g", "user_email": "j@x.test" }));
        assert_eq!(vercel.sub(), "global_user_id:g");
        let apple = read(json!({ "iss": APPLE, "sub": "a", "is_private_email": "true" }));
        assert_eq!(apple.data["custom_claims"], json!({ "is_private_email": true }));
        assert!(apple.email().is_none());
    }
}
