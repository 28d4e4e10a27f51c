//! `GOTRUE_…`: the variables of Supabase Auth.

use std::collections::BTreeMap;

use serde_json::json;

use super::{Names, Row, mail_host, not, same, sms_provider, test_codes};

pub(super) const ROWS: &[Row] = &[
    ("GOTRUE_API_EXTERNAL_URL", "auth.external_url", same),
    ("GOTRUE_API_MAX_REQUEST_DURATION", "auth.max_request_duration", same),
    ("GOTRUE_SITE_URL", "auth.site_url", same),
    ("GOTRUE_URI_ALLOW_LIST", "auth.additional_redirect_urls", same),
    ("GOTRUE_DISABLE_SIGNUP", "auth.enable_signup", not),
    ("GOTRUE_LOG_LEVEL", "log.level", same),
    ("GOTRUE_JWT_SECRET", "jwt.secret", same),
    ("GOTRUE_JWT_KEYS", "jwt.keys", same),
    ("GOTRUE_JWT_EXP", "auth.jwt_expiry", same),
    ("GOTRUE_JWT_AUD", "auth.jwt_aud", same),
    ("GOTRUE_JWT_ISSUER", "auth.jwt_issuer", same),
    ("GOTRUE_JWT_ADMIN_ROLES", "auth.jwt_admin_roles", same),
    ("GOTRUE_JWT_ADMIN_GROUP_NAME", "auth.jwt_admin_group_name", same),
    ("GOTRUE_JWT_DEFAULT_GROUP_NAME", "auth.jwt_default_group_name", same),
    ("GOTRUE_EXTERNAL_EMAIL_ENABLED", "auth.email.enable_signup", same),
    ("GOTRUE_EXTERNAL_EMAIL_MAGIC_LINK_ENABLED", "auth.email.enable_magic_link", same),
    ("GOTRUE_EXTERNAL_EMAIL_AUTHORIZED_ADDRESSES", "auth.email.authorized_addresses", same),
    ("GOTRUE_EXTERNAL_ANONYMOUS_USERS_ENABLED", "auth.enable_anonymous_sign_ins", same),
    ("GOTRUE_EXTERNAL_REDIRECT_URL", "auth.external_redirect_url", same),
    ("GOTRUE_EXTERNAL_IOS_BUNDLE_ID", "auth.ios_bundle_id", same),
    ("GOTRUE_EXTERNAL_ALLOWED_ID_TOKEN_ISSUERS", "auth.allowed_id_token_issuers", same),
    ("GOTRUE_EXTERNAL_PHONE_ENABLED", "auth.sms.enable_signup", same),
    ("GOTRUE_MAILER_AUTOCONFIRM", "auth.email.enable_confirmations", not),
    ("GOTRUE_MAILER_SECURE_EMAIL_CHANGE_ENABLED", "auth.email.double_confirm_changes", same),
    ("GOTRUE_MAILER_OTP_EXP", "auth.email.otp_expiry", same),
    ("GOTRUE_MAILER_OTP_LENGTH", "auth.email.otp_length", same),
    ("GOTRUE_MAILER_URLPATHS_INVITE", "auth.email.url_paths.invite", same),
    ("GOTRUE_MAILER_URLPATHS_CONFIRMATION", "auth.email.url_paths.confirmation", same),
    ("GOTRUE_MAILER_URLPATHS_RECOVERY", "auth.email.url_paths.recovery", same),
    ("GOTRUE_MAILER_URLPATHS_EMAIL_CHANGE", "auth.email.url_paths.email_change", same),
    ("GOTRUE_SMTP_HOST", "auth.email.smtp.host", mail_host),
    ("GOTRUE_SMTP_PORT", "auth.email.smtp.port", same),
    ("GOTRUE_SMTP_USER", "auth.email.smtp.user", same),
    ("GOTRUE_SMTP_PASS", "auth.email.smtp.pass", same),
    ("GOTRUE_SMTP_ADMIN_EMAIL", "auth.email.smtp.admin_email", same),
    ("GOTRUE_SMTP_SENDER_NAME", "auth.email.smtp.sender_name", same),
    ("GOTRUE_SMTP_HEADERS", "auth.email.smtp.headers", same),
    ("GOTRUE_SMTP_MAX_FREQUENCY", "auth.email.max_frequency", same),
    ("GOTRUE_MAILER_SUBJECTS_INVITE", "auth.email.template.invite.subject", same),
    ("GOTRUE_MAILER_TEMPLATES_INVITE", "auth.email.template.invite.content_url", same),
    ("GOTRUE_MAILER_SUBJECTS_CONFIRMATION", "auth.email.template.confirmation.subject", same),
    ("GOTRUE_MAILER_TEMPLATES_CONFIRMATION", "auth.email.template.confirmation.content_url", same),
    ("GOTRUE_MAILER_SUBJECTS_RECOVERY", "auth.email.template.recovery.subject", same),
    ("GOTRUE_MAILER_TEMPLATES_RECOVERY", "auth.email.template.recovery.content_url", same),
    ("GOTRUE_MAILER_SUBJECTS_MAGIC_LINK", "auth.email.template.magic_link.subject", same),
    ("GOTRUE_MAILER_TEMPLATES_MAGIC_LINK", "auth.email.template.magic_link.content_url", same),
    ("GOTRUE_MAILER_SUBJECTS_EMAIL_CHANGE", "auth.email.template.email_change.subject", same),
    ("GOTRUE_MAILER_TEMPLATES_EMAIL_CHANGE", "auth.email.template.email_change.content_url", same),
    ("GOTRUE_MAILER_SUBJECTS_REAUTHENTICATION", "auth.email.template.reauthentication.subject", same),
    ("GOTRUE_MAILER_TEMPLATES_REAUTHENTICATION", "auth.email.template.reauthentication.content_url", same),
    (
        "GOTRUE_MAILER_NOTIFICATIONS_PASSWORD_CHANGED_ENABLED",
        "auth.email.notification.password_changed.enabled",
        same,
    ),
    (
        "GOTRUE_MAILER_SUBJECTS_PASSWORD_CHANGED_NOTIFICATION",
        "auth.email.notification.password_changed.subject",
        same,
    ),
    (
        "GOTRUE_MAILER_TEMPLATES_PASSWORD_CHANGED_NOTIFICATION",
        "auth.email.notification.password_changed.content_url",
        same,
    ),
    (
        "GOTRUE_MAILER_NOTIFICATIONS_EMAIL_CHANGED_ENABLED",
        "auth.email.notification.email_changed.enabled",
        same,
    ),
    (
        "GOTRUE_MAILER_SUBJECTS_EMAIL_CHANGED_NOTIFICATION",
        "auth.email.notification.email_changed.subject",
        same,
    ),
    (
        "GOTRUE_MAILER_TEMPLATES_EMAIL_CHANGED_NOTIFICATION",
        "auth.email.notification.email_changed.content_url",
        same,
    ),
    (
        "GOTRUE_MAILER_NOTIFICATIONS_PHONE_CHANGED_ENABLED",
        "auth.email.notification.phone_changed.enabled",
        same,
    ),
    (
        "GOTRUE_MAILER_SUBJECTS_PHONE_CHANGED_NOTIFICATION",
        "auth.email.notification.phone_changed.subject",
        same,
    ),
    (
        "GOTRUE_MAILER_TEMPLATES_PHONE_CHANGED_NOTIFICATION",
        "auth.email.notification.phone_changed.content_url",
        same,
    ),
    (
        "GOTRUE_MAILER_NOTIFICATIONS_IDENTITY_LINKED_ENABLED",
        "auth.email.notification.identity_linked.enabled",
        same,
    ),
    (
        "GOTRUE_MAILER_SUBJECTS_IDENTITY_LINKED_NOTIFICATION",
        "auth.email.notification.identity_linked.subject",
        same,
    ),
    (
        "GOTRUE_MAILER_TEMPLATES_IDENTITY_LINKED_NOTIFICATION",
        "auth.email.notification.identity_linked.content_url",
        same,
    ),
    (
        "GOTRUE_MAILER_NOTIFICATIONS_IDENTITY_UNLINKED_ENABLED",
        "auth.email.notification.identity_unlinked.enabled",
        same,
    ),
    (
        "GOTRUE_MAILER_SUBJECTS_IDENTITY_UNLINKED_NOTIFICATION",
        "auth.email.notification.identity_unlinked.subject",
        same,
    ),
    (
        "GOTRUE_MAILER_TEMPLATES_IDENTITY_UNLINKED_NOTIFICATION",
        "auth.email.notification.identity_unlinked.content_url",
        same,
    ),
    (
        "GOTRUE_MAILER_NOTIFICATIONS_MFA_FACTOR_ENROLLED_ENABLED",
        "auth.email.notification.mfa_factor_enrolled.enabled",
        same,
    ),
    (
        "GOTRUE_MAILER_SUBJECTS_MFA_FACTOR_ENROLLED_NOTIFICATION",
        "auth.email.notification.mfa_factor_enrolled.subject",
        same,
    ),
    (
        "GOTRUE_MAILER_TEMPLATES_MFA_FACTOR_ENROLLED_NOTIFICATION",
        "auth.email.notification.mfa_factor_enrolled.content_url",
        same,
    ),
    (
        "GOTRUE_MAILER_NOTIFICATIONS_MFA_FACTOR_UNENROLLED_ENABLED",
        "auth.email.notification.mfa_factor_unenrolled.enabled",
        same,
    ),
    (
        "GOTRUE_MAILER_SUBJECTS_MFA_FACTOR_UNENROLLED_NOTIFICATION",
        "auth.email.notification.mfa_factor_unenrolled.subject",
        same,
    ),
    (
        "GOTRUE_MAILER_TEMPLATES_MFA_FACTOR_UNENROLLED_NOTIFICATION",
        "auth.email.notification.mfa_factor_unenrolled.content_url",
        same,
    ),
    ("GOTRUE_SMS_AUTOCONFIRM", "auth.sms.enable_confirmations", not),
    ("GOTRUE_SMS_MAX_FREQUENCY", "auth.sms.max_frequency", same),
    ("GOTRUE_SMS_OTP_EXP", "auth.sms.otp_expiry", same),
    ("GOTRUE_SMS_OTP_LENGTH", "auth.sms.otp_length", same),
    ("GOTRUE_SMS_TEMPLATE", "auth.sms.template", same),
    ("GOTRUE_SMS_TWILIO_ACCOUNT_SID", "auth.sms.twilio.account_sid", same),
    ("GOTRUE_SMS_TWILIO_AUTH_TOKEN", "auth.sms.twilio.auth_token", same),
    ("GOTRUE_SMS_TWILIO_MESSAGE_SERVICE_SID", "auth.sms.twilio.message_service_sid", same),
    ("GOTRUE_SMS_TWILIO_CONTENT_SID", "auth.sms.twilio.content_sid", same),
    ("GOTRUE_SMS_TWILIO_VERIFY_ACCOUNT_SID", "auth.sms.twilio_verify.account_sid", same),
    ("GOTRUE_SMS_TWILIO_VERIFY_AUTH_TOKEN", "auth.sms.twilio_verify.auth_token", same),
    ("GOTRUE_SMS_TWILIO_VERIFY_MESSAGE_SERVICE_SID", "auth.sms.twilio_verify.message_service_sid", same),
    ("GOTRUE_SMS_MESSAGEBIRD_ACCESS_KEY", "auth.sms.messagebird.access_key", same),
    ("GOTRUE_SMS_MESSAGEBIRD_ORIGINATOR", "auth.sms.messagebird.originator", same),
    ("GOTRUE_SMS_TEXTLOCAL_API_KEY", "auth.sms.textlocal.api_key", same),
    ("GOTRUE_SMS_TEXTLOCAL_SENDER", "auth.sms.textlocal.sender", same),
    ("GOTRUE_SMS_VONAGE_API_KEY", "auth.sms.vonage.api_key", same),
    ("GOTRUE_SMS_VONAGE_API_SECRET", "auth.sms.vonage.api_secret", same),
    ("GOTRUE_SMS_VONAGE_FROM", "auth.sms.vonage.from", same),
    ("GOTRUE_SMS_TEST_OTP", "auth.sms.test_otp", test_codes),
    ("GOTRUE_SMS_TEST_OTP_VALID_UNTIL", "auth.sms.test_otp_valid_until", same),
    ("GOTRUE_SECURITY_REFRESH_TOKEN_ROTATION_ENABLED", "auth.enable_refresh_token_rotation", same),
    ("GOTRUE_SECURITY_REFRESH_TOKEN_REUSE_INTERVAL", "auth.refresh_token_reuse_interval", same),
    ("GOTRUE_SECURITY_REFRESH_TOKEN_ALGORITHM_VERSION", "auth.refresh_token_algorithm_version", same),
    ("GOTRUE_SECURITY_REFRESH_TOKEN_UPGRADE_PERCENTAGE", "auth.refresh_token_upgrade_percentage", same),
    ("GOTRUE_SECURITY_REFRESH_TOKEN_ALLOW_REUSE", "auth.refresh_token_allow_reuse", same),
    ("GOTRUE_SECURITY_UPDATE_PASSWORD_REQUIRE_REAUTHENTICATION", "auth.email.secure_password_change", same),
    ("GOTRUE_SECURITY_UPDATE_PASSWORD_REQUIRE_CURRENT_PASSWORD", "auth.email.require_current_password", same),
    ("GOTRUE_SECURITY_MANUAL_LINKING_ENABLED", "auth.enable_manual_linking", same),
    ("GOTRUE_SECURITY_CAPTCHA_ENABLED", "auth.captcha.enabled", same),
    ("GOTRUE_SECURITY_CAPTCHA_PROVIDER", "auth.captcha.provider", same),
    ("GOTRUE_SECURITY_CAPTCHA_PROVIDER_SECRET", "auth.captcha.secret", same),
    ("GOTRUE_SECURITY_CAPTCHA_SECRET", "auth.captcha.secret", same),
    ("GOTRUE_SECURITY_CAPTCHA_TIMEOUT", "auth.captcha.timeout", same),
    ("GOTRUE_PASSWORD_MIN_LENGTH", "auth.minimum_password_length", same),
    ("GOTRUE_PASSWORD_REQUIRED_CHARACTERS", "auth.password_required_characters", character_sets),
    ("GOTRUE_SESSIONS_TIMEBOX", "auth.sessions.timebox", same),
    ("GOTRUE_SESSIONS_INACTIVITY_TIMEOUT", "auth.sessions.inactivity_timeout", same),
    ("GOTRUE_SESSIONS_ALLOW_LOW_AAL", "auth.sessions.allow_low_aal", same),
    ("GOTRUE_SESSIONS_SINGLE_PER_USER", "auth.sessions.single_per_user", same),
    ("GOTRUE_SESSIONS_TAGS", "auth.sessions.tags", same),
    ("GOTRUE_RATE_LIMIT_EMAIL_SENT", "auth.rate_limit.email_sent", per_hour),
    ("GOTRUE_RATE_LIMIT_SMS_SENT", "auth.rate_limit.sms_sent", per_hour),
    ("GOTRUE_RATE_LIMIT_ANONYMOUS_USERS", "auth.rate_limit.anonymous_users", same),
    ("GOTRUE_RATE_LIMIT_TOKEN_REFRESH", "auth.rate_limit.token_refresh", same),
    ("GOTRUE_RATE_LIMIT_OTP", "auth.rate_limit.sign_in_sign_ups", same),
    ("GOTRUE_RATE_LIMIT_VERIFY", "auth.rate_limit.token_verifications", same),
    ("GOTRUE_RATE_LIMIT_WEB3", "auth.rate_limit.web3", same),
    ("GOTRUE_EXTERNAL_WEB3_ETHEREUM_ENABLED", "auth.web3.ethereum.enabled", same),
    ("GOTRUE_EXTERNAL_WEB3_ETHEREUM_MAXIMUM_VALIDITY_DURATION", "auth.web3.ethereum.maximum_validity", same),
    ("GOTRUE_EXTERNAL_WEB3_SOLANA_ENABLED", "auth.web3.solana.enabled", same),
    ("GOTRUE_EXTERNAL_WEB3_SOLANA_MAXIMUM_VALIDITY_DURATION", "auth.web3.solana.maximum_validity", same),
    ("GOTRUE_CUSTOM_OAUTH_ENABLED", "auth.custom_oauth.enabled", same),
    ("GOTRUE_CUSTOM_OAUTH_MAX_PROVIDERS", "auth.custom_oauth.max_providers", same),
    ("GOTRUE_CUSTOM_OAUTH_EXTERNAL_URL", "auth.custom_oauth.external_url", same),
    ("GOTRUE_MAILER_EMAIL_VALIDATION_EXTENDED", "auth.email.validation.extended", same),
    ("GOTRUE_MAILER_EMAIL_VALIDATION_SERVICE_URL", "auth.email.validation.service_url", same),
    ("GOTRUE_MAILER_EMAIL_VALIDATION_SERVICE_HEADERS", "auth.email.validation.service_headers", same),
    ("GOTRUE_MAILER_EMAIL_VALIDATION_BLOCKED_MX", "auth.email.validation.blocked_mx", same),
    ("GOTRUE_MAILER_EXTERNAL_HOSTS", "auth.email.external_hosts", same),
    ("GOTRUE_MAILER_ALLOW_UNVERIFIED_EMAIL_SIGN_INS", "auth.email.allow_unverified_sign_ins", same),
    ("GOTRUE_EXTERNAL_FLOW_STATE_EXPIRY_DURATION", "auth.flow_state_expiry", same),
    ("GOTRUE_PASSWORD_HIBP_ENABLED", "auth.password_hibp.enabled", same),
    ("GOTRUE_PASSWORD_HIBP_FAIL_CLOSED", "auth.password_hibp.fail_closed", same),
    ("GOTRUE_PASSWORD_HIBP_USER_AGENT", "auth.password_hibp.user_agent", same),
    (
        "GOTRUE_EXPERIMENTAL_CREATE_EMAIL_IDENTITY_ON_PASSWORD_SET_ENABLED",
        "auth.create_email_identity_on_password_set",
        same,
    ),
    ("GOTRUE_RATE_LIMIT_SSO", "auth.rate_limit.sso", same),
    ("GOTRUE_SAML_ENABLED", "auth.saml.enabled", same),
    ("GOTRUE_EXPERIMENTAL_SCIM_ENABLED", "auth.scim.enabled", same),
    ("GOTRUE_SAML_PRIVATE_KEY", "auth.saml.private_key", same),
    ("GOTRUE_SAML_PRIVATE_KEY_NEXT", "auth.saml.private_key_next", same),
    ("GOTRUE_SAML_ALLOW_ENCRYPTED_ASSERTIONS", "auth.saml.allow_encrypted_assertions", same),
    ("GOTRUE_SAML_RELAY_STATE_VALIDITY_PERIOD", "auth.saml.relay_state_validity_period", same),
    ("GOTRUE_SAML_EXTERNAL_URL", "auth.saml.external_url", same),
    ("GOTRUE_SAML_RATE_LIMIT_ASSERTION", "auth.rate_limit.saml_assertion", same),
    ("GOTRUE_MFA_MAX_ENROLLED_FACTORS", "auth.mfa.max_enrolled_factors", same),
    ("GOTRUE_MFA_MAX_VERIFIED_FACTORS", "auth.mfa.max_verified_factors", same),
    ("GOTRUE_MFA_CHALLENGE_EXPIRY_DURATION", "auth.mfa.challenge_expiry", same),
    ("GOTRUE_MFA_FACTOR_EXPIRY_DURATION", "auth.mfa.factor_expiry", same),
    ("GOTRUE_MFA_RATE_LIMIT_CHALLENGE_AND_VERIFY", "auth.rate_limit.mfa_challenge_and_verify", same),
    ("GOTRUE_MFA_TOTP_ENROLL_ENABLED", "auth.mfa.totp.enroll_enabled", same),
    ("GOTRUE_MFA_TOTP_VERIFY_ENABLED", "auth.mfa.totp.verify_enabled", same),
    ("GOTRUE_MFA_PHONE_ENROLL_ENABLED", "auth.mfa.phone.enroll_enabled", same),
    ("GOTRUE_MFA_PHONE_VERIFY_ENABLED", "auth.mfa.phone.verify_enabled", same),
    ("GOTRUE_MFA_PHONE_OTP_LENGTH", "auth.mfa.phone.otp_length", same),
    ("GOTRUE_MFA_PHONE_MAX_FREQUENCY", "auth.mfa.phone.max_frequency", same),
    ("GOTRUE_MFA_PHONE_TEMPLATE", "auth.mfa.phone.template", same),
    ("GOTRUE_MFA_WEB_AUTHN_ENROLL_ENABLED", "auth.mfa.web_authn.enroll_enabled", same),
    ("GOTRUE_MFA_WEB_AUTHN_VERIFY_ENABLED", "auth.mfa.web_authn.verify_enabled", same),
    ("GOTRUE_WEBAUTHN_RP_ID", "auth.webauthn.rp_id", same),
    ("GOTRUE_WEBAUTHN_RP_DISPLAY_NAME", "auth.webauthn.rp_display_name", same),
    ("GOTRUE_WEBAUTHN_RP_ORIGINS", "auth.webauthn.rp_origins", same),
    ("GOTRUE_WEBAUTHN_CHALLENGE_EXPIRY_DURATION", "auth.webauthn.challenge_expiry", same),
    ("GOTRUE_PASSKEY_ENABLED", "auth.passkey.enabled", same),
    ("GOTRUE_PASSKEY_MAX_PASSKEYS_PER_USER", "auth.passkey.max_per_user", same),
    ("GOTRUE_RATE_LIMIT_PASSKEY", "auth.rate_limit.passkey", same),
    ("GOTRUE_OAUTH_SERVER_ENABLED", "auth.oauth_server.enabled", same),
    ("GOTRUE_OAUTH_SERVER_ALLOW_DYNAMIC_REGISTRATION", "auth.oauth_server.allow_dynamic_registration", same),
    ("GOTRUE_OAUTH_SERVER_AUTHORIZATION_PATH", "auth.oauth_server.authorization_url_path", same),
    ("GOTRUE_OAUTH_SERVER_AUTHORIZATION_TTL", "auth.oauth_server.authorization_ttl", same),
    ("GOTRUE_OAUTH_SERVER_DEFAULT_SCOPE", "auth.oauth_server.default_scope", same),
    ("GOTRUE_RATE_LIMIT_OAUTH_DYNAMIC_CLIENT_REGISTER", "auth.rate_limit.oauth_client_registrations", same),
    ("GOTRUE_RATE_LIMIT_O_AUTH_DYNAMIC_CLIENT_REGISTER", "auth.rate_limit.oauth_client_registrations", same),
    ("GOTRUE_SECURITY_DB_ENCRYPTION_ENCRYPT", "auth.db_encryption.encrypt", same),
    ("GOTRUE_SECURITY_DB_ENCRYPTION_ENCRYPTION_KEY_ID", "auth.db_encryption.encryption_key_id", same),
    ("GOTRUE_SECURITY_DB_ENCRYPTION_ENCRYPTION_KEY", "auth.db_encryption.encryption_key", same),
    ("GOTRUE_SECURITY_DB_ENCRYPTION_DECRYPTION_KEYS", "auth.db_encryption.decryption_keys", same),
    ("GOTRUE_HOOK_CUSTOM_ACCESS_TOKEN_ENABLED", "auth.hook.custom_access_token.enabled", same),
    ("GOTRUE_HOOK_CUSTOM_ACCESS_TOKEN_URI", "auth.hook.custom_access_token.uri", same),
    ("GOTRUE_HOOK_CUSTOM_ACCESS_TOKEN_SECRETS", "auth.hook.custom_access_token.secrets", same),
    ("GOTRUE_HOOK_MFA_VERIFICATION_ATTEMPT_ENABLED", "auth.hook.mfa_verification_attempt.enabled", same),
    ("GOTRUE_HOOK_MFA_VERIFICATION_ATTEMPT_URI", "auth.hook.mfa_verification_attempt.uri", same),
    ("GOTRUE_HOOK_MFA_VERIFICATION_ATTEMPT_SECRETS", "auth.hook.mfa_verification_attempt.secrets", same),
    (
        "GOTRUE_HOOK_PASSWORD_VERIFICATION_ATTEMPT_ENABLED",
        "auth.hook.password_verification_attempt.enabled",
        same,
    ),
    ("GOTRUE_HOOK_PASSWORD_VERIFICATION_ATTEMPT_URI", "auth.hook.password_verification_attempt.uri", same),
    (
        "GOTRUE_HOOK_PASSWORD_VERIFICATION_ATTEMPT_SECRETS",
        "auth.hook.password_verification_attempt.secrets",
        same,
    ),
    ("GOTRUE_HOOK_SEND_EMAIL_ENABLED", "auth.hook.send_email.enabled", same),
    ("GOTRUE_HOOK_SEND_EMAIL_URI", "auth.hook.send_email.uri", same),
    ("GOTRUE_HOOK_SEND_EMAIL_SECRETS", "auth.hook.send_email.secrets", same),
    ("GOTRUE_HOOK_SEND_SMS_ENABLED", "auth.hook.send_sms.enabled", same),
    ("GOTRUE_HOOK_SEND_SMS_URI", "auth.hook.send_sms.uri", same),
    ("GOTRUE_HOOK_SEND_SMS_SECRETS", "auth.hook.send_sms.secrets", same),
    ("GOTRUE_HOOK_BEFORE_USER_CREATED_ENABLED", "auth.hook.before_user_created.enabled", same),
    ("GOTRUE_HOOK_BEFORE_USER_CREATED_URI", "auth.hook.before_user_created.uri", same),
    ("GOTRUE_HOOK_BEFORE_USER_CREATED_SECRETS", "auth.hook.before_user_created.secrets", same),
    ("GOTRUE_HOOK_AFTER_USER_CREATED_ENABLED", "auth.hook.after_user_created.enabled", same),
    ("GOTRUE_HOOK_AFTER_USER_CREATED_URI", "auth.hook.after_user_created.uri", same),
    ("GOTRUE_HOOK_AFTER_USER_CREATED_SECRETS", "auth.hook.after_user_created.secrets", same),
    ("GOTRUE_AUDIT_LOG_DISABLE_POSTGRES", "auth.audit_log_table", not),
];

