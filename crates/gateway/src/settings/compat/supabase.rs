//! The `.env` of the self-hosted compose file.

use super::{Names, Row, mail_host, not, same, sms_provider, test_codes};

pub(super) const ROWS: &[Row] = &[
    ("JWT_SECRET", "jwt.secret", same),
    ("JWT_EXPIRY", "auth.jwt_expiry", same),
    ("JWT_KEYS", "jwt.keys", same),
    ("JWT_JWKS", "jwt.jwks", same),
    ("ANON_KEY", "keys.anon_key", same),
    ("SERVICE_ROLE_KEY", "keys.service_role_key", same),
    ("SUPABASE_PUBLISHABLE_KEY", "keys.publishable_key", same),
    ("SUPABASE_SECRET_KEY", "keys.secret_key", same),
    ("POSTGRES_PASSWORD", "keys.postgres_password", same),
    ("SUPABASE_PUBLIC_URL", "server.public_url", same),
    ("API_EXTERNAL_URL", "auth.external_url", external_url),
    ("SITE_URL", "auth.site_url", same),
    ("ADDITIONAL_REDIRECT_URLS", "auth.additional_redirect_urls", same),
    ("DISABLE_SIGNUP", "auth.enable_signup", not),
    ("ENABLE_EMAIL_SIGNUP", "auth.email.enable_signup", same),
    ("ENABLE_EMAIL_AUTOCONFIRM", "auth.email.enable_confirmations", not),
    ("ENABLE_ANONYMOUS_USERS", "auth.enable_anonymous_sign_ins", same),
    ("ENABLE_PHONE_SIGNUP", "auth.sms.enable_signup", same),
    ("ENABLE_PHONE_AUTOCONFIRM", "auth.sms.enable_confirmations", not),
    ("SMTP_HOST", "auth.email.smtp.host", mail_host),
    ("SMTP_PORT", "auth.email.smtp.port", same),
    ("SMTP_USER", "auth.email.smtp.user", same),
    ("SMTP_PASS", "auth.email.smtp.pass", same),
    ("SMTP_ADMIN_EMAIL", "auth.email.smtp.admin_email", same),
    ("SMTP_SENDER_NAME", "auth.email.smtp.sender_name", same),
    ("MAILER_URLPATHS_INVITE", "auth.email.url_paths.invite", same),
    ("MAILER_URLPATHS_CONFIRMATION", "auth.email.url_paths.confirmation", same),
    ("MAILER_URLPATHS_RECOVERY", "auth.email.url_paths.recovery", same),
    ("MAILER_URLPATHS_EMAIL_CHANGE", "auth.email.url_paths.email_change", same),
    ("SMS_OTP_EXP", "auth.sms.otp_expiry", same),
    ("SMS_OTP_LENGTH", "auth.sms.otp_length", same),
    ("SMS_MAX_FREQUENCY", "auth.sms.max_frequency", same),
    ("SMS_TEMPLATE", "auth.sms.template", same),
    ("SMS_TWILIO_ACCOUNT_SID", "auth.sms.twilio.account_sid", same),
    ("SMS_TWILIO_AUTH_TOKEN", "auth.sms.twilio.auth_token", same),
    ("SMS_TWILIO_MESSAGE_SERVICE_SID", "auth.sms.twilio.message_service_sid", same),
    ("SMS_TEST_OTP", "auth.sms.test_otp", test_codes),
    ("MFA_TOTP_ENROLL_ENABLED", "auth.mfa.totp.enroll_enabled", same),
    ("MFA_TOTP_VERIFY_ENABLED", "auth.mfa.totp.verify_enabled", same),
    ("MFA_PHONE_ENROLL_ENABLED", "auth.mfa.phone.enroll_enabled", same),
    ("MFA_PHONE_VERIFY_ENABLED", "auth.mfa.phone.verify_enabled", same),
    ("MFA_MAX_ENROLLED_FACTORS", "auth.mfa.max_enrolled_factors", same),
    ("FUNCTIONS_VERIFY_JWT", "functions.verify_jwt", same),
    ("S3_PROTOCOL_ACCESS_KEY_ID", "keys.s3_access_key_id", same),
    ("S3_PROTOCOL_ACCESS_KEY_SECRET", "keys.s3_access_key_secret", same),
    ("REGION", "keys.s3_region", same),
    ("FILE_SIZE_LIMIT", "storage.file_size_limit", same),
    ("UPLOAD_FILE_SIZE_LIMIT", "storage.file_size_limit", same),
    ("UPLOAD_SIGNED_URL_EXPIRATION_TIME", "storage.upload_url_expiry", same),
    ("STORAGE_UNICODE_KEYS", "storage.unicode_keys", same),
    ("TUS_URL_EXPIRY_MS", "storage.resumable_expiry", milliseconds),
    ("FILE_STORAGE_BACKEND_PATH", "storage.path", same),
    ("STORAGE_FILE_BACKEND_PATH", "storage.path", same),
    ("STORAGE_BACKEND", "storage.backend", same),
    ("GLOBAL_S3_ENDPOINT", "storage.remote.endpoint", same),
    ("STORAGE_S3_ENDPOINT", "storage.remote.endpoint", same),
    ("GLOBAL_S3_FORCE_PATH_STYLE", "storage.remote.force_path_style", same),
    ("STORAGE_S3_FORCE_PATH_STYLE", "storage.remote.force_path_style", same),
    ("STORAGE_S3_UPLOAD_PART_SIZE", "storage.remote.part_size", same),
    ("GLOBAL_S3_BUCKET", "storage.bucket", same),
    ("STORAGE_S3_BUCKET", "storage.bucket", same),
    ("STORAGE_TENANT_ID", "storage.tenant", same),
    ("TENANT_ID", "storage.tenant", same),
    ("ENABLE_IMAGE_TRANSFORMATION", "storage.images.enabled", same),
    ("IMAGE_TRANSFORMATION_ENABLED", "storage.images.enabled", same),
    ("IMAGE_TRANSFORMATION_LIMIT_MIN_SIZE", "storage.images.min_side", same),
    ("IMAGE_TRANSFORMATION_LIMIT_MAX_SIZE", "storage.images.max_side", same),
    ("WEBHOOK_URL", "storage.webhook.url", same),
    ("WEBHOOK_API_KEY", "storage.webhook.api_key", same),
    ("STORAGE_EMPTY_BUCKET_MAX", "storage.empty_bucket_max", same),
];