/// Beginnings of names about things that are done differently here: listening, the pool of a
/// process of its own, its log and metrics.
const QUIET: &[&str] = &[
    "API_",
    "PORT",
    "DB_",
    "LOG_",
    "TRACING_",
    "METRICS_",
    "PROFILER_",
    "OPERATOR_TOKEN",
    "INDEX_WORKER_",
    "RATE_LIMIT_HEADER",
    "JWT_VALID_METHODS",
    "MAILER_EMAIL_BACKGROUND_SENDING",
    "MAILER_TEMPLATE_",
    "SMTP_LOGGING_ENABLED",
    // A filter in memory that spares requests; none are spared here.
    "PASSWORD_HIBP_BLOOM_",
    // An hour and ten seconds, always.
    "EXTERNAL_OIDC_PROVIDER_CACHE_TTL",
    "INTERNAL_HTTP_TIMEOUT",
];

pub(super) fn translate(into: &mut Names<'_>) {
    into.apply(ROWS);
    sms_provider(into, SMS_PROVIDER);
    linking_domains(into);
    let external = external(into);
    let own = [SMS_PROVIDER, LINKING_DOMAINS, OWN_LINKING_DOMAIN];
    let handled: Vec<&str> = external.iter().map(String::as_str).chain(own).collect();
    into.leftovers("GOTRUE_", ROWS, &handled, QUIET);
}

/// What is set for each provider of accounts, `GOTRUE_EXTERNAL_<PROVIDER>_<FIELD>`; returns the names.
fn external(into: &mut Names<'_>) -> Vec<String> {
    const FIELDS: [&str; 7] =
        ["enabled", "client_id", "secret", "redirect_uri", "url", "skip_nonce_check", "email_optional"];
    let pairs = auth::PROVIDERS.iter().flat_map(|provider| FIELDS.iter().map(move |field| (provider, field)));
    let mut names = Vec::new();
    for (provider, field) in pairs {
        let name = format!("GOTRUE_EXTERNAL_{}_{}", provider.to_uppercase(), field.to_uppercase());
        if let Some(text) = into.get(&name).map(str::to_owned) {
            into.assign(&name, &format!("auth.external.{provider}.{field}"), Ok(text));
        }
        names.push(name);
    }
    names
}

const SMS_PROVIDER: &str = "GOTRUE_SMS_PROVIDER";

const LINKING_DOMAINS: &str = "GOTRUE_EXPERIMENTAL_PROVIDER_LINKING_DOMAINS";
const OWN_LINKING_DOMAIN: &str = "GOTRUE_EXPERIMENTAL_PROVIDERS_WITH_OWN_LINKING_DOMAIN";

/// Providers and their domains; of the older name, providers that are a domain each.
fn linking_domains(into: &mut Names<'_>) {
    let parts = |text: Option<&str>| -> Vec<String> {
        let parts = text.unwrap_or_default().split(',').map(str::trim).filter(|part| !part.is_empty());
        parts.map(str::to_owned).collect()
    };
    let (own, mapped) = (parts(into.get(OWN_LINKING_DOMAIN)), parts(into.get(LINKING_DOMAINS)));
    if own.is_empty() && mapped.is_empty() {
        return;
    }
    let name = if mapped.is_empty() { OWN_LINKING_DOMAIN } else { LINKING_DOMAINS };
    let pair = |text: &String| match text.split_once('=').map(|(a, b)| (a.trim(), b.trim())) {
        Some((provider, domain)) if !provider.is_empty() && !domain.is_empty() => {
            Ok((provider.to_owned(), domain.to_owned()))
        }
        _ => Err("must be provider=domain,provider=domain".to_owned()),
    };
    let own = own.iter().map(|provider| Ok((provider.clone(), provider.clone())));
    let domains: Result<BTreeMap<String, String>, String> = own.chain(mapped.iter().map(pair)).collect();
    into.assign(name, "auth.linking_domains", domains.map(|domains| json!(domains).to_string()));
}