/// What is meant for the files alone if an S3 server keeps them: other programs have these names too.
const BUCKET: &[Row] = &[
    ("REGION", "storage.remote.region", same),
    ("STORAGE_S3_REGION", "storage.remote.region", same),
    ("AWS_ACCESS_KEY_ID", "storage.remote.access_key_id", same),
    ("AWS_SECRET_ACCESS_KEY", "storage.remote.secret_access_key", same),
];

/// Names of parts that this version does not have. Not told: names that many programs use, and
/// those of containers that are not needed here.
const LATER: &[&str] = &[
    "DASHBOARD_USERNAME",
    "DASHBOARD_PASSWORD",
    "STUDIO_DEFAULT_ORGANIZATION",
    "STUDIO_DEFAULT_PROJECT",
    "PG_META_CRYPTO_KEY",
    "KONG_HTTPS_PORT",
    "PROXY_DOMAIN",
    "CERTBOT_EMAIL",
];

/// Providers of accounts that have short names.
const PROVIDERS: [(&str, &str); 3] = [("GOOGLE", "google"), ("GITHUB", "github"), ("AZURE", "azure")];

/// Hosts of the compose file's own database, which ours replaces.
const OWN_HOSTS: &[&str] = &["db", "supabase-db", "localhost", "127.0.0.1", "::1"];

pub(super) fn translate(into: &mut Names<'_>) {
    into.apply(ROWS);
    sms_provider(into, "SMS_PROVIDER");
    for (prefix, provider) in PROVIDERS {
        for field in ["enabled", "client_id", "secret"] {
            let name = format!("{prefix}_{}", field.to_uppercase());
            if let Some(text) = into.get(&name).map(str::to_owned) {
                into.assign(&name, &format!("auth.external.{provider}.{field}"), Ok(text));
            }
        }
    }
    if let Some(host) = into.get("POSTGRES_HOST")
        && !OWN_HOSTS.contains(&host)
    {
        let url = database_url(
            host,
            into.get("POSTGRES_PORT").unwrap_or("5432"),
            into.get("POSTGRES_DB").unwrap_or("postgres"),
            into.get("POSTGRES_PASSWORD").unwrap_or_default(),
        );
        into.assign("POSTGRES_HOST", "database.url", url);
    }
    // Where the compose file's gateway is reached, if that is another place than ours; who else may reach it is a setting
    // of ours.
    if let Some(port) = into.get("KONG_HTTP_PORT").filter(|port| *port != "8000").map(str::to_owned) {
        let port = port.parse::<u16>().map_err(|_| "must be a port".to_owned());
        into.assign("KONG_HTTP_PORT", "server.listen", port.map(|port| format!("127.0.0.1:{port}")));
    }
    if into.get("STORAGE_BACKEND") == Some("s3") {
        into.apply(BUCKET);
    }
    for name in LATER {
        into.unused(name);
    }
}

/// A time that is told without its unit.
fn milliseconds(text: &str) -> Result<String, String> {
    text.parse::<u64>().map(|n| format!("{n}ms")).map_err(|_| "must be a number of milliseconds".to_owned())
}

/// The compose file's address is that of the gateway, and its paths of mailed links begin with
/// `/auth/v1`. An address without a path stands for the same here.
#[allow(clippy::unnecessary_wraps)]
fn external_url(text: &str) -> Result<String, String> {
    let bare = url::Url::parse(text).is_ok_and(|url| url.path() == "/" && url.query().is_none());
    Ok(if bare { format!("{}/auth/v1", text.trim_end_matches('/')) } else { text.to_owned() })
}

fn database_url(host: &str, port: &str, database: &str, password: &str) -> Result<String, String> {
    let refused = |()| "does not make a database URL".to_owned();
    let mut url = url::Url::parse("postgresql://postgres@host/").map_err(|_| refused(()))?;
    url.set_host(Some(host)).map_err(|_| refused(()))?;
    url.set_port(Some(port.parse().map_err(|_| "POSTGRES_PORT must be a port".to_owned())?))
        .map_err(refused)?;
    url.set_password(Some(password).filter(|password| !password.is_empty())).map_err(refused)?;
    url.set_path(database);
    Ok(url.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gateway_s_address_stands_for_the_service_behind_it() {
        assert_eq!(external_url("https://api.example.com").as_deref(), Ok("https://api.example.com/auth/v1"));
        assert_eq!(external_url("http://localhost:8000/").as_deref(), Ok("http://localhost:8000/auth/v1"));
        assert_eq!(external_url("https://x.test/auth/v1").as_deref(), Ok("https://x.test/auth/v1"));
        assert_eq!(external_url("nonsense").as_deref(), Ok("nonsense"));
    }

    #[test]
    fn the_parts_of_an_address_make_a_url() {
        let url = database_url("db.example.com", "6543", "app", "p@ss/word");
        assert_eq!(url.as_deref(), Ok("postgresql://postgres:p%40ss%2Fword@db.example.com:6543/app"));
        assert!(database_url("db", "x", "app", "").is_err());
    }
}