/// A count per hour, or `count/duration`.
fn per_hour(text: &str) -> Result<String, String> {
    let refused = || "must be a number, or a number and a duration: 30/1h".to_owned();
    let (count, span) = text.split_once('/').unwrap_or((text, "1h"));
    let count: f64 = count.trim().parse().map_err(|_| refused())?;
    let span: kernel::units::Span = span.trim().parse().map_err(|_| refused())?;
    let hourly = (count * 3600.0 / span.0.as_secs_f64()).ceil();
    if hourly.is_finite() && (0.0..=f64::from(u32::MAX)).contains(&hourly) {
        Ok(format!("{hourly:.0}"))
    } else {
        Err(refused())
    }
}

/// Sets with colons between; a colon in a set is escaped.
#[allow(clippy::unnecessary_wraps)]
fn character_sets(text: &str) -> Result<String, String> {
    let mut sets = vec![String::new()];
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\\' if characters.next_if_eq(&':').is_some() => push(&mut sets, ':'),
            ':' => sets.push(String::new()),
            other => push(&mut sets, other),
        }
    }
    sets.retain(|set| !set.is_empty());
    Ok(json!(sets).to_string())
}

fn push(sets: &mut [String], character: char) {
    if let Some(last) = sets.last_mut() {
        last.push(character);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_per_hour() {
        assert_eq!(per_hour("30").as_deref(), Ok("30"));
        assert_eq!(per_hour("2/1m").as_deref(), Ok("120"));
        assert_eq!(per_hour("1/24h").as_deref(), Ok("1"));
        assert!(per_hour("x").is_err() && per_hour("1/0s").is_err() && per_hour("-1").is_err());
    }

    #[test]
    fn sets_of_characters() {
        assert_eq!(character_sets(r"abc:123:!\:\,").as_deref(), Ok(r#"["abc","123","!:\\,"]"#));
    }

    /// A name that is read and not written down would be found by nobody.
    #[test]
    fn every_name_is_in_the_manual() {
        let manual = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/gotrue.md");
        let manual = std::fs::read_to_string(manual).unwrap_or_default();
        let known: Vec<&str> = manual.split('`').skip(1).step_by(2).collect();
        let is_known = |name: &str| {
            known.iter().any(|pattern| match (pattern.split_once("_H_"), pattern.strip_suffix('*')) {
                (Some((before, after)), _) => name.starts_with(before) && name.ends_with(after),
                (None, Some(beginning)) => name.starts_with(beginning),
                (None, None) => *pattern == name,
            })
        };
        let names = ROWS.iter().map(|(name, ..)| name.trim_start_matches("GOTRUE_"));
        let others = QUIET.iter().map(|beginning| beginning.trim_end_matches('_'));
        let missing: Vec<_> = names
            .filter(|name| !is_known(name))
            .chain(others.filter(|name| !known.iter().any(|pattern| pattern.starts_with(name))))
            .collect();
        assert_eq!(missing, Vec::<&str>::new());
    }
}
